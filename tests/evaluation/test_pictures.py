"""Pictures of reports as they come: plain, of one step, with strange names."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from gfnet_video.errors import DependencyError
from gfnet_video.evaluation.breakdown import by_difficulty
from gfnet_video.evaluation.curve import AllLooks, anytime, at_rule, over_confidences
from gfnet_video.evaluation.pictures import check_matplotlib, draw
from gfnet_video.evaluation.reliability import calibration_report
from gfnet_video.nn.exit_rule import ExitRule

PICTURES = ["anytime.png", "confusion.png", "difficulty.png", "reliability.png", "thresholds.png", "time.png"]


def report_of(steps: int, names: list[str]) -> dict[str, Any]:
    """Ten clips of random logits, in the form of `curve.json`."""
    generator, k = torch.Generator().manual_seed(0), len(names)
    logits, labels = torch.randn(10, steps, k, generator=generator), torch.arange(10) % min(10, k)
    rule = ExitRule((1.0,) * steps, (0.5,) * steps)
    looks = AllLooks(logits, labels, tuple(0.1 * (s + 1) for s in range(steps)))
    exits, right = rule.exits(logits), labels > 1
    row = {"setting": "no exit", "confidence": None, "this_run": True, "ms_rounds": [1.0, 2.0, 3.0], "top1": 0.5}
    return {
        "model": "a/$model_" + 60 * "x", "dataset": "da$ta", "split": "dev$", "clips": 10, "failed": 2,
        "exits": "stored thresholds", "anytime": anytime(looks), "thresholds": over_confidences(rule, looks),
        "this_run": at_rule(rule, looks) | {"exit_steps": exits.bincount(minlength=steps).tolist()},
        "time": {"network": [row | {"batch": b, "ms": 2.0} for b in (1, 16)], "rounds": 3, "clips": 9, "decode_ms": 1},
        "machine": {"processor": "a $ processor", "device": "cpu", "threads": 2, "torch": "2.9"},
        "calibration": calibration_report(rule, logits, labels, exits),
        "per_class": [{"name": name} for name in names],
        "difficulty": {"known": True, "groups": by_difficulty(torch.rand(10), right, right, exits, steps)},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("steps", "names"),
    [
        (4, ["a", "b $x^$", "c\n", "\\frac{$", "\udcff"]),
        (1, ["only", "two"]),
        (2, [f"class {n}" for n in range(174)]),
    ],
)
def test_every_report_is_drawn(tmp_path: Path, steps: int, names: list[str]) -> None:
    counts = torch.randint(0, 4, (len(names), len(names) + 1), generator=torch.Generator().manual_seed(0))
    counts[1] = 0  # a class without clips
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw(report_of(steps, names), counts, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == PICTURES  # and no temporary file
    for name in PICTURES:
        with Image.open(tmp_path / name) as picture:
            assert picture.format == "PNG" and 500 < picture.width < 2500 and 400 < picture.height < 2500
            assert len(set(picture.convert("L").tobytes())) > 20


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    check_matplotlib()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(DependencyError, match=r"matplotlib is not installed; run: pip install 'gfnet-video\[plot\]'"):
        check_matplotlib()
