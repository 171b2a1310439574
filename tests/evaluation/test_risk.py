"""What `Risk` promises, by simulation: at 95 % it is broken in 5 % of a thousand calibrations or fewer, and barely."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from gfnet_video.evaluation import calibration
from gfnet_video.evaluation.binomial import clips_needed, most_failures
from gfnet_video.evaluation.calibration import Risk, calibrate, furthest_proven
from gfnet_video.evaluation.exit_orders import Answered, at_exit

REPETITIONS, MOST = 1000, 73  # 73: the 99.9 % quantile of Binomial(1000, 0.05)
CLIPS = 281  # 181 of them are tested, where 4 harmful ones come with probability 0.0497 if 5 % are
RATE = 0.05


def population(count: int = 2000) -> tuple[Tensor, Tensor]:
    """Logits (N,3,3) and labels: all clips that there are, so that a rule's true risk is a count."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(3, (count,), generator=generator)
    noise = torch.randn(count, 3, 3, generator=generator).cumsum(1)
    return 1.2 * torch.arange(1, 4)[:, None] * torch.eye(3)[labels][:, None] + 1.3 * noise, labels


def broken(repetitions: int = REPETITIONS) -> tuple[int, float]:
    """In how many calibrations, each on clips drawn anew, the true risk of the rule is above RATE; its mean."""
    logits, labels = population()
    generator = torch.Generator().manual_seed(1)
    risks = []
    for _ in range(repetitions):
        drawn = torch.randint(len(labels), (CLIPS,), generator=generator)
        rule = calibrate(logits[drawn], labels[drawn], Risk(RATE, 0.95), [1.0, 2.0, 3.0]).rule
        seen = Answered.of(logits, labels, rule.temperatures)
        left = at_exit(seen.harmful, seen.confidences, torch.tensor([rule.thresholds]))
        risks.append(float(left.double().mean()))
    return sum(r > RATE for r in risks), sum(risks) / len(risks)


def test_the_promise_is_kept_and_not_by_much() -> None:
    times, mean = broken()
    assert 20 <= times <= MOST  # the discrete bound allows 49.7 at the border
    assert mean > RATE / 3


def test_a_rate_taken_at_its_word_would_be_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopping where the rate that was seen reaches 5 % breaks the promise about every other time."""
    monkeypatch.setattr(calibration, "most_failures", lambda clips, rate, confidence: math.floor(clips * rate))
    assert broken(200)[0] > MOST


def test_the_walk_ends_at_the_first_failure() -> None:
    """The first step is sure and harmful, which a second order's last row, that exits at the second step, passes by."""
    right = torch.tensor([[False, True, True]]).expand(400, 3)
    seen = Answered(torch.tensor([[0.9, 0.8, 1.0]]).expand(400, 3), right)
    never, first, second = [2.0, 2.0, 2.0], [0.9, 0.8, 0.1], [2.0, 0.8, 0.1]
    assert furthest_proven(torch.tensor([never, second, first]), seen, Risk()) == 1
    assert furthest_proven(torch.tensor([never, first, second]), seen, Risk()) == 0


def test_the_binomial_bound_is_exact() -> None:
    """Against sums of integers: the most failures that, and fewer, have a probability of at most 1 - confidence."""
    for clips in (1, 5, 60, 299, 700):
        for percent, sure in ((1, 95), (2, 90), (10, 99), (50, 75)):
            ways = [math.comb(clips, k) * percent**k * (100 - percent) ** (clips - k) for k in range(clips + 1)]
            allowed = [sum(ways[: k + 1]) * 100 <= (100 - sure) * 100**clips for k in range(clips + 1)]
            assert most_failures(clips, percent / 100, sure / 100) == sum(allowed) - 1


def test_how_many_clips_are_needed() -> None:
    assert clips_needed(0.01, 0.95) == 299 and clips_needed(0.5, 0.75) == 2
    for rate in (0.001, 0.01, 0.03, 0.2, 0.5):
        for confidence in (0.5, 0.9, 0.95, 0.99):
            needed = clips_needed(rate, confidence)
            assert most_failures(needed, rate, confidence) >= 0 > most_failures(needed - 1, rate, confidence)
