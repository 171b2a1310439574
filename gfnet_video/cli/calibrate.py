"""gfnet-video calibrate: temperatures and exit thresholds for a checkpoint, from held-out clips."""

from __future__ import annotations

from pathlib import Path

import click

from gfnet_video.cli.main import VERBS


@click.command("calibrate", help=VERBS["calibrate"].help)
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("source", required=False, type=click.Path(path_type=Path))
@click.option("--dataset", "data_name", default=None, help="A name of the catalog; else SOURCE: a run, or your clips.")
@click.option("--data", type=click.Path(path_type=Path), default=None, help="Root of the data set.")
@click.option("--split", default="calibration", show_default=True, help="Held-out clips, never trained on.")
@click.option(
    "--max-drop", type=float, default=0.3, show_default=True, help="Answers that exits may change, in points."
)
def command(
    model: Path, source: Path | None, data_name: str | None, data: Path | None, split: str, max_drop: float
) -> None:
    import json

    from gfnet_video.checkpoint import load
    from gfnet_video.evaluation.held_out import open_held_out
    from gfnet_video.evaluation.session import calibrate_folder

    opened = open_held_out(load(model).card, source, data_name, split, data=data)
    result = calibrate_folder(model, opened, split, max_drop=max_drop / 100)
    click.echo(json.dumps(result, indent=1))
