"""The table of `mini`: `make bench-mini` measures every row on the test split into docs/mini.json and README.md.

Needs the two static networks under runs/ (`make train-mini` leaves them there) and the bundled GFNet.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gfnet_video.checkpoint import load
from gfnet_video.datasets.annotations import read_manifest
from gfnet_video.datasets.catalog import dataset, root_of
from gfnet_video.datasets.clips import Clips, open_clips
from gfnet_video.datasets.manifest import Manifest
from gfnet_video.datasets.truth import true_places
from gfnet_video.errors import GFNetVideoError
from gfnet_video.evaluation.bootstrap import paired_interval
from gfnet_video.evaluation.evaluate import Evaluation, evaluate
from gfnet_video.evaluation.machine import processor
from gfnet_video.evaluation.metrics import answers, step_logits_of
from gfnet_video.files import write_text
from gfnet_video.nn.exit_rule import ExitRule

FULL, GLANCE = Path("runs/tsm_mobilenetv2_full/model"), Path("runs/tsm_mobilenetv2_glance/model")
GFNET = "gfnet_tsm_mobilenetv2.mini"
MOTIONS = 4
CELLS = 8  # the position-only guess sees in which of 8 x 8 cells the mover's centre lies


@dataclass(frozen=True)
class Row:
    """One line: its answers on the test split (N,) and what it cost; GMACs and seconds are None for a guess."""

    name: str
    guesses: np.ndarray
    gmacs: float | None = None
    seconds: float | None = None
    extra: dict[str, Any] | None = None


def parts(guesses: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Accuracy of the class, of its object and of its motion, in points."""
    right = {
        "joint": guesses == labels,
        "object": guesses // MOTIONS == labels // MOTIONS,
        "motion": (guesses % MOTIONS == labels % MOTIONS) & (guesses >= 0),  # -1 is a failed clip
    }
    return {name: 100 * float(r.mean()) for name, r in right.items()}


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


def row_of(name: str, found: Evaluation, *, exits: bool) -> Row:
    """The table's row of an evaluation, with or without exits."""
    s = found.summary
    if not exits:
        return Row(name, answers(found.steps.logits[:, -1]).numpy(), s["gmacs_no_exit"], s["network_seconds_no_exit"])
    extra = {"mean_exit_step": s["mean_exit_step"], "steps": s["steps"]}
    return Row(name, answers(found.exit_logits).numpy(), s["gmacs"], s["network_seconds"], extra)


def measure(root: Path) -> tuple[list[Row], np.ndarray, dict[str, Any]]:
    """All rows, the labels, and facts beside the table."""
    test = read_manifest(dataset("mini"), root, "test")
    labels = test.labels
    clips: Clips | None = None
    rows: list[Row] = []
    for name, source in (("glance-side static TSM", GLANCE), ("full-frame static TSM", FULL)):
        model = load(source)
        clips = clips or open_clips(test, model.config, root / "cache")
        found = evaluate(model, clips, ExitRule.never(model.steps))
        rows.append(row_of(f"{name}, side {model.config.glance.side}", found, exits=False))
        if source is FULL:
            shuffled = answers(step_logits_of(model, clips, shuffle_frames=0).logits[:, -1]).numpy()
            rows.append(Row("the same, frames shuffled", shuffled))
    assert clips is not None
    model = load(GFNET, verify=True)
    found = evaluate(model, clips, model.card.rule)
    rows += [row_of("GFNet, all looks", found, exits=False), row_of("GFNet, with exits", found, exits=True)]
    train = read_manifest(dataset("mini"), root, "train")
    majority = np.bincount(labels).argmax()
    rows.insert(0, Row("chance (one class)", np.full(len(labels), majority)))
    facts = {"position_only_motion": position_guess(train, test), "failed": found.summary["failed"]}
    return rows, labels, facts | {"top1_after_step": found.summary["top1_after_step"]}


def differences(rows: list[Row], labels: np.ndarray) -> list[dict[str, Any]]:
    """The claims, each with its paired interval."""
    right = {r.name.split(",")[0] + ("+" if "exits" in r.name else ""): (r.guesses == labels) for r in rows}
    pairs = (
        ("GFNet", "glance-side static TSM"),
        ("GFNet", "full-frame static TSM"),
        ("GFNet+", "GFNet"),
        ("GFNet+", "full-frame static TSM"),
    )
    found = []
    for a, b in pairs:
        mean, low, high = paired_interval(right[a], right[b])
        name = a.replace("GFNet+", "GFNet with exits")
        found.append({"of": name, "against": b, "points": mean, "low": low, "high": high})
    return found


def as_markdown(rows: list[Row], labels: np.ndarray, facts: dict[str, Any], apart: list[dict[str, Any]]) -> str:
    """The table as the README shows it."""
    full = next(r for r in rows if r.name.startswith("full-frame"))
    assert full.gmacs
    lines = [
        "| | class | object | motion | GMACs a clip | of full frame |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        p = parts(row.guesses, labels)
        cost = f"{row.gmacs:.3f} | {100 * row.gmacs / full.gmacs:.0f} %" if row.gmacs else "|"
        lines.append(f"| {row.name} | {p['joint']:.1f} | {p['object']:.1f} | {p['motion']:.1f} | {cost} |")
    guess = facts["position_only_motion"]
    lines.insert(3, f"| mover's true place in one frame, best of 36 | | | {guess:.1f} | | |")
    lines += ["", "| difference in class accuracy, points | mean | 95 % interval |", "| --- | ---: | ---: |"]
    for d in apart:
        lines.append(f"| {d['of']} - {d['against']} | {d['points']:+.1f} | {d['low']:+.1f} to {d['high']:+.1f} |")
    return "\n".join(lines) + "\n"


def into_readme(path: Path, table: str, machine: dict[str, Any], clips: int) -> None:
    """Put the table between its marks."""
    begin, end = "<!-- table: make bench-mini -->\n", "<!-- end of table -->"
    head, rest = path.read_text(encoding="utf-8").split(begin)
    tail = rest.split(end, 1)[1]
    where = f"{machine['cpu']}, {machine['threads']} threads, torch {machine['torch']}"
    date = time.strftime("%Y-%m-%d", time.gmtime())
    foot = f"\n*Measured by `make bench-mini` on {clips:,} clips, {date}, {where}; docs/mini.json holds all figures.*\n"
    write_text(path, head + begin + table + foot + end + tail)


def main() -> int:
    """Measure, print, write."""
    root = root_of(dataset("mini"), None)
    try:
        rows, labels, facts = measure(root)
    except GFNetVideoError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    apart = differences(rows, labels)
    table = as_markdown(rows, labels, facts, apart)
    machine = {"cpu": processor(), "threads": torch.get_num_threads(), "torch": torch.__version__}
    result = {
        "command": "make bench-mini",
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": machine,
        "clips": len(labels),
        "rows": [
            {
                "name": r.name,
                **parts(r.guesses, labels),
                "gmacs": r.gmacs,
                "network_seconds": r.seconds,
                **(r.extra or {}),
            }
            for r in rows
        ],
        "differences": apart,
        **facts,
    }
    write_text(Path("docs/mini.json"), json.dumps(result, indent=1) + "\n")
    into_readme(Path("README.md"), table, machine, len(labels))
    print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
