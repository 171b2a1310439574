"""Temperatures, orders of thresholds and budgets: recovered where they are known, equal to the plain way."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from gfnet_video.errors import ConfigError, DataError
from gfnet_video.evaluation.calibration import (
    Budget,
    Calibrated,
    Risk,
    best_within,
    calibrate,
    fit_temperatures,
    fits,
    in_all,
)
from gfnet_video.evaluation.exit_orders import RISKS, Answered, at_exit, by_error_mended, by_proportions
from gfnet_video.evaluation.session import measure
from gfnet_video.nn.exit_rule import NEVER, ExitRule

STEPS, CLASSES = 4, 5
GMACS = [1.0, 2.0, 3.0, 4.0]


def clips(count: int, seed: int = 0, scale: float = 1.0) -> tuple[Tensor, Tensor]:
    """Logits (N,S,K) whose softmax, unscaled, is the true law of the labels, and grows sharper from step to step."""
    generator = torch.Generator().manual_seed(seed)
    drift = 1.5 * torch.randn(count, STEPS, CLASSES, generator=generator).cumsum(1)
    labels = torch.multinomial(drift[:, -1].softmax(-1), 1, generator=generator).squeeze(1)
    return scale * drift, labels


def of_tested(found: Calibrated, logits: Tensor, labels: Tensor) -> dict[str, float]:
    return measure(found.rule, logits[found.tested], labels[found.tested], GMACS)


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_temperature_undoes_a_scale(scale: float) -> None:
    assert fit_temperatures(*clips(8000, scale=scale))[-1] == pytest.approx(scale, rel=0.06)


def test_no_temperature_of_a_grid_is_better() -> None:
    logits, labels = clips(300, scale=2.0)
    logits[:, 0], logits[:, 1] = -logits[:, 0], 3 * F.one_hot(labels, CLASSES)
    found = fit_temperatures(logits, labels)
    grid = torch.logspace(math.log10(0.2), math.log10(8), 500).tolist()
    for s, temperature in enumerate(found):
        losses = [float(F.cross_entropy(logits[:, s] / t, labels)) for t in (temperature, *grid)]
        assert losses[0] <= min(losses) + 1e-5
    assert found[0] == pytest.approx(8, rel=1e-4) and found[1] == pytest.approx(0.2, rel=1e-4)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_many_rules_at_once_exit_as_each_does(seed: int) -> None:
    logits, labels = clips(60, seed)
    temperatures = fit_temperatures(logits, labels)
    seen = Answered.of(logits, labels, temperatures)
    rows = torch.cat([by_error_mended(seen)[::25], by_proportions(seen.confidences)[::25]])
    steps = at_exit(torch.arange(STEPS), seen.confidences, rows)  # (G,N)
    right = at_exit(seen.right, seen.confidences, rows)
    for row, exits, answers in zip(rows, steps, right, strict=True):
        rule = ExitRule(temperatures, tuple(row.tolist()))
        assert torch.equal(rule.exits(logits), exits)
        assert torch.equal(logits[torch.arange(60), exits].argmax(-1) == labels, answers)


def test_an_order_begins_with_no_exit_and_ends_with_all_and_never_turns_back() -> None:
    seen = Answered.of(*clips(500), (1.0,) * STEPS)
    order = by_error_mended(seen)
    assert bool((order[0] == NEVER).all()) and bool((order.diff(dim=0) <= 0).all())
    steps = at_exit(torch.arange(STEPS), seen.confidences, order)
    assert bool((steps[0] == STEPS - 1).all()) and bool((steps[-1] == 0).all())


def test_steps_whose_errors_are_not_mended_may_exit_with_less_confidence() -> None:
    """Of 20 errors each, later looks mend 15 of the first step's and 3 of the second's."""
    right = torch.ones(100, 3, dtype=torch.bool)
    right[:20, 0] = right[:20, 1] = False
    right[15:20, 2] = False
    right[:12, 1], right[20:32, 1], right[20:32, 2] = True, False, False
    row = by_error_mended(Answered(torch.full((100, 3), 0.5), right))[401]  # the scalar is 0.01
    assert row[:2].tolist() == pytest.approx([1 - 0.01 * math.sqrt(21 / n) for n in (16, 4)], abs=1e-6)


def test_it_exits_sooner_than_one_confidence_for_all_steps_where_late_errors_stay() -> None:
    """From the second step on nothing changes: only the first step's exits can harm."""
    logits, labels = clips(4000)
    logits[:, 1:] = logits[:, -1:]
    seen = Answered.of(logits, labels, fit_temperatures(logits, labels))
    shared = (1 - RISKS[:, None]).expand(-1, STEPS).float()
    soonest = []
    for order in (by_error_mended(seen), shared):
        harmed = at_exit(seen.harmful, seen.confidences, order).double().mean(1)
        steps = at_exit(torch.arange(STEPS).double(), seen.confidences, order).mean(1)
        soonest.append(float(steps[harmed <= 0.01].min()))
    assert soonest[0] < soonest[1] - 0.1


