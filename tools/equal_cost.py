"""GFNet at the cost of a smaller static network, on the clips that both are asked about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gfnet_video.checkpoint import Recogniser
from gfnet_video.engines.macs import costs_of
from gfnet_video.errors import DataError
from gfnet_video.evaluation.calibration import Budget, calibrate
from gfnet_video.evaluation.metrics import StepLogits
from tools.mini_runs import config_of, cost_of

# Of each GFNet the static networks that cost what it can be made to cost: glance first spends a glance-side network,
# whose accuracy it then has, before its first patch.
EQUALS = {
    "streaming": ("glance", "smaller"),
    "gfnet": ("smaller", "small"),
    "gfnet_48": ("smaller", "small"),
    "gfnet_tiny": ("glance", "smaller"),
}
STRETCHED = tuple(0.8 + 0.0125 * i for i in reversed(range(32)))  # budgets, as parts of the cost


@dataclass(frozen=True)
class Equal:
    """Which static network's cost was spent, its `side`, the answers (N,K) with these exits, and GMACs a clip."""

    static: str
    side: int
    logits: Tensor
    gmacs: float


def equals(key: str, family: str, model: Recogniser, known: StepLogits, asked: StepLogits) -> list[Equal]:
    """The model's answers to what was `asked`, at the cost of each static network that EQUALS has beside it.

    known: the clips of calibration. Raises DataError where no exits cost so little.
    """
    found = []
    for static in EQUALS.get(key, ()):
        left, gmacs = at_most(cost_of(static, family), costs_of(model), known, asked)
        found.append(Equal(static, config_of(static, family).model.glance.side, left, gmacs))
    return found


def at_most(cost: float, costs: Sequence[float], known: StepLogits, asked: StepLogits) -> tuple[Tensor, float]:
    """The answers (N,K) to what was `asked`, with exits that cost at most so many GMACs a clip; and what they cost.

    Exits are found on the `known` clips, within a budget. Others are not as hard, so the budget is the largest of
    STRETCHED by which those `asked` cost no more; their labels have no say. costs: GMACs up to each step. Raises
    DataError where none costs so little.
    """
    for stretched in STRETCHED:
        rule = calibrate(known.logits, known.labels, Budget(stretched * cost), costs).rule
        exits = rule.exits(asked.logits)
        gmacs = float(torch.tensor(costs)[exits].mean())
        if gmacs <= cost:
            return asked.logits[torch.arange(len(exits)), exits], gmacs
    raise DataError(f"no exits tried cost at most {cost:g} GMACs a clip")
