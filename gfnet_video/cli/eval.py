"""gfnet-video eval: a model on a split of a data set."""

from __future__ import annotations

from pathlib import Path

import click

from gfnet_video.cli.infer import DEFAULT_MODEL
from gfnet_video.cli.main import VERBS
from gfnet_video.cli.options import patch_side
from gfnet_video.cli.options import shrink as shrink_frames
from gfnet_video.cli.progress import bar


@click.command("eval", help=VERBS["eval"].help)
@click.option(
    "--model", "name", default=DEFAULT_MODEL, show_default=True, help="A bundled name, a folder or hf-hub:org/name."
)
@click.argument("source", required=False, type=click.Path(path_type=Path))
@click.option("--dataset", "data_name", default=None, help="A name of the catalog; else SOURCE: a run, or your clips.")
@click.option("--data", type=click.Path(path_type=Path), default=None, help="Root of the data set, or of a list.")
@click.option("--classes", type=click.Path(path_type=Path), default=None, help="What a list's ids stand for.")
@click.option("--split", default="test", show_default=True, help="Of your own clips also: all.")
@click.option(
    "--confidence", type=float, default=None, help="Exit at this confidence, in the place of the stored thresholds."
)
@click.option("--no-exit", is_flag=True, help="Take all looks.")
@click.option(
    "--protocol",
    type=click.Choice(["exits", "centre", "full"]),
    default="exits",
    show_default=True,
    help="exits: as it infers, frame by frame; centre: one clip, centre crop, all looks; full: two clips, three "
    "squares of the frame.",
)
@patch_side
@click.option("--device", default="auto", show_default=True, help="auto: a GPU where there is one; or cpu, cuda:1.")
@click.option("--batch", type=click.IntRange(min=1), default=16, show_default=True)
@click.option("--limit", type=click.IntRange(min=1), default=None, help="The first N clips only.")
@click.option(
    "--rows", type=click.Path(path_type=Path), default=None, help="Write one JSON line per clip, failed ones too."
)
@click.option(
    "--curve",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="Write curves, calibration, confusions and worst clips into this folder: JSON and pictures.",
)
@click.option("--cache/--no-cache", default=False, help="Decode the split once into DATA/cache.")
@shrink_frames
def command(
    source: Path | None,
    name: str,
    data_name: str | None,
    data: Path | None,
    classes: Path | None,
    split: str,
    confidence: float | None,
    no_exit: bool,
    protocol: str,
    side: int | None,
    device: str,
    batch: int,
    limit: int | None,
    rows: Path | None,
    curve: Path | None,
    cache: bool,
    shrink: bool,
) -> int:
    import json

    from rich.console import Console

    from gfnet_video.checkpoint import load
    from gfnet_video.datasets.clips import open_clips
    from gfnet_video.engines.torch_engine import TorchEngine
    from gfnet_video.errors import printable
    from gfnet_video.evaluation.curve_report import check_ready, write_curve
    from gfnet_video.evaluation.evaluate import evaluate
    from gfnet_video.evaluation.held_out import open_held_out
    from gfnet_video.evaluation.protocols import evaluate_views
    from gfnet_video.files import write_text
    from gfnet_video.inference.runner import Options, rule_of
    from gfnet_video.inference.validity import elsewhere
    from gfnet_video.nn.device import pick_device
    from gfnet_video.nn.folding import folded

    if no_exit and confidence is not None:
        raise click.UsageError("--no-exit and --confidence exclude each other")
    if protocol != "exits" and (confidence is not None or rows is not None or curve is not None or cache or shrink):
        raise click.UsageError(
            f"--protocol {protocol} takes all looks of every view; --confidence, --rows, --curve, --cache and --shrink "
            "go without"
        )
    if cache and shrink:
        raise click.UsageError("--cache and --shrink exclude each other: what is cached is not scaled by libav")
    model = load(name).at_side(side).to(pick_device(device))
    opened = open_held_out(model.card.parting, source, data_name, split, data=data, class_file=classes)
    manifest = opened.manifest(split, model.card.classes)
    manifest = manifest if limit is None else manifest.head(limit)
    about: dict[str, object] = {"model": str(name), "dataset": opened.name, "split": split}
    about |= {} if side is None else {"patch_side": side}
    about |= {"shrink": True} if shrink else {}
    if protocol != "exits":
        measured = evaluate_views(model, manifest, protocol, batch=batch)
        click.echo(json.dumps(about | measured, indent=1))
        return 1 if measured["failed"] else 0
    model = folded(model)
    if curve is not None:
        check_ready(curve, manifest)
    clips = open_clips(
        manifest, model.config, opened.cache(manifest.root) if cache else None, shrink=model.config.shrunk_to(shrink)
    )
    rule = rule_of(model.card.rule, Options(confidence, not no_exit))
    for warning in () if no_exit or confidence is not None else elsewhere(TorchEngine(model).about):
        click.echo(f"warning: {warning}", err=True)
    with bar("measuring", Console(stderr=True)) as progress:
        found = evaluate(model, clips, rule, batch=batch, progress=progress)
    if rows is not None:
        write_text(rows, "".join(json.dumps(r) + "\n" for r in found.rows))
    click.echo(json.dumps(about | found.summary, indent=1))
    for line in (r for r in found.rows if "error" in r):
        click.echo(f"failed: {line['id']}: {line['error']}", err=True)
    if curve is not None:
        exits = "no exit" if no_exit else "stored thresholds" if confidence is None else f"confidence {confidence:g}"
        click.echo("timing the exits; this takes a minute or two", err=True)
        write_curve(curve, model, clips, rule, found, about | {"exits": exits})
        click.echo(f"{printable(curve)}: curve.json, confusion.csv and pictures", err=True)
    return 1 if found.summary["failed"] else 0
