"""`make mini-image`: GFNets on pictures against the static network of the same backbone, from data to table.

Renders `mini-image`, trains the networks and finds the exits on the calibration split (all of it resumable; a finished
run is kept), measures them on the test split and times them on one core, exits executed, in turns. The figures go into
docs/mini_image.json, the table into README.md.
"""

from __future__ import annotations

import json
import statistics
import sys
from functools import partial
from pathlib import Path
from typing import Any

import torch

from gfnet_video.checkpoint import Recogniser, load
from gfnet_video.cli.memory import keep_memory
from gfnet_video.cli.train import config_path
from gfnet_video.config import load_config
from gfnet_video.datasets.annotations import read_manifest
from gfnet_video.datasets.catalog import dataset, root_of
from gfnet_video.datasets.clips import open_clips
from gfnet_video.datasets.manifest import Manifest
from gfnet_video.datasets.truth import known_of
from gfnet_video.errors import GFNetVideoError
from gfnet_video.evaluation.bootstrap import paired_interval
from gfnet_video.evaluation.calibration import Risk
from gfnet_video.evaluation.evaluate import Evaluation, evaluate
from gfnet_video.evaluation.metrics import answers
from gfnet_video.files import write_text
from gfnet_video.nn.folding import folded
from tools.mini_rows import interval
from tools.mini_times import TIMED, eager, in_turns, machine, today
from tools.table_mini import into_readme
from tools.train_mini import find_exits, run

COMMAND = "make mini-image"
FULL = "mini_image_mobilenetv2_full"
GFNETS = {"mini_image_mobilenetv2_gfnet": "GFNet", "mini_image_mobilenetv2_gfnet_steps": "GFNet's own setting"}
BATCHES = (1, 16)
FOUND = Path("docs/mini_image.json")


def trained(root: Path) -> list[Recogniser]:
    """The static network, and the GFNets that start from it, with their exits."""
    folders = [run(load_config(config_path(name)), root) for name in (FULL, *GFNETS)]
    for folder in folders[1:]:
        find_exits(folder, root, Risk(max_drop=0.01, confidence=0.95))
    return [folded(load(folder, verify=True)) for folder in folders]


def measured(models: list[Recogniser], root: Path) -> dict[str, Any]:
    """All figures, in plain numbers."""
    test = read_manifest(dataset("mini-image"), root, "test")
    clips = [open_clips(test, model.config, root / "cache") for model in models]
    full, *gfnets = (evaluate(m, c, m.card.rule) for m, c in zip(models, clips, strict=True))
    static = {"name": "static network", "top1": 100 * full.summary["top1"], "gmacs": full.summary["gmacs"]}
    pixels = torch.stack([clips[0].read(i) for i in range(min(TIMED, len(test)))])
    return {
        "command": COMMAND,
        "split": test.digest(),
        "clips": len(test),
        "rows": [static, *(r for name, g in zip(GFNETS.values(), gfnets, strict=True) for r in rows(name, g))],
        "differences": [difference(name, g, full, test) for name, g in zip(GFNETS.values(), gfnets, strict=True)],
        "times": [times(models, pixels, batch) for batch in BATCHES],
        "date": today(),
        **machine(),
    }


def rows(name: str, gfnet: Evaluation) -> list[dict[str, Any]]:
    """Accuracy in points and GMACs a picture of a GFNet: its glance alone, all its looks, with its exits."""
    s = gfnet.summary
    glance = {"name": f"{name}, the glance alone", "top1": 100 * s["top1_after_step"][0]}
    looks = {"name": f"{name}, all {s['steps']} looks", "top1": 100 * s["top1_no_exit"], "gmacs": s["gmacs_no_exit"]}
    exits = {"name": f"{name}, with exits", "top1": 100 * s["top1"], "gmacs": s["gmacs"]}
    return [glance, looks | {"top1_after_step": s["top1_after_step"]}, exits | {"mean_exit_step": s["mean_exit_step"]}]


def difference(name: str, gfnet: Evaluation, full: Evaluation, test: Manifest) -> dict[str, Any]:
    """In points, of a GFNet with exits less the static network: mean and 95 % interval over the digits."""
    right = [answers(logits).numpy() == test.labels for logits in (gfnet.exit_logits, full.steps.logits[:, -1])]
    mean, low, high = paired_interval(*right, groups=known_of(test, "instance"))
    return {"name": name, "points": mean, "low": low, "high": high}


def times(models: list[Recogniser], pixels: torch.Tensor, batch: int) -> dict[str, Any]:
    """Milliseconds a picture of the networks, `batch` at a time, taking turns; each ratio is of neighbours in time."""
    rounds, found = in_turns([partial(eager, model, pixels, batch) for model in models]), []
    for i, name in enumerate(GFNETS.values(), 1):
        ratios = [r[i] / r[0] for r in rounds]
        spread = {"ratio": statistics.median(ratios), "low": min(ratios), "high": max(ratios)}
        found.append({"name": name, "ms": statistics.median(r[i] for r in rounds)} | spread)
    return {
        "batch": batch,
        "pictures": len(pixels),
        "static_ms": statistics.median(r[0] for r in rounds),
        "gfnets": found,
    }


def markdown(found: dict[str, Any]) -> str:
    """The table."""
    lines = ["| | top-1 | GMACs a picture |", "| --- | ---: | ---: |"]
    for row in found["rows"]:
        cost = f"{row['gmacs']:.3f}" if "gmacs" in row else ""
        lines.append(f"| {row['name']} | {row['top1']:.1f} | {cost} |")
    return "\n".join(lines) + "\n"


def footnote(found: dict[str, Any]) -> str:
    """The differences, the times, and where they were measured."""
    apart = "; ".join(f"{d['name']} {interval(d['points'], d['low'], d['high'])}" for d in found["differences"])
    ran = "; ".join(
        f"{t['batch']} at a time {t['static_ms']:.1f} ms, "
        + ", ".join(
            f"{g['name']} {g['ms']:.1f} ({g['ratio']:.2f}, {g['low']:.2f} to {g['high']:.2f})" for g in t["gfnets"]
        )
        for t in found["times"]
    )
    return (
        f"*Measured by `{found['command']}` on {found['clips']:,} test pictures, {found['date']}. With exits, less the "
        f"static network, points: {apart} (paired bootstrap over the digits). A picture, networks, eager, exits "
        f"executed, one core, static: {ran}; {found['cpu']}, torch {found['torch']}. One seed.*"
    )


def main() -> int:
    """Train, measure, print, write."""
    keep_memory()
    root = root_of(dataset("mini-image"), None)
    try:
        models = trained(root)
        torch.set_num_threads(1)
        found = measured(models, root)
    except GFNetVideoError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    write_text(FOUND, json.dumps(found, indent=1) + "\n")
    table, foot = markdown(found), footnote(found)
    into_readme(Path("README.md"), COMMAND, table, foot)
    print(f"{table}\n{foot}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
