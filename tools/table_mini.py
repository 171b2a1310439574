"""The table of `mini`: `make bench-mini` measures what is trained on the test split into docs/mini.json and README.md.

It takes the networks that it finds under runs/ (`make train-table` leaves them there, `make train-mini` some) and says
which are missing. Every network is measured by the same code; exits are executed.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gfnet_video.checkpoint import Recogniser, load
from gfnet_video.datasets.annotations import read_manifest
from gfnet_video.datasets.catalog import dataset, root_of
from gfnet_video.datasets.clips import open_clips
from gfnet_video.datasets.manifest import Manifest
from gfnet_video.datasets.truth import known_of, true_places
from gfnet_video.errors import GFNetVideoError
from gfnet_video.evaluation.evaluate import Evaluation, evaluate
from gfnet_video.evaluation.exit_timing import time_round
from gfnet_video.evaluation.machine import processor
from gfnet_video.evaluation.metrics import answers, step_logits_of
from gfnet_video.files import write_text
from gfnet_video.nn.exit_rule import ExitRule
from tools.mini_runs import FAMILIES, RECIPES, SEEDS, model_of
from tools.mini_table import MOTIONS, Row, claims, closed, markdown, parts

CELLS = 8  # the position-only guess sees in which of 8 x 8 cells the mover's centre lies
TIMED, BATCH, ROUNDS = 128, 16, 5


def trained() -> Iterator[tuple[str, str, int, Path]]:
    """Recipe, family, seed and folder of each trained network, as the table has them; says which are not."""
    for family, key, seed in product(FAMILIES, RECIPES, SEEDS):
        folder = model_of(key, family, seed)
        if (folder / "config.json").is_file():
            yield key, family, seed, folder
        else:
            print(f"not trained, left out: {folder}", file=sys.stderr)


def measured(test: Manifest, cache: Path) -> list[Row]:
    """All rows of networks."""
    rows: list[Row] = []
    for key, family, seed, folder in trained():
        model = load(folder, verify=True)
        clips = open_clips(test, model.config, cache)
        rows += rows_of(key, family, seed, model, evaluate(model, clips, model.card.rule))
        if key == "full" and seed == 0:
            shuffled = answers(step_logits_of(model, clips, shuffle_frames=0).logits[:, -1]).numpy()
            rows.append(Row("shuffled", f"{RECIPES[key].title}, frames shuffled", family, seed, shuffled))
        print(f"measured: {folder}", file=sys.stderr, flush=True)
    return rows


def rows_of(key: str, family: str, seed: int, model: Recogniser, found: Evaluation) -> list[Row]:
    """A network's row with all looks and, where its card has thresholds, the one with exits executed."""
    title, s = RECIPES[key].title, found.summary
    guesses, facts = answers(found.steps.logits[:, -1]).numpy(), {"top1_after_step": s["top1_after_step"]}
    if model.card.rule == ExitRule.never(model.steps):
        return [Row(key, title, family, seed, guesses, s["gmacs_no_exit"], facts)]
    left = {"mean_exit_step": s["mean_exit_step"], "steps": s["steps"], "thresholds": model.card.rule.thresholds}
    return [
        Row(key, f"{title}, all looks", family, seed, guesses, s["gmacs_no_exit"], facts),
        Row(f"{key}+exits", f"{title}, with exits", family, seed, answers(found.exit_logits).numpy(), s["gmacs"], left),
    ]


def position_guess(train: Manifest, test: Manifest) -> float:
    """Motion accuracy in points of naive Bayes on the mover's true place in one frame, at its best frame."""
    seen, asked = (
        (true_places(m).clip(0, 0.999) * CELLS).astype(int) @ np.array([CELLS, 1]) for m in (train, test)
    )  # (clips,frames) each
    best = 0.0
    for frame in range(seen.shape[1]):
        counts = np.ones((CELLS * CELLS, MOTIONS))
        np.add.at(counts, (seen[:, frame], train.labels % MOTIONS), 1)
        guess = counts[asked[:, frame]].argmax(1)
        best = max(best, 100 * float((guess == test.labels % MOTIONS).mean()))
    return best


