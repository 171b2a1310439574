"""Accuracy and the bootstrap, against what can be worked out by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from gfnet_video.datasets.annotations import read_manifest
from gfnet_video.datasets.catalog import dataset
from gfnet_video.datasets.clips import Clips
from gfnet_video.datasets.manifest import Manifest
from gfnet_video.evaluation.bootstrap import closed_interval, paired_interval
from gfnet_video.evaluation.metrics import (
    accuracy,
    answers,
    mean_average_precision,
    step_accuracies,
    step_logits_of,
    truth_of,
)
from tests import models

LOGITS = torch.tensor([[3.0, 2.0, 1.0], [1.0, 2.0, 3.0], [2.0, 3.0, 1.0], [math.nan] * 3])


def test_accuracy_counts_the_failed_as_wrong() -> None:
    assert accuracy(LOGITS, torch.tensor([0, 2, 0, 0])) == 0.5
    assert accuracy(LOGITS, torch.tensor([0, 2, 0, 0]), top=2) == 0.75
    assert accuracy(LOGITS, torch.tensor([0, 2, 0, 1]), top=9) == 0.75  # all of three classes, and still one failed


def test_the_answer_of_a_failed_clip_is_no_class() -> None:
    assert answers(LOGITS).tolist() == [0, 2, 1, -1]


def test_each_clip_is_shuffled_in_its_own_way_whatever_the_batch(tree: Path) -> None:
    clips = Clips(read_manifest(dataset("sthv2"), tree, "train"), models.FRAMES, models.SIDE)
    model = models.model()
    one, many = (step_logits_of(model, clips, batch=b, shuffle_frames=0).logits for b in (1, 10))
    assert torch.allclose(one, many, atol=1e-4)
    assert not torch.allclose(one, step_logits_of(model, clips).logits, atol=1e-2)


def test_accuracy_after_each_step() -> None:
    steps = torch.stack([LOGITS, LOGITS.roll(1, 0)], 1)
    assert step_accuracies(steps, torch.tensor([0, 0, 2, 1])) == [0.25, 0.75]


def test_interval_is_that_of_the_normal_law_where_it_holds() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random(4000) < 0.8, rng.random(4000) < 0.7
    apart = 100 * (a.astype(float) - b)
    half = 1.96 * apart.std() / math.sqrt(4000)
    mean, low, high = paired_interval(a, b)
    assert mean == pytest.approx(apart.mean())
    assert low == pytest.approx(mean - half, abs=0.05 * half) and high == pytest.approx(mean + half, abs=0.05 * half)


def test_interval_is_of_pairs() -> None:
    """Two models that fail on the same clips differ surely; unpaired, the interval would be 2 points wide or more."""
    rng = np.random.default_rng(0)
    a = rng.random(2000) < 0.5
    b = a.copy()
    b[np.flatnonzero(a)[:20]] = False
    _, low, high = paired_interval(a, b)
    assert 0.5 < low < 1.0 < high < 1.5


def test_clips_of_one_object_are_no_independent_witnesses() -> None:
    """Ten copies of each clip say no more than one: drawn in groups the interval is that of the clips."""
    rng = np.random.default_rng(0)
    a, b = rng.random(400) < 0.8, rng.random(400) < 0.7
    ten, groups = (np.repeat(a, 10), np.repeat(b, 10)), np.repeat(np.arange(400), 10)
    assert paired_interval(*ten, groups=groups) == pytest.approx(paired_interval(a, b))
    _, low, high = paired_interval(*ten)
    _, lower, higher = paired_interval(*ten, groups=groups)
    assert higher - lower > 2.5 * (high - low)


def test_what_a_policy_closes_of_a_gap() -> None:
    rng = np.random.default_rng(0)
    draw = rng.random(4000)
    low, reached, high = draw < 0.5, draw < 0.75, draw < 0.9
    share, least, most = closed_interval(low, reached, high, groups=np.arange(4000))
    assert share == pytest.approx(100 * (reached.mean() - low.mean()) / (high.mean() - low.mean()))
    assert share - 4 < least < share < most < share + 4
    assert closed_interval(low, high, high, groups=np.arange(4000) // 10) == (100.0, 100.0, 100.0)


def test_mean_average_precision_by_hand() -> None:
    scores = torch.tensor([[0.9, 0.1], [0.8, 0.7], [0.3, 0.6], [math.nan, math.nan]])
    truth = torch.tensor([[True, False], [False, True], [True, False], [False, True]])
    first = (1 / 1 + 2 / 3) / 2  # hits at ranks 1 and 3
    second = (1 / 1 + 2 / 4) / 2  # the failed video comes last
    assert mean_average_precision(scores, truth) == pytest.approx((first + second) / 2)
    absent = torch.cat([truth, torch.zeros(4, 1, dtype=torch.bool)], 1)
    assert mean_average_precision(torch.cat([scores, scores[:, :1]], 1), absent) == pytest.approx((first + second) / 2)


def test_every_right_class_of_a_video_counts() -> None:
    manifest = Manifest.of("test", "abc", Path(), ["1", "2"], ["1", "2"], [0, 2], further=[(1, 0)])
    assert truth_of(manifest).tolist() == [[True, False, False], [True, False, True]]
