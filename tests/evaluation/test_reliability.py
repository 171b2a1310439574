"""Calibration error against cases worked out by hand."""

from __future__ import annotations

import pytest
import torch

from gfnet_video.errors import DataError
from gfnet_video.evaluation.reliability import Bin, calibration_report, ece, reliability
from gfnet_video.nn.exit_rule import ExitRule


def test_by_hand() -> None:
    confidence = torch.tensor([0.95, 0.95, 0.95, 0.95, 0.55, 0.55], dtype=torch.double)
    right = torch.tensor([True, True, True, False, True, False])
    # 4 clips: 0.75 right at 0.95; 2 clips: 0.5 right at 0.55
    assert ece(confidence, right) == pytest.approx(4 / 6 * 0.20 + 2 / 6 * 0.05)
    assert ece(confidence[:4], right[:4]) == pytest.approx(0.20)


def test_within_a_bin_only_the_means_count() -> None:
    confidence, right = torch.tensor([0.94, 0.96]), torch.tensor([True, False])
    assert ece(confidence, right) == pytest.approx(0.45)
    assert ece(confidence, right, bins=1) == pytest.approx(0.45)
    assert ece(torch.tensor([0.4, 0.6]), torch.tensor([True, False]), bins=1) == pytest.approx(0.0, abs=1e-6)
    assert ece(torch.tensor([0.4, 0.6]), torch.tensor([True, False]), bins=2) == pytest.approx(0.6)


def test_over_and_under_confidence_do_not_cancel() -> None:
    assert ece(torch.tensor([0.9, 0.1]), torch.tensor([False, True])) == pytest.approx(0.9)


def test_an_edge_belongs_to_the_bin_below_and_the_ends_are_in() -> None:
    bins = reliability(torch.tensor([0.0, 0.25, 0.5, 1.0], dtype=torch.double), torch.ones(4, dtype=torch.bool), bins=4)
    assert [b.clips for b in bins] == [2, 1, 0, 1]
    assert bins[2] == Bin(0.5, 0.75, 0, None, None) and bins[3] == Bin(0.75, 1.0, 1, 1.0, 1.0)


def test_bins_hold_every_clip_once() -> None:
    confidence = torch.rand(500, generator=torch.Generator().manual_seed(0))
    right = torch.rand(500, generator=torch.Generator().manual_seed(1)) < confidence
    bins = reliability(confidence, right)
    assert len(bins) == 15 and sum(b.clips for b in bins) == 500
    assert sum(b.clips * b.accuracy for b in bins if b.accuracy is not None) == pytest.approx(int(right.sum()))
    assert ece(confidence, right) < 0.1 < ece(confidence, ~right)


def test_nothing_has_no_error() -> None:
    with pytest.raises(DataError, match="no clip could be read"):
        ece(torch.empty(0), torch.empty(0, dtype=torch.bool))


def test_temperatures_are_those_of_the_step_a_clip_leaves_at() -> None:
    """Two classes, log-odds of 2; clip 0 is right and exits at once, clip 1 is wrong and stays."""
    logits = torch.tensor([[[2.0, 0.0], [2.0, 0.0]], [[2.0, 0.0], [2.0, 0.0]]])
    found = calibration_report(ExitRule((2.0, 4.0), (0.5, 0.5)), logits, torch.tensor([0, 1]), torch.tensor([0, 1]))
    raw, one, two = (float(torch.tensor(2.0 / t).sigmoid()) for t in (1, 2, 4))
    assert found["last_step"]["ece_before"] == pytest.approx(raw - 0.5)
    assert found["last_step"]["ece_after"] == pytest.approx(two - 0.5)
    assert found["steps"][0] == {
        "step": 1,
        "ece_before": pytest.approx(raw - 0.5),
        "ece_after": pytest.approx(one - 0.5),
    }
    assert found["exits"]["ece_before"] == pytest.approx(raw - 0.5)
    assert found["exits"]["ece_after"] == pytest.approx((1 - one) / 2 + two / 2)  # bins of their own