def objects_of(test: Manifest) -> np.ndarray:
    """(N,) one number for each handwritten digit that moves: several clips show the same."""
    objects: np.ndarray = test.labels // MOTIONS * 1_000_000 + known_of(test, "instance").astype(int)
    return objects


def times(test: Manifest, cache: Path) -> list[dict[str, Any]]:
    """Milliseconds a clip of each family's full-frame TSM and of its GFNet with exits executed, taking turns.

    Eager float32 in batches, networks alone; each ratio is between neighbours in time.
    """
    found = []
    for family in FAMILIES:
        folders = [model_of(key, family, 0) for key in ("full", "gfnet")]
        if not all((f / "config.json").is_file() for f in folders):
            continue
        models = [load(f) for f in folders]
        clips = open_clips(test, models[0].config, cache)
        pixels = torch.stack([clips.read(i) for i in range(min(TIMED, len(clips)))])
        turns = range(ROUNDS + 1)
        _, *rounds = [[time_round(m, pixels, None, m.card.rule, BATCH)[0] for m in models] for _ in turns]  # 0 warms up
        full, gfnet = ([r[i] for r in rounds] for i in (0, 1))
        ratio = statistics.median(g / f for f, g in rounds)
        medians = {"full_ms": statistics.median(full), "gfnet_ms": statistics.median(gfnet)}
        found.append(
            {"family": family, "clips": len(pixels), "batch": BATCH, **medians, "ratio": ratio, "rounds": rounds}
        )
    return found


def without_networks(test: Manifest, root: Path) -> dict[str, dict[str, float]]:
    """Accuracies that can be had without a network, in points, by their words."""
    one_class = np.full(len(test), np.bincount(test.labels).argmax())
    place = position_guess(read_manifest(dataset("mini"), root, "train"), test)
    return {
        "chance (one class)": parts(one_class, test.labels),
        "mover's true place in one frame, best of 36": {"motion": place},
    }


def into_readme(path: Path, table: str, foot: str) -> None:
    """Put the table between its marks."""
    begin, end = "<!-- table: make bench-mini -->\n", "<!-- end of table -->"
    head, rest = path.read_text(encoding="utf-8").split(begin)
    write_text(path, head + begin + table + "\n" + foot + "\n" + end + rest.split(end, 1)[1])


def footnote(result: dict[str, Any]) -> str:
    """How and where it was measured, in a line."""
    machine, clips, date = result["machine"], result["clips"], result["date"]
    ran = "; ".join(
        f"{t['family']} {t['full_ms']:.1f} ms full frame, {t['gfnet_ms']:.1f} ms GFNet with exits ({t['ratio']:.2f})"
        for t in result["times"]
    )
    where = f"{machine['cpu']}, {machine['threads']} threads, torch {machine['torch']}"
    return (
        f"*Measured by `make bench-mini` on {clips:,} clips, {date}, {where}. Intervals: paired bootstrap over the "
        f"digits that move. A clip, networks, batch {BATCH}, eager, exits executed, seed 0: {ran or 'not timed'}. "
        "docs/mini.json holds all figures.*"
    )


def measure(root: Path) -> dict[str, Any]:
    """All figures, in plain numbers."""
    test = read_manifest(dataset("mini"), root, "test")
    labels, objects, cache = test.labels, objects_of(test), root / "cache"
    rows = measured(test, cache)
    return {
        "command": "make bench-mini",
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": {"cpu": processor(), "threads": torch.get_num_threads(), "torch": torch.__version__},
        "clips": len(labels),
        "failed": int(sum((r.guesses < 0).sum() for r in rows)),
        "without_networks": without_networks(test, root),
        "rows": [
            {"key": r.key, "name": r.title, "family": r.family, "seed": r.seed, "gmacs": r.gmacs}
            | parts(r.guesses, labels)
            | r.facts
            for r in rows
        ],
        "differences": claims(rows, labels, objects),
        "gap_closed": closed(rows, labels, objects),
        "times": times(test, cache),
    }


def main() -> int:
    """Measure, print, write."""
    try:
        result = measure(root_of(dataset("mini"), None))
    except GFNetVideoError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    write_text(Path("docs/mini.json"), json.dumps(result, indent=1) + "\n")
    table = markdown(result)
    into_readme(Path("README.md"), table, footnote(result))
    print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
