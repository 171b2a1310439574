"""gfnet-video stream: recognise what cameras, addresses, pipes and files show, as they show it."""

from __future__ import annotations

import click

from gfnet_video.cli import options
from gfnet_video.cli.infer import DEFAULT_MODEL
from gfnet_video.cli.main import VERBS

ABOUT = f"""{VERBS["stream"].help}

SOURCE is a camera (0 or /dev/video0), an address (rtsp, http, tcp, udp, ...), a file, a named pipe, or - for standard
input. A line is printed when what is seen becomes another: at the first frame that is sure of it, else after a whole
window. Ctrl-C ends it.
"""


@click.command("stream", help=ABOUT)
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)
@click.option(
    "--model", "name", default=DEFAULT_MODEL, show_default=True, help="A bundled name, a folder or hf-hub:org/name."
)
@click.option("--every", type=float, default=None, help="Seconds between frames.  [default: as the model was trained]")
@click.option(
    "--confidence", type=float, default=None, help="Be sure at this confidence, in the place of the stored thresholds."
)
@click.option(
    "--abstain",
    type=float,
    default=0.5,
    show_default=True,
    help="A whole window less confident than this, and not sure, shows nothing.",
)
@click.option(
    "--live/--no-live",
    default=None,
    help="Drop what comes too fast, and play files at their own speed.  [default: cameras and live addresses drop]",
)
@options.shrink
@options.engine
@options.precision
@options.threads
@click.option("--jsonl", is_flag=True, help="One JSON object a line on stdout: label, gap, dropped, end, error.")
def command(
    sources: tuple[str, ...],
    name: str,
    every: float | None,
    confidence: float | None,
    abstain: float,
    live: bool | None,
    shrink: bool,
    engine: str,
    precision: str | None,
    threads: int | None,
    jsonl: bool,
) -> int:
    from contextlib import closing

    from rich.console import Console

    from gfnet_video.cli.infer import say_vocabulary
    from gfnet_video.engines.opening import open_engine
    from gfnet_video.inference.events import Failed, Recognised, json_event, plain_event
    from gfnet_video.inference.live import watch
    from gfnet_video.inference.stream import choices, warnings

    model = open_engine(name, engine, threads, precision=precision)
    chosen = choices(model.about, every=every, confidence=confidence, abstain=abstain)
    say_vocabulary(model.about, Console(stderr=True))
    for warning in warnings(model, chosen, confidence=confidence):
        click.echo(f"warning: {warning}", err=True)
    failed = 0
    with closing(watch(model, sources, chosen, live=live, shrink=shrink)) as events:  # type: ignore[type-var]
        for event in events:
            failed += isinstance(event, Failed)
            if jsonl:
                click.echo(json_event(event))
            if not jsonl or isinstance(event, Failed):
                click.echo(plain_event(event), err=not isinstance(event, Recognised))
    return 1 if failed else 0
