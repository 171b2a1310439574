"""What single choices of the glance-first GFNet are worth: each undone by itself, trained anew, measured on dev.

`make ablations` trains what is missing (tools/mini_runs.py has the list) and measures; without --train it measures what
it finds under runs/. Into docs/ablations.json and docs/ablations.md; of what is not there rows stay whose recipe still
holds. Within a third: exits found on the calibration split that cost a third of the full-frame network on dev's clips.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
from torch import Tensor

from gfnet_video.checkpoint import load
from gfnet_video.cli.memory import keep_memory
from gfnet_video.datasets.annotations import read_manifest
from gfnet_video.datasets.catalog import dataset, root_of
from gfnet_video.datasets.clips import open_clips
from gfnet_video.datasets.manifest import Manifest
from gfnet_video.engines.macs import costs_of
from gfnet_video.errors import DataError, GFNetVideoError
from gfnet_video.evaluation.bootstrap import paired_interval
from gfnet_video.evaluation.metrics import answers, step_logits_of
from gfnet_video.files import write_text
from gfnet_video.nn.folding import folded
from tools.equal_cost import at_most
from tools.mini_rows import Row, interval, parts, plain, spanned, with_earlier
from tools.mini_runs import ABLATIONS, TRAINED, cost_of, model_of, recipe_of
from tools.mini_times import today
from tools.table_mini import into_readme, objects_of
from tools.train_mini import train_table

FAMILY, SEED, BASE, EQUAL = "mobilenetv2", 0, "gfnet", "+third"
SHARE = 1 / 3  # of the full-frame network's cost
FOUND, PAGE = Path("docs/ablations.json"), Path("docs/ablations.md")
COMMAND = "make ablations"


def measured(asked: Manifest, known: Manifest, cache: Path) -> Iterator[Row]:
    """Two rows of each network that is here: all looks, and exits of one cost. known: the clips of calibration."""
    for key in (BASE, *ABLATIONS):
        folder = model_of(key, FAMILY, SEED)
        if not (folder / "config.json").is_file():
            print(f"not trained here: {folder}", file=sys.stderr)
            continue
        model = folded(load(folder, verify=True))
        seen, found = (step_logits_of(model, open_clips(m, model.config, cache)) for m in (known, asked))
        costs = costs_of(model)
        left, gmacs = at_most(SHARE * cost_of("full", FAMILY), costs, seen, found)
        row = row_of(key, found.logits[:, -1], asked, costs[-1])
        yield row
        yield replace(row_of(key, left, asked, gmacs), key=key + EQUAL)
        print(f"measured: {folder}", file=sys.stderr, flush=True)


def row_of(key: str, logits: Tensor, asked: Manifest, gmacs: float) -> Row:
    """A network's row by its answers (N,K)."""
    guesses, title, recipe = answers(logits).numpy(), TRAINED[key].title, recipe_of(key, FAMILY, SEED)
    right, points = guesses == asked.labels, parts(guesses, asked.labels)
    return Row(key, title, FAMILY, SEED, right, points, gmacs, recipe, today())


def markdown(rows: list[Row], objects: np.ndarray) -> str:
    """The table: what was changed, accuracies, and what each is apart from the network that was not changed."""
    found = {row.key: row for row in rows}
    lines = [
        "| | all looks | GMACs | apart, points | within a third | apart, points |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for key in (k for k in (BASE, *ABLATIONS) if k in found):
        whole, third = found[key], found[key + EQUAL]
        apart = ["" if key == BASE else _apart(found[key + end], found[BASE + end], objects) for end in ("", EQUAL)]
        cells = [whole.title, f"{whole.points['class']:.1f}", f"{whole.gmacs:.3f}", apart[0]]
        lines.append("| " + " | ".join([*cells, f"{third.points['class']:.1f}", apart[1]]) + " |")
    return "\n".join(lines) + "\n"


def _apart(row: Row, base: Row, objects: np.ndarray) -> str:
    return interval(*paired_interval(row.right, base.right, groups=objects))


def footnote(rows: list[Row], clips: int) -> str:
    when = spanned(row.date for row in rows)
    return (
        f"*Measured by `{COMMAND}` on the {clips:,} clips of the dev split, {when}; MobileNetV2, one seed. "
        "Intervals: paired bootstrap over the digits that move.*"
    )


def measure(root: Path, earlier: dict[str, Any]) -> tuple[list[Row], Manifest]:
    """All rows, those of an earlier run too, and the clips of dev."""
    dev, known = (read_manifest(dataset("mini"), root, split) for split in ("dev", "calibration"))
    recipes = {(key, FAMILY, SEED): recipe_of(key, FAMILY, SEED) for key in (BASE, *ABLATIONS)}
    rows = with_earlier([*measured(dev, known, root / "cache")], earlier, dev.digest(), recipes)
    if BASE not in {row.key for row in rows}:
        raise DataError(f"{model_of(BASE, FAMILY, SEED)} is not trained, beside which all are measured; give --train")
    return rows, dev


@click.command(help=__doc__)
@click.option("--train", is_flag=True, help="first train what is missing, and what that starts from; resumable")
def main(train: bool) -> None:
    keep_memory()
    root = root_of(dataset("mini"), None)
    try:
        if train:
            train_table(root, ("full", "glance", BASE, *ABLATIONS), (FAMILY,), (SEED,))
        earlier = json.loads(FOUND.read_text(encoding="utf-8")) if FOUND.is_file() else {}
        rows, dev = measure(root, earlier)
    except GFNetVideoError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    result = {"command": COMMAND, "split": dev.digest(), "clips": len(dev), "rows": [plain(row) for row in rows]}
    write_text(FOUND, json.dumps(result, indent=1) + "\n")
    table = markdown(rows, objects_of(dev))
    into_readme(PAGE, COMMAND, table, footnote(rows, len(dev)))
    print(table)


if __name__ == "__main__":
    main()
