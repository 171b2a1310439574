"""gfnet-video bench: milliseconds from file to answer, beside static networks in the same run."""

from __future__ import annotations

import sys

import click

from gfnet_video.cli import options
from gfnet_video.cli.infer import DEFAULT_MODEL
from gfnet_video.cli.main import VERBS
from gfnet_video.cli.train import config_path, is_config
from gfnet_video.config.words import CLIP_NETWORKS

ABOUT = f"""{VERBS["bench"].help}

CLIPS are files, folders or globs; without any, those that are bundled. All contenders take turns on them, round by
round: the model with its exits and without, on each engine, one clip at a time and several; static networks of its
backbones; peers.
"""


@click.command("bench", help=ABOUT)
@click.argument("clips", nargs=-1)
@click.option(
    "--model",
    "names",
    multiple=True,
    default=(DEFAULT_MODEL,),
    show_default=True,
    help="A bundled name, a folder or hf-hub:org/name; or a config, as of train, whose network is timed untrained. "
    "Several take turns, as a folder of int8 beside one of float32.",
)
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True, help="After one that warms up.")
@click.option("--batch", type=click.IntRange(min=1), default=8, show_default=True, help="Clips side by side, beside 1.")
@click.option(
    "--chunk", "chunks", type=click.IntRange(min=1), multiple=True, help="Frames computed together.  [default: 1, 2, 4]"
)
@options.patch_side
@click.option("--engine", "engines", multiple=True, help="torch, onnxruntime, openvino.  [default: all installed]")
@click.option(
    "--peer",
    "peers",
    type=click.Choice(CLIP_NETWORKS),
    multiple=True,
    default=["x3d_s"],
    show_default=True,
    help="A network of pytorchvideo to time beside them; again for more.",
)
@click.option("--bf16", is_flag=True, help="What is exported in float32 in bfloat16 too, where openvino can.")
@options.threads
@click.option(
    "--confidence", type=float, default=None, help="Exit at this confidence, in the place of the stored thresholds."
)
@click.option("--json", "as_json", is_flag=True, help="JSON on stdout, the table on stderr.")
def command(
    clips: tuple[str, ...],
    names: tuple[str, ...],
    rounds: int,
    batch: int,
    chunks: tuple[int, ...],
    side: int | None,
    engines: tuple[str, ...],
    peers: tuple[str, ...],
    bf16: bool,
    threads: int | None,
    confidence: float | None,
    as_json: bool,
) -> None:
    import json

    from rich.console import Console

    from gfnet_video.checkpoint import CLIPS
    from gfnet_video.config import load_config
    from gfnet_video.evaluation.bench import bench, contenders_of
    from gfnet_video.evaluation.bench_models import Ways, opened
    from gfnet_video.evaluation.bench_report import fastest, print_bench, report_of
    from gfnet_video.evaluation.bench_rivals import Peer
    from gfnet_video.evaluation.bench_setting import setting_of
    from gfnet_video.inference.files import find_videos

    def told(what: str) -> None:
        click.echo(what, err=True)

    paths = find_videos(clips or [str(CLIPS)])
    batches = sorted({1, min(batch, len(paths))})
    named = [load_config(config_path(name)) if is_config(name) else name for name in names]
    with opened(named, Ways(engines, threads, paths, told, bf16), side=side) as found:
        classes = next(engine.about.config.classes for engine, kind in found if kind != "static")
        if confidence is not None and all(kind != "gfnet" for _, kind in found):
            raise click.UsageError("--confidence: a network of a config is untrained and has no exits; name a model")
        others = [Peer(peer, classes) for peer in dict.fromkeys(peers)]
        rows = report_of(
            bench(contenders_of(found, confidence, batches, chunks or (1, 2, 4), others), paths, rounds, told)
        )
        setting = setting_of(found, len(paths), rounds, threads)
        setting |= {} if side is None else {"patch_side": side}
    print_bench(rows, Console(stderr=as_json, width=None if sys.stdout.isatty() else 220))
    click.echo(fastest(rows), err=as_json)
    line = ", ".join(f"{key} {value}" for key, value in setting.items())
    click.echo(line, err=as_json)
    if as_json:
        click.echo(json.dumps({"setting": setting, "contenders": rows}, indent=1))
