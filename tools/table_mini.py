"""The table of `mini`: `make bench-mini` measures what is trained on the test split. It writes docs/mini.json and
docs/mini.md, and README.md in short.

It takes the networks that it finds under runs/ (`make train-table` leaves them there, `make train-mini` some); of those
that are missing it keeps the rows of earlier measurements whose recipe still holds, and says so. Every network is
measured by the same code; exits are executed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gfnet_video.checkpoint import BUNDLED, Recogniser, load
from gfnet_video.datasets.annotations import read_manifest
from gfnet_video.datasets.catalog import dataset, root_of
from gfnet_video.datasets.clips import open_clips
from gfnet_video.datasets.manifest import Manifest
from gfnet_video.datasets.truth import known_of, true_places
from gfnet_video.errors import GFNetVideoError
from gfnet_video.evaluation.evaluate import Evaluation, evaluate
from gfnet_video.evaluation.metrics import answers, step_logits_of
from gfnet_video.files import write_text
from gfnet_video.nn.exit_rule import ExitRule
from gfnet_video.nn.folding import folded
from tools.equal_cost import EQUALS, Equal, equals
from tools.mini_rows import MOTIONS, Row, in_order, parts, plain, spanned, with_earlier
from tools.mini_runs import BUNDLES, FAMILIES, RECIPES, SEEDS, TITLES, model_of, recipe_of
from tools.mini_table import claims, closed, markdown, summary
from tools.mini_times import BATCH, earlier_times, times, today

CELLS = 8  # the position-only guess sees in which of 8 x 8 cells the mover's centre lies
FOUND = Path("docs/mini.json")


def trained() -> Iterator[tuple[str, str, int, Path]]:
    """Recipe, family, seed and folder of each trained network, as the table has them; says which are not."""
    for family, key, seed in product(FAMILIES, RECIPES, SEEDS):
        folder = model_of(key, family, seed)
        if (folder / "config.json").is_file():
            yield key, family, seed, folder
        else:
            print(f"not trained here: {folder}", file=sys.stderr)
    yield from ((key, "mobilenetv2", 0, BUNDLED / name) for key, (_, name) in BUNDLES.items())


def measured(test: Manifest, known: Manifest, cache: Path) -> list[Row]:
    """All rows of the networks that are here; known: the clips of calibration."""
    rows: list[Row] = []
    for key, family, seed, folder in trained():
        model = folded(load(folder, verify=True))
        clips = open_clips(test, model.config, cache)
        found = evaluate(model, clips, model.card.rule)
        row = row_of(key, family, seed, found, test)
        if model.card.rule != ExitRule.never(model.steps):
            rows.append(exit_row(row, model, found, test))
            row = replace(row, title=f"{row.title}, all looks")
        rows.append(row)
        if key in EQUALS:
            seen = step_logits_of(model, open_clips(known, model.config, cache))
            rows += [equal_row(row, one, test) for one in equals(key, family, model, seen, found.steps)]
        if key == "full" and seed == 0:
            shuffled = step_logits_of(model, clips, shuffle_frames=0).logits[:, -1]
            rows.append(variant(row, "+shuffled", "frames shuffled", shuffled, test))
        print(f"measured: {folder}", file=sys.stderr, flush=True)
    return rows


def row_of(key: str, family: str, seed: int, found: Evaluation, test: Manifest) -> Row:
    """A network's row with all looks."""
    s, guesses = found.summary, answers(found.steps.logits[:, -1]).numpy()
    return Row(
        key,
        TITLES[key],
        family,
        seed,
        guesses == test.labels,
        parts(guesses, test.labels),
        s["gmacs_no_exit"],
        recipe_of(key, family, seed) if key in RECIPES else "",
        today(),
        {"top1_after_step": s["top1_after_step"], "failed": int((guesses < 0).sum())},
    )


def variant(row: Row, key: str, words: str, logits: torch.Tensor, test: Manifest, **changes: Any) -> Row:
    """A row for the same network used in another way, by its answers (N,K)."""
    guesses = answers(logits).numpy()
    told = {"right": guesses == test.labels, "points": parts(guesses, test.labels), "gmacs": None, "facts": {}}
    return replace(row, key=row.key + key, title=f"{row.title}, {words}", **(told | changes))


