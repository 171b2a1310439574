"""gfnet-video infer: recognise files, folders and globs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gfnet_video.cli import options
from gfnet_video.cli.main import VERBS
from gfnet_video.cli.part import part
from gfnet_video.cli.progress import tracked

if TYPE_CHECKING:
    from rich.console import Console

    from gfnet_video.engines.engine import About, Engine
    from gfnet_video.inference.report import Outcome
    from gfnet_video.inference.runner import Options
    from gfnet_video.video.worker import Limits

DEFAULT_MODEL = "gfnet_tsm_mobilenetv2.mini"


@click.command("infer", help=VERBS["infer"].help)
@click.argument("inputs", nargs=-1, required=True)
@click.option(
    "--model", "name", default=DEFAULT_MODEL, show_default=True, help="A bundled name, a folder or hf-hub:org/name."
)
@click.option(
    "--confidence", type=float, default=None, help="Exit at this confidence, in the place of the stored thresholds."
)
@click.option("--no-exit", is_flag=True, help="Take all looks.")
@click.option("--reader", default="auto", show_default=True, help="auto, decord or pyav.")
@options.shrink
@click.option(
    "--chunk",
    type=click.IntRange(min=1),
    default=None,
    help="Frames computed together.  [default: as calibrated, or 1]",
)
@options.patch_side
@options.engine
@options.precision
@options.threads
@click.option(
    "--limit-seconds", type=float, default=None, help="Wall clock of decoding one video.  [default: 60 of several]"
)
@click.option(
    "--ahead", is_flag=True, help="Decode the next frame while the networks look at this one; for a core that idles."
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Files decoded at once, each in a process of its own, and looked at together.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON list on stdout.")
@click.option("--jsonl", is_flag=True, help="One JSON object a line on stdout, as each video is done.")
@click.option(
    "--rows",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Add the JSON lines to FILE, and pass over inputs that have one there: run again after a kill to go on. An "
    "input that failed has one too; take that line off to try it again.",
)
@click.option(
    "--part",
    callback=part,
    default=None,
    metavar="I/N",
    help="The I-th of N parts of the inputs, by their names: for N machines, each with --rows of its own.",
)
@click.option(
    "--picture",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Draw what was looked at, and where it stopped.",
)
def command(
    inputs: tuple[str, ...],
    name: str,
    confidence: float | None,
    no_exit: bool,
    reader: str,
    shrink: bool,
    chunk: int | None,
    side: int | None,
    engine: str,
    precision: str | None,
    threads: int | None,
    limit_seconds: float | None,
    ahead: bool,
    jobs: int,
    as_json: bool,
    jsonl: bool,
    rows: Path | None,
    part: tuple[int, int] | None,
    picture: Path | None,
) -> int:
    import json

    from rich.console import Console

    from gfnet_video.engines.opening import open_engine
    from gfnet_video.inference.files import find_videos
    from gfnet_video.inference.many import predict_many
    from gfnet_video.inference.overlay import picture_format
    from gfnet_video.inference.report import as_dict, json_line, print_table
    from gfnet_video.inference.row_file import part_of
    from gfnet_video.inference.runner import Options
    from gfnet_video.inference.together import Load, in_words
    from gfnet_video.video.worker import LIMITS, Limits

    if no_exit and confidence is not None:
        raise click.UsageError("--no-exit and --confidence exclude each other")
    asked = {"--json": as_json, "--jsonl": jsonl, "--rows": rows is not None}
    if len(given := [option for option, is_given in asked.items() if is_given]) > 1:
        raise click.UsageError(f"{' and '.join(given)} exclude each other")
    if rows is not None and picture is not None:
        raise click.UsageError("--rows is for many inputs, --picture for a few; they exclude each other")
    if picture is not None:
        picture_format(picture)
    limits = None if limit_seconds is None else Limits(limit_seconds)
    paths = find_videos(inputs, note)
    paths = paths if part is None else part_of(dict.fromkeys(paths), *part)
    model = open_engine(name, engine, threads, side=side, precision=precision)
    notes, out = Console(stderr=True), Console(file=sys.stdout, width=None if sys.stdout.isatty() else 160)
    outcomes: list[Outcome] = []
    load = Load()
    how = Options(confidence, not no_exit, reader, chunk, ahead=ahead, shrink=shrink)
    if rows is not None:
        return _into_rows(rows, model, paths, how, limits or LIMITS, jobs, notes)
    found, hidden = predict_many(model, paths, how, limits, jobs=jobs, load=load), jsonl and sys.stdout.isatty()
    try:
        for outcome in tracked(found, "recognising", len(paths), notes, hidden=hidden or len(paths) == 1):
            outcomes.append(outcome)
            if jsonl:
                click.echo(json_line(outcome))
    except KeyboardInterrupt:  # half of a JSON list would be no JSON; a table of what is known is one
        notes.print(f"interrupted after {len(outcomes)} of {len(paths)} inputs", markup=False)
        if outcomes and not (as_json or jsonl):
            print_table(outcomes, out)
        raise
    if as_json:
        click.echo(json.dumps([as_dict(o) for o in outcomes], indent=1, ensure_ascii=False))
    elif not jsonl:
        print_table(outcomes, out)
    if load.steps:
        notes.print(in_words(load, len(outcomes)), markup=False, highlight=False)
    say_vocabulary(model.about, notes)
    return finish(model.about, outcomes, picture, notes)


def _into_rows(
    rows: Path, model: Engine, paths: list[Path], how: Options, limits: Limits, jobs: int, notes: Console
) -> int:
    """Recognise what has no row yet; 1 where an input failed, now or before."""
    from gfnet_video.inference.many import predict_many
    from gfnet_video.inference.row_file import how_of, open_rows
    from gfnet_video.inference.together import Load, check_shares, in_words

    load, added = Load(), 0
    if jobs > 1:
        check_shares(model, how)
    with open_rows(rows, how_of(model, how, paths, jobs=jobs)) as held:
        left = [path for path in dict.fromkeys(paths) if held.lacks(path)]
        found = predict_many(model, left, how, limits, jobs=jobs, load=load)
        try:
            for path, outcome in zip(left, tracked(found, "recognising", len(left), notes), strict=True):
                held.add(path, outcome)
                added += 1
        finally:
            failed = sum(held.failed.values())
            words = f"{rows}: {added} rows added, {len(held.failed)} in all, of which {failed} failed"
            notes.print(words, markup=False, highlight=False, soft_wrap=True)
    if load.steps:
        notes.print(in_words(load, added), markup=False, highlight=False)
    return 1 if failed else 0


def note(words: str) -> None:
    """A line beside what is asked for."""
    click.echo(f"note: {words}", err=True)


def say_vocabulary(about: About, notes: Console) -> None:
    """What the model can say at all: a label outside of what it was trained for means nothing."""
    names = about.classes
    shown = ", ".join(names[:12]) + (f", ... ({len(names)} in all)" if len(names) > 12 else "")
    notes.print(f"This model knows only {len(names)} classes, learned from {about.dataset}: {shown}.", markup=False)
    notes.print("On a video of anything else its label means nothing.", markup=False)


def finish(about: About, outcomes: list[Outcome], picture: Path | None, notes: Console) -> int:
    """Draw the picture where asked; the exit code: 1 where some inputs failed."""
    from gfnet_video.errors import VideoError
    from gfnet_video.inference.overlay import draw
    from gfnet_video.records import Prediction

    failed = [o for o in outcomes if isinstance(o, VideoError)]
    if picture is not None and len(failed) < len(outcomes):
        draw(about, [o for o in outcomes if isinstance(o, Prediction)], picture)
        notes.print(f"picture: {picture}", markup=False)
    if failed:
        notes.print(f"{len(failed)} of {len(outcomes)} inputs failed", markup=False, style="red")
    return 1 if failed else 0