# -- risk --


def test_exits_that_would_harm_are_not_taken() -> None:
    logits, labels = clips(400)
    logits[:, :-1] = -20 * logits[:, -1:]  # sure and wrong until the last step
    found = calibrate(logits, labels, Risk(0.02), GMACS)
    assert of_tested(found, logits, labels)["mean_exit_step"] == STEPS


def test_the_more_may_be_harmed_the_sooner_it_exits() -> None:
    logits, labels = clips(2000)
    rules = [calibrate(logits, labels, Risk(drop), GMACS).rule for drop in (0.01, 0.05, 0.2, 0.99)]
    exits = [float(rule.exits(logits).double().mean()) for rule in rules]
    assert exits == sorted(set(exits), reverse=True) and exits[0] < STEPS - 1 and exits[-1] == 0


def test_clips_that_fit_the_temperatures_set_no_threshold_and_the_others_no_temperature() -> None:
    logits, labels = clips(800, scale=3.0)
    found = calibrate(logits, labels, Risk(0.02), GMACS)
    both = torch.cat([found.fitted, found.tested])
    assert torch.equal(both.sort().values, torch.arange(800)) and len(found.fitted) == fits(800) == 200
    harmless = logits.clone()
    harmless[found.tested] = logits[found.tested, -1:]  # what is tested changes no answer; what fits is harmed as ever
    other = calibrate(harmless, labels, Risk(0.02), GMACS).rule
    assert other.temperatures == found.rule.temperatures and other.thresholds != found.rule.thresholds
    assert bool((other.exits(logits) == 0).all())


def test_parts_are_drawn_by_chance_since_lists_are_sorted_by_class() -> None:
    logits, labels = clips(400)
    found = calibrate(logits, labels, Risk(0.05), GMACS)
    assert 150 < float(found.fitted.double().mean()) < 250


@pytest.mark.parametrize(
    ("goal", "least", "words"),
    [
        (
            Risk(),
            399,
            "398 calibration clips; expected at least 399: 299 to prove with 95 % confidence that exits harm",
        ),
        (Risk(0.05), 117, "116 calibration clips; expected at least 117: 59 to prove"),
        (Risk(0.01, 0.99), 611, "459 to prove with 99 % confidence"),
        (Risk(0.5), 40, "39 calibration clips; expected at least 40$"),
        (Budget(2.5), 40, "39 calibration clips; expected at least 40$"),
    ],
)
def test_too_few_clips_are_refused_and_enough_are_not(goal: Risk | Budget, least: int, words: str) -> None:
    logits, labels = clips(least)
    with pytest.raises(DataError, match=words):
        calibrate(logits[1:], labels[1:], goal, GMACS)
    logits[:] = logits[:, -1:]  # all looks say the same, so that no exit can harm
    assert of_tested(calibrate(logits, labels, goal, GMACS), logits, labels)["mean_exit_step"] < STEPS


