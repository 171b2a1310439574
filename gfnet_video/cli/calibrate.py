"""gfnet-video calibrate: temperatures and exit thresholds for a model, from held-out clips."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from gfnet_video.cli.main import VERBS
from gfnet_video.cli.options import patch_side
from gfnet_video.cli.percent import percent
from gfnet_video.cli.progress import bar

ABOUT = f"""{VERBS["calibrate"].help}

Without --budget it finds the earliest exits that are proven safe. An exit harms where its answer is wrong and that of
all looks would have been right; accuracy falls by no more than the part of clips so harmed. The proof holds for clips
drawn as these were, one by one; 1% at 95% takes 399 of them at least, of which 100 fit the temperatures.

With --budget it spends a given computation where it brings the most right answers, and promises no accuracy.

MODEL is a checkpoint or an exported folder. What is computed in another precision is sure at other times: calibrate an
int8 folder, or a float32 one with --precision bf16, before its exits are relied on.
"""


@click.command("calibrate", help=ABOUT)
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("source", required=False, type=click.Path(path_type=Path))
@click.option("--dataset", "data_name", default=None, help="A name of the catalog; else SOURCE: a run, or your clips.")
@click.option("--data", type=click.Path(path_type=Path), default=None, help="Root of the data set.")
@click.option("--split", default="calibration", show_default=True, help="Held-out clips, never trained on.")
@click.option("--budget", type=float, metavar="GMACS", default=None, help="What a clip may cost on average.")
@click.option(
    "--max-drop",
    callback=percent,
    metavar="PERCENT",
    default="1%",
    show_default=True,
    help="Clips that exits may harm, of all.",
)
@click.option(
    "--confidence",
    callback=percent,
    metavar="PERCENT",
    default="95%",
    show_default=True,
    help="How sure it is that no more are harmed.",
)
@patch_side
@click.option("--engine", default="auto", show_default=True, help="Of an exported MODEL: as in infer.")
@click.option("--precision", default=None, help="Of an exported MODEL: as in infer; each keeps thresholds of its own.")
@click.option(
    "--chunk",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Frames computed together (what is fastest `bench` says); stored, and taken by infer.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=None,
    help="Leave MODEL as it is, and write a copy with the thresholds here; a bundled one is never changed.",
)
@click.pass_context
def command(
    ctx: click.Context,
    model: Path,
    source: Path | None,
    data_name: str | None,
    data: Path | None,
    split: str,
    budget: float | None,
    max_drop: float,
    confidence: float,
    side: int | None,
    engine: str,
    precision: str | None,
    chunk: int,
    out: Path | None,
) -> int:
    import json

    from rich.console import Console

    from gfnet_video.checkpoint import is_bundled
    from gfnet_video.errors import ConfigError
    from gfnet_video.evaluation.calibration import Budget, Risk
    from gfnet_video.evaluation.held_out import open_unseen
    from gfnet_video.evaluation.session import calibrated, subject_of

    asked = [n for n in ("max_drop", "confidence") if ctx.get_parameter_source(n) is not ParameterSource.DEFAULT]
    if budget is not None and asked:
        raise click.UsageError(f"--budget and --{asked[0].replace('_', '-')} exclude each other")
    goal = Risk(max_drop, confidence) if budget is None else Budget(budget)
    if out is None and is_bundled(model):
        raise ConfigError(f"{model.name} came with the package, which stays as it is; give --out FOLDER for a copy")
    with bar("calibrating", Console(stderr=True)) as progress:
        subject = subject_of(model, engine, precision, side, progress, out=out)
        opened = open_unseen(subject.about.parting, source, data_name, split, data=data)
        result = calibrated(subject, opened, split, goal, chunk=chunk)
    click.echo(json.dumps(result, indent=1))
    click.echo(in_words(result), err=True)
    failed, clips = result["valid_for"]["failed"], result["valid_for"]["clips"]
    if failed:
        click.echo(
            f"{failed} of {failed + clips} clips could not be read and were left out; `check` names them", err=True
        )
    return 1 if failed else 0


def in_words(found: dict[str, Any]) -> str:
    """What the thresholds do on the clips that they were found on."""
    cost = f"{found['gmacs']:.3f} of {found['gmacs_no_exit']:.3f} GMACs"
    tested, harmed = found["valid_for"]["tested"], found["harmful_exits"]
    if found["mean_exit_step"] == found["steps"]:
        return f"no exit before the last of {found['steps']} steps reaches this goal: all looks are taken, {cost}"
    return (
        f"exits after step {found['mean_exit_step']:.2f} of {found['steps']} on average, at {cost}; "
        f"{harmed} of {tested} clips are harmed; top-1 {100 * found['top1']:.1f} %, "
        f"with all looks {100 * found['top1_no_exit']:.1f} %"
    )
