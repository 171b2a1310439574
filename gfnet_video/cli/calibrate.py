"""gfnet-video calibrate: temperatures and exit thresholds for a checkpoint, from held-out clips."""

from __future__ import annotations

from pathlib import Path

import click

from gfnet_video.cli.main import VERBS


@click.command("calibrate", help=VERBS["calibrate"].help)
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--dataset", "data_name", required=True, help="A name of the catalog.")
@click.option("--data", type=click.Path(path_type=Path), default=None, help="Root of the data set.")
@click.option("--split", default="calibration", show_default=True, help="Held-out clips, never trained on.")
@click.option("--max-drop", type=float, default=0.3, show_default=True, help="Accuracy the exits may cost, in points.")
def command(model: Path, data_name: str, data: Path | None, split: str, max_drop: float) -> None:
    import json

    from gfnet_video.datasets.catalog import dataset, root_of
    from gfnet_video.evaluation.session import calibrate_folder

    row = dataset(data_name)
    result = calibrate_folder(model, row, root_of(row, data), split, max_drop=max_drop / 100)
    click.echo(json.dumps(result, indent=1))