def test_the_drop_that_a_refusal_offers_can_be_proven() -> None:
    logits, labels = clips(150)
    logits[:] = logits[:, -1:]
    with pytest.raises(DataError, match=r"so many can prove --max-drop 4%"):
        calibrate(logits, labels, Risk(), GMACS)
    assert calibrate(logits, labels, Risk(0.04), GMACS).rule.thresholds[0] < NEVER


def test_the_fewest_clips_in_all_are_the_fewest() -> None:
    for tested in range(1, 1500):
        assert tested == in_all(tested) - fits(in_all(tested)) > in_all(tested) - 1 - fits(in_all(tested) - 1)


@pytest.mark.parametrize("wrong", [{"max_drop": 0.0}, {"max_drop": 1.0}, {"confidence": 1.0}])
def test_a_risk_is_a_part(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(wrong))} is .*; expected above 0 and below 1"):
        Risk(**wrong)


# -- budget --


@pytest.mark.parametrize("gmacs", [1.0, 1.02, 1.7, 2.5, 3.3, 3.98, 4.0])
def test_a_budget_is_spent_and_not_exceeded(gmacs: float) -> None:
    logits, labels = clips(1200)
    spent = of_tested(calibrate(logits, labels, Budget(gmacs), GMACS), logits, labels)["gmacs"]
    assert gmacs - 0.03 < spent <= gmacs + 1e-9


def test_more_computation_brings_more_right_answers() -> None:
    logits, labels = clips(2000)
    found = [calibrate(logits, labels, Budget(g), GMACS) for g in (1.0, 2.0, 3.0, 4.0)]
    top1 = [of_tested(f, logits, labels)["top1"] for f in found]
    assert top1 == sorted(set(top1)) and top1[0] + 0.1 < top1[-1]


@pytest.mark.parametrize("gmacs", [0.99, 4.01])
def test_a_budget_that_no_exit_meets_names_both_ends(gmacs: float) -> None:
    with pytest.raises(ConfigError, match=rf"budget is {gmacs} GMACs a clip; expected 1 \(.*\) to 4 \(all looks\)"):
        calibrate(*clips(100), Budget(gmacs), GMACS)
    with pytest.raises(ConfigError, match="expected more than 0"):
        Budget(0.0)


def test_proportions_are_those_that_were_asked_for() -> None:
    """GFNet's budgeted batch: of 1000 clips, a step gets q times those of the step before."""
    confidences = torch.rand(1000, STEPS, generator=torch.Generator().manual_seed(0))
    thresholds = by_proportions(confidences, torch.tensor([0.5, 1.0, 2.0], dtype=torch.double))
    left = at_exit(torch.arange(STEPS), confidences, thresholds)  # large ratios first
    assert [torch.bincount(row).tolist() for row in left] == [
        [66, 133, 266, 535],
        [250, 250, 250, 250],
        [533, 266, 133, 68],
    ]


@pytest.mark.parametrize(("sharpened", "winner"), [(1.0, 0), (0.1, 1)])
def test_of_two_orders_the_one_that_is_right_more_often_wins(sharpened: float, winner: int) -> None:
    """One scalar beats GFNet's proportions unless it is misled: by a first step that is as sure as it knows little."""
    logits, labels = clips(1000)
    logits[:, 0] = torch.randn(1000, CLASSES, generator=torch.Generator().manual_seed(5))
    seen = Answered.of(logits, labels, (sharpened, 1.0, 1.0, 1.0))
    orders = [by_error_mended(seen), by_proportions(seen.confidences)]
    right = []
    for order in orders:
        spent = at_exit(torch.tensor(GMACS), seen.confidences, order).mean(1)
        row = order[(spent * (spent <= 2.5)).argmax()]
        right.append(int(at_exit(seen.right, seen.confidences, row[None]).sum()))
    found = best_within(Budget(2.5), orders, seen, GMACS)
    assert right.index(max(right)) == winner and right[0] != right[1]
    assert int(at_exit(seen.right, seen.confidences, found[None]).sum()) == max(right)