def exit_row(row: Row, model: Recogniser, found: Evaluation, test: Manifest) -> Row:
    """A row with its exits executed."""
    s = found.summary
    facts = {"mean_exit_step": s["mean_exit_step"], "steps": s["steps"], "thresholds": model.card.rule.thresholds}
    return variant(row, "+exits", "with exits", found.exit_logits, test, gmacs=s["gmacs"], facts=facts)


def equal_row(row: Row, equal: Equal, test: Manifest) -> Row:
    """A row with the exits that cost what a smaller static network does."""
    row, words = replace(row, title=TITLES[row.key]), f"exits at the cost of side {equal.side}"
    return variant(row, f"+as_{equal.static}", words, equal.logits, test, gmacs=equal.gmacs)


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


def without_networks(test: Manifest, root: Path) -> dict[str, dict[str, float]]:
    """Accuracies that can be had without a network, in points, by their words."""
    one_class = np.full(len(test), np.bincount(test.labels).argmax())
    place = position_guess(read_manifest(dataset("mini"), root, "train"), test)
    return {
        "chance (one class)": parts(one_class, test.labels),
        "mover's true place in one frame, best of 36": {"motion": place},
    }


def into_readme(path: Path, command: str, table: str, foot: str) -> None:
    """Put the table of a command between its marks."""
    begin, end = f"<!-- table: {command} -->\n", "<!-- end of table -->"
    head, rest = path.read_text(encoding="utf-8").split(begin)
    write_text(path, f"{head}{begin}{table}\n{foot}\n{end}{rest.split(end, 1)[1]}")


def timed_on(times: list[dict[str, Any]]) -> str:
    """On what and when networks were timed."""
    how = [f"{t['cpu']}, {t['threads']} threads, torch {t['torch']}, {t['date']}" for t in times]
    return "; ".join(dict.fromkeys(how)) or "not timed"


def footnote(result: dict[str, Any]) -> str:
    """How and where it was measured, in a few lines."""
    when = spanned(r["date"] for r in result["rows"])
    return (
        f"*Measured by `make bench-mini` on {result['clips']:,} clips, {when}. "
        "Intervals: paired bootstrap over the digits that move. "
        f"Milliseconds: networks, {BATCH} clips at a time, exits executed, seed 0; {timed_on(result['times'])}. "
        "docs/mini.json holds all figures, each with its day.*"
    )


def measure(root: Path, earlier: dict[str, Any]) -> dict[str, Any]:
    """All figures, in plain numbers."""
    test = read_manifest(dataset("mini"), root, "test")
    split, objects, cache = test.digest(), objects_of(test), root / "cache"
    recipes = {(k, f, s): recipe_of(k, f, s) for f, k, s in product(FAMILIES, RECIPES, SEEDS)}
    known = read_manifest(dataset("mini"), root, "calibration")
    rows = in_order(with_earlier(measured(test, known, cache), earlier, split, recipes), TITLES, FAMILIES)
    return {
        "command": "make bench-mini",
        "split": split,
        "clips": len(test),
        "without_networks": without_networks(test, root),
        "rows": [plain(r) for r in rows],
        "differences": claims(rows, objects),
        "gap_closed": closed(rows, objects),
        "times": earlier_times(times(test, cache), earlier),
    }


def write_tables(result: dict[str, Any]) -> str:
    """The table into docs/mini.md, what the README has of it there; returns the whole."""
    table, foot = markdown(result), footnote(result)
    into_readme(Path("docs/mini.md"), "make bench-mini", table, foot)
    into_readme(Path("README.md"), "make bench-mini", summary(result), foot)
    return table


def main() -> int:
    """Measure, print, write."""
    try:
        earlier = json.loads(FOUND.read_text(encoding="utf-8")) if FOUND.is_file() else {}
        result = measure(root_of(dataset("mini"), None), earlier)
    except GFNetVideoError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    write_text(FOUND, json.dumps(result, indent=1) + "\n")
    print(write_tables(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
