"""Temperatures and exit thresholds from held-out clips, to a proven risk or to a budget."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gfnet_video.errors import ConfigError, DataError
from gfnet_video.evaluation.binomial import clips_needed, most_failures, provable
from gfnet_video.evaluation.exit_orders import Answered, at_exit, by_error_mended, by_proportions
from gfnet_video.nn.exit_rule import ExitRule

FEWEST = 40  # clips; below, a temperature would be noise
COLDEST_HOTTEST = (0.2, 8.0)  # temperatures
FITTED = 100  # clips that fit a temperature well enough; where there are many, a quarter


@dataclass(frozen=True)
class Risk:
    """Exits that harm (wrong, where all looks would be right) are at most `max_drop` of all clips, with `confidence`.

    Accuracy cannot fall by more than that.
    """

    max_drop: float = 0.01
    confidence: float = 0.95

    def __post_init__(self) -> None:
        for name in ("max_drop", "confidence"):
            if not 0 < getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected above 0 and below 1")


@dataclass(frozen=True)
class Budget:
    """A clip costs at most `gmacs` on average over the clips that set the thresholds."""

    gmacs: float

    def __post_init__(self) -> None:
        if not self.gmacs > 0:
            raise ConfigError(f"budget is {self.gmacs} GMACs; expected more than 0")


@dataclass(frozen=True)
class Calibrated:
    """A rule, which clips (by index) fitted its temperatures, and on which others its thresholds were found."""

    rule: ExitRule
    fitted: Tensor
    tested: Tensor


def calibrate(step_logits: Tensor, labels: Tensor, goal: Risk | Budget, gmacs: Sequence[float]) -> Calibrated:
    """The rule that reaches the goal, from logits (N,S,K) without NaN and labels (N,) of clips never trained on.

    Clips are parted at random: some fit the temperatures and what later looks mend, the others the thresholds. gmacs:
    what a clip costs that exits after each step (S). Raises DataError with too few clips, saying how many are needed;
    ConfigError for a budget that no exits can meet or need to.
    """
    check_enough(len(labels), goal)
    if isinstance(goal, Budget):
        check_budget(goal, gmacs)
    shuffled = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    fitted, tested = shuffled.split([fits(len(labels)), len(labels) - fits(len(labels))])
    temperatures = fit_temperatures(step_logits[fitted], labels[fitted])
    order = by_error_mended(Answered.of(step_logits[fitted], labels[fitted], temperatures))
    seen = Answered.of(step_logits[tested], labels[tested], temperatures)
    if isinstance(goal, Risk):
        thresholds = order[furthest_proven(order, seen, goal)]
    else:
        thresholds = best_within(goal, [order, by_proportions(seen.confidences)], seen, gmacs)
    return Calibrated(ExitRule(temperatures, tuple(thresholds.tolist())), fitted, tested)


def fits(clips: int) -> int:
    """How many of the clips fit the temperatures: 100, but no more than half, and a quarter where that is more.

    >>> fits(40), fits(300), fits(2000)
    (20, 100, 500)
    """
    return max(clips // 4, min(clips // 2, FITTED))


def check_enough(clips: int, goal: Risk | Budget) -> None:
    """Raise DataError where so many clips cannot reach the goal, whatever they show."""
    needed = clips_needed(goal.max_drop, goal.confidence) if isinstance(goal, Risk) else 0
    if clips >= max(FEWEST, in_all(needed)):
        return
    if isinstance(goal, Budget) or in_all(needed) <= FEWEST:
        raise DataError(f"{clips} calibration clips; expected at least {FEWEST}")
    least = least_drop(clips, goal.confidence)
    instead = f", or ask for less (so many can prove --max-drop {least:g}%)" if least else ""
    raise DataError(
        f"{clips} calibration clips; expected at least {in_all(needed)}: {needed} to prove with "
        f"{100 * goal.confidence:g} % confidence that exits harm at most {100 * goal.max_drop:g} % of clips, when they "
        f"harm none of these, and {in_all(needed) - needed} to fit the temperatures; give more clips{instead}, or give "
        "a --budget, which promises no accuracy"
    )


def least_drop(clips: int, confidence: float) -> float:
    """The least --max-drop, in percent, that so many clips can prove; 0 where they are too few for any.

    >>> least_drop(48, 0.95), least_drop(399, 0.95), least_drop(39, 0.95)
    (11.8, 1.0, 0.0)
    """
    return math.ceil(1000 * provable(clips - fits(clips), confidence)) / 10 if clips >= FEWEST else 0.0


def in_all(tested: int) -> int:
    """The fewest clips of which so many are left when some have fitted the temperatures.

    >>> in_all(299), [n - fits(n) for n in (398, 399)]
    (399, [298, 299])
    """
    return max(min(2 * tested - 1, tested + FITTED), tested + (tested - 1) // 3)


def fit_temperatures(step_logits: Tensor, labels: Tensor) -> tuple[float, ...]:
    """For each step the temperature of least cross-entropy (Guo et al., 2017) between 0.2 and 8.

    Cross-entropy is convex in 1 / temperature, so that halving where its slope, the expected logit less the true one,
    changes sign finds the least.
    """
    logits = step_logits.double()  # (N,S,K)
    true = logits[torch.arange(len(labels)), :, labels]  # (N,S)
    low, high = (torch.full((logits.shape[1],), math.log(t), dtype=torch.double) for t in COLDEST_HOTTEST)
    for _ in range(20):
        middle = (low + high) / 2
        expected = ((logits / middle.exp()[:, None]).softmax(-1) * logits).sum(-1)
        colder = (expected - true).mean(0) < 0
        low, high = low.where(colder, middle), middle.where(colder, high)
    return tuple(((low + high) / 2).exp().tolist())


def furthest_proven(order: Tensor, seen: Answered, risk: Risk) -> int:
    """The last row of `order` (G,S) that the clips prove safe, the first failure ending the walk: 0 is no exit.

    Fixed-sequence testing: the order knows nothing of these clips, so that walking it until the first failure errs as
    seldom as a single test does (Angelopoulos et al., Learn then Test, arXiv 2110.01052).
    """
    harmed = at_exit(seen.harmful, seen.confidences, order).sum(1)  # (G,)
    proven = harmed <= most_failures(len(seen.right), risk.max_drop, risk.confidence)
    return max(int(proven.int().cumprod(0).sum()) - 1, 0)


def check_budget(budget: Budget, gmacs: Sequence[float]) -> None:
    """Raise ConfigError for a budget below the first step's cost or above that of all looks."""
    if not min(gmacs) <= budget.gmacs <= max(gmacs):
        raise ConfigError(
            f"budget is {budget.gmacs:g} GMACs a clip; expected {min(gmacs):.4g} (an exit after the first step) to "
            f"{max(gmacs):.4g} (all looks)"
        )


def best_within(budget: Budget, orders: Sequence[Tensor], seen: Answered, gmacs: Sequence[float]) -> Tensor:
    """Of each order (G,S) the thresholds that spend most of the budget, and of those the ones (S,) that are right most
    often on these clips. The first order's last row must be to exit at once."""
    cost = torch.tensor(gmacs, dtype=torch.double)
    rows = []
    for order in orders:
        spent = at_exit(cost, seen.confidences, order).mean(1)  # (G,)
        spent = spent.where(spent <= budget.gmacs * (1 + 1e-9), -1.0)
        rows += [order[spent.argmax()]] if bool((spent > 0).any()) else []
    right = at_exit(seen.right, seen.confidences, torch.stack(rows)).sum(1)
    return rows[int(right.argmax())]
