"""The account of each class: what is right, what is taken for what, what could not be read."""

from __future__ import annotations

import io
import math

import pytest
import torch
from rich.console import Console

from gfnet_video.evaluation.metrics import StepLogits
from gfnet_video.evaluation.per_class import per_class, print_report, report_of

CLASSES = ("clap", "[wave]", "jump", "hop")


def steps() -> StepLogits:
    """Clips 0 to 5 said to be 0, 1, 1, 0, -, 1; no clip is of class 2 or 3. The first step's logits say otherwise."""
    last = torch.tensor([[3.0, 0, 0, 0], [0, 3, 0, 0], [0, 3, 0, 0], [3, 0, 0, 0], [math.nan] * 4, [0, 3, 0, 0]])
    logits = torch.stack([torch.roll(last, 1, 1), last], 1)
    return StepLogits(logits, torch.tensor([0, 0, 0, 1, 1, 1]), torch.empty(6, 0, 2), {4: "truncated"}, 0.0)


def test_each_class_is_counted() -> None:
    found = per_class(torch.tensor([0, 1, 1, 0, -1, 1]), torch.tensor([0, 0, 0, 1, 1, 1]), CLASSES)
    assert [(r.clips, r.right, r.failed, r.confused_with, r.confused) for r in found] == [
        (3, 1, 0, "[wave]", 2),
        (3, 1, 1, "clap", 1),  # a clip that could not be read is wrong, and taken for nothing
        (0, 0, 0, "", 0),
        (0, 0, 0, "", 0),
    ]
    assert found[0].accuracy == pytest.approx(1 / 3) and found[2].accuracy is None


def test_of_equal_confusions_the_first_class_is_named() -> None:
    found = per_class(torch.tensor([2, 1, 0]), torch.tensor([0, 0, 0]), CLASSES)
    assert (found[0].confused_with, found[0].confused) == ("[wave]", 1)


def test_the_report_agrees_with_itself_and_is_shown_as_it_is() -> None:
    report = report_of(steps(), CLASSES)
    assert (report["clips"], report["failed"]) == (6, 1)
    assert report["top1"] == pytest.approx(2 / 6) and report["mean_class_accuracy"] == pytest.approx(1 / 3)
    out = io.StringIO()
    print_report(report, "dev", Console(file=out, width=100))
    lines = out.getvalue().splitlines()
    assert "class (dev)" in lines[0] and lines[1].split() == ["[wave]", "3", "1", "33%", "clap", "(1)"]
    assert "no clips" in lines[3] and "no clips" in lines[4] and lines[5].startswith("dev: 33.3% of 6 clips right")
