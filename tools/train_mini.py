"""The trainings behind the README's numbers on `mini`, in order and resumable. Runs go into runs/NAME; a finished one
is kept, an interrupted one goes on where it stopped.

`make train-mini`: renders `mini`, trains the two static networks and the GFNets that start from them, finds the exit
thresholds on the calibration split, and writes the bundled models (float16) and the bundled clips.

`make train-table`: what the table compares, on each backbone family from each seed (tools/mini_runs.py), the same as
`python -m tools.train_mini --table`; `--only full --only gfnet --family mobilenetv2 --seed 0` trains a part of it.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import asdict, replace
from pathlib import Path

import click

from gfnet_video.checkpoint import BUNDLED, CLIPS, load, save
from gfnet_video.cli.memory import keep_memory
from gfnet_video.config import Config
from gfnet_video.datasets.annotations import read_manifest
from gfnet_video.datasets.catalog import dataset, root_of
from gfnet_video.datasets.source import CatalogSource
from gfnet_video.errors import GFNetVideoError
from gfnet_video.evaluation.calibration import Budget, Risk
from gfnet_video.evaluation.session import calibrate_folder
from gfnet_video.nn.exit_rule import ExitRule
from gfnet_video.training.session import train_session
from tools.mini_runs import BUNDLES, FAMILIES, RECIPES, RUNS, SEEDS, STATIC, TRAINED, config_of, cost_of

DEMO_CLIPS = 6  # the first of the test split, chosen before any model had seen them


def run(config: Config, root: Path) -> Path:
    """Train one config on its data set unless its model is there; returns the checkpoint folder."""
    folder = RUNS / config.name
    if (folder / "model" / "config.json").is_file():
        return folder / "model"
    return train_session(CatalogSource(dataset(config.dataset), root), config, folder, resume=True)


def exits_of(key: str, family: str = "mobilenetv2") -> Risk | Budget | None:
    """What a recipe's exits must reach, None where it has none."""
    recipe = TRAINED[key]
    if recipe.cost:
        return Budget(recipe.cost * cost_of("full", family))
    return Risk(recipe.max_drop, confidence=0.95) if recipe.max_drop else None


def find_exits(folder: Path, root: Path, goal: Risk | Budget) -> None:
    """Thresholds that reach the goal, unless the model's own were found for it."""
    model = load(folder)
    if not asdict(goal).items() <= model.card.valid_for.items():
        source = CatalogSource(dataset(model.card.config.dataset), root)
        calibrate_folder(folder, source, "calibration", goal)


def bundle(trained: Path, folder: Path) -> None:
    """Round to float16 what was trained, into `folder`."""
    model = load(trained)
    never, made = ExitRule.never(model.steps), model.card.provenance | {"made_by": "make train-mini"}
    save(folder, model, replace(model.card, rule=never, valid_for={}, provenance=made), half=True)


def bundle_clips(root: Path, folder: Path) -> None:
    """Copy the first test clips, named by id and label."""
    manifest = read_manifest(dataset("mini"), root, "test").head(DEMO_CLIPS)
    folder.mkdir(parents=True, exist_ok=True)
    for i, label in enumerate(manifest.labels):
        words = manifest.classes[label].lower().replace(" ", "_")
        shutil.copyfile(manifest.path(i), folder / f"{manifest.id(i)}_{words}{manifest.path(i).suffix}")


def train_bundled(root: Path) -> None:
    """The two static networks, the GFNets that start from them, their exits, the bundles."""
    for key, name in STATIC.items():
        bundle(run(config_of(key), root), BUNDLED / name)
    for key, name in BUNDLES.values():
        bundle(run(config_of(key), root), BUNDLED / name)
        if goal := exits_of(key):
            find_exits(BUNDLED / name, root, goal)
        print(f"bundled: {BUNDLED / name}")
    bundle_clips(root, CLIPS)


def train_table(root: Path, keys: tuple[str, ...], families: tuple[str, ...], seeds: tuple[int, ...]) -> None:
    """Every recipe of these, family and seed after the other, and the exits of those that have some."""
    for seed in seeds:
        for family in families:
            for key in (k for k in TRAINED if k in keys):
                trained = run(config_of(key, family, seed), root)
                if goal := exits_of(key, family):
                    find_exits(trained, root, goal)


@click.command(help=__doc__)
@click.option("--table", is_flag=True, help="what the table compares, in place of the bundled models")
@click.option("--only", multiple=True, type=click.Choice(list(TRAINED)), help="recipes; may be repeated")
@click.option("--family", multiple=True, type=click.Choice(list(FAMILIES)))
@click.option("--seed", multiple=True, type=click.IntRange(0))
def main(table: bool, only: tuple[str, ...], family: tuple[str, ...], seed: tuple[int, ...]) -> None:
    keep_memory()
    root = root_of(dataset("mini"), None)
    try:
        if table or only or family or seed:
            train_table(root, only or tuple(RECIPES), family or tuple(FAMILIES), seed or SEEDS)
        else:
            train_bundled(root)
    except GFNetVideoError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
