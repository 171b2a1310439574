"""Everything behind the bundled model, in order and resumable: `make train-mini`.

Renders `mini`, trains the two static networks and the GFNet that starts from them, finds the exit thresholds on the
calibration split, and writes the bundled model (float16) and the bundled clips. Runs go into runs/NAME; a finished
one is kept, an interrupted one goes on where it stopped.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path

from gfnet_video.checkpoint import BUNDLED, load, save
from gfnet_video.cli.train import config_path
from gfnet_video.config import Config, load_config
from gfnet_video.datasets.annotations import read_manifest
from gfnet_video.datasets.catalog import dataset, root_of
from gfnet_video.datasets.source import CatalogSource
from gfnet_video.errors import GFNetVideoError
from gfnet_video.evaluation.calibration import Risk
from gfnet_video.evaluation.session import calibrate_folder
from gfnet_video.training.session import train_session

NAMES = ("mini_mobilenetv2_full", "mini_mobilenetv2_glance", "mini_mobilenetv2_gfnet")
BUNDLE = "gfnet_tsm_mobilenetv2.mini"
CLIPS = BUNDLED.parent / "clips"
GOAL = Risk(max_drop=0.01, confidence=0.95)  # what the exits of the bundled model may cost
DEMO_CLIPS = 6  # the first of the test split, chosen before any model had seen them


def run(config: Config, root: Path, runs: Path) -> Path:
    """Train one config unless its model is there; returns the checkpoint folder."""
    folder = runs / config.name
    if (folder / "model" / "config.json").is_file():
        return folder / "model"
    return train_session(CatalogSource(dataset("mini"), root), config, folder, resume=True)


def bundle(trained: Path, folder: Path) -> None:
    """Round to float16 what was trained, into `folder`."""
    model = load(trained)
    save(
        folder, model, replace(model.card, provenance=model.card.provenance | {"made_by": "make train-mini"}), half=True
    )


def bundle_clips(root: Path, folder: Path) -> None:
    """Copy the first test clips, named by id and label."""
    manifest = read_manifest(dataset("mini"), root, "test").head(DEMO_CLIPS)
    folder.mkdir(parents=True, exist_ok=True)
    for i, label in enumerate(manifest.labels):
        words = manifest.classes[label].lower().replace(" ", "_")
        shutil.copyfile(manifest.path(i), folder / f"{manifest.id(i)}_{words}{manifest.path(i).suffix}")


def main() -> int:
    """Train all three, calibrate, bundle."""
    root, runs = root_of(dataset("mini"), None), Path("runs")
    try:
        folders = [run(load_config(config_path(name)), root, runs) for name in NAMES]
        bundle(folders[-1], BUNDLED / BUNDLE)
        calibrate_folder(BUNDLED / BUNDLE, CatalogSource(dataset("mini"), root), "calibration", GOAL)
        bundle_clips(root, CLIPS)
    except GFNetVideoError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(f"bundled: {BUNDLED / BUNDLE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
