"""Temperatures and thresholds: recovered where they are known, never costing more accuracy than was allowed."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gfnet_video.errors import DataError
from gfnet_video.evaluation.calibration import calibrate, exited_logits, fit_temperatures, lowest_threshold
from gfnet_video.evaluation.metrics import accuracy
from gfnet_video.nn.exit_rule import NEVER

STEPS, CLASSES = 4, 5


def clips(count: int, seed: int = 0, scale: float = 1.0) -> tuple[Tensor, Tensor]:
    """Logits (N,S,K) whose softmax, unscaled, is the true law of the labels, and grows sharper from step to step."""
    generator = torch.Generator().manual_seed(seed)
    drift = torch.randn(count, STEPS, CLASSES, generator=generator).cumsum(1)
    labels = torch.multinomial(drift[:, -1].softmax(-1), 1, generator=generator).squeeze(1)
    return scale * drift, labels


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_temperature_undoes_a_scale(scale: float) -> None:
    assert fit_temperatures(*clips(8000, scale=scale))[-1] == pytest.approx(scale, rel=0.06)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.01, 0.05, 0.2]))
def test_exits_change_no_more_answers_than_was_allowed(seed: int, max_drop: float) -> None:
    logits, labels = clips(200, seed)
    rule = lowest_threshold((1.0,) * STEPS, logits, max_drop=max_drop)
    lost = accuracy(logits[:, -1], labels) - accuracy(exited_logits(rule, logits), labels)
    changed = (exited_logits(rule, logits).argmax(-1) != logits[:, -1].argmax(-1)).double().mean()
    assert lost <= changed + 1e-6 and changed <= max_drop + 1e-6


def test_lucky_changes_do_not_hide_harmful_ones() -> None:
    """One exit in five harms and another heals: no accuracy is lost, and none is risked on other clips."""
    logits, labels = torch.zeros(100, 2, 3), torch.zeros(100, dtype=torch.long)
    logits[:, :, 0] = 5.0
    logits[:20, 0], logits[20:40, 1] = torch.tensor([0.0, 5.0, 0.0]), torch.tensor([0.0, 5.0, 0.0])
    assert accuracy(logits[:, 0], labels) == accuracy(logits[:, 1], labels)
    assert bool((lowest_threshold((1.0, 1.0), logits, max_drop=0.0).exits(logits) == 1).all())


def test_the_more_is_allowed_the_sooner_it_exits() -> None:
    logits, _ = clips(2000)
    rules = [lowest_threshold((1.0,) * STEPS, logits, max_drop=d) for d in (0.0, 0.02, 0.1, 1.0)]
    thresholds = [r.thresholds[0] for r in rules]
    assert thresholds == sorted(thresholds, reverse=True) and thresholds[0] > thresholds[-1] == 0.3
    exits = [float(r.exits(logits).float().mean()) for r in rules]
    assert exits == sorted(exits, reverse=True)


def test_exits_that_would_harm_are_not_taken() -> None:
    logits, labels = clips(400)
    logits[:, :-1] = -20 * logits[:, -1:]  # sure and wrong until the last step
    assert calibrate(logits, labels, max_drop=0.0).thresholds == (NEVER,) * STEPS


def test_one_half_fits_the_temperatures_and_the_other_the_threshold() -> None:
    logits, labels = clips(400, scale=3.0)
    rule = calibrate(logits, labels, max_drop=0.01)
    changed = logits.clone()
    changed[200:] *= 5
    assert calibrate(changed, labels, max_drop=0.01).temperatures == rule.temperatures
    changed = logits.clone()
    changed[:200] *= 5
    assert calibrate(changed, labels, max_drop=0.01).temperatures != rule.temperatures


def test_too_few_clips_are_refused() -> None:
    with pytest.raises(DataError, match="39 calibration clips; expected at least 40"):
        calibrate(*clips(39), max_drop=0.01)
