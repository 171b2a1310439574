"""GFNet at the cost of a smaller static network, on the clips that both are asked about."""

from __future__ import annotations

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
EQUALS = {"streaming": ("glance", "smaller"), "gfnet": ("smaller", "small"), "gfnet_tiny": ("glance", "smaller")}
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

    Exits are found on the `known` clips, those of calibration, within a budget. Others are not as hard, so the budget
    is the largest of STRETCHED by which those `asked` cost no more than the static network; their labels have no say.
    Raises DataError where none costs so little.
    """
    found, costs = [], costs_of(model)
    for static in EQUALS.get(key, ()):
        cost = cost_of(static, family)
        for stretched in STRETCHED:
            rule = calibrate(known.logits, known.labels, Budget(stretched * cost), costs).rule
            exits = rule.exits(asked.logits)
            gmacs = float(torch.tensor(costs)[exits].mean())
            if gmacs <= cost:
                break
        else:
            raise DataError(f"{key}: no exits tried cost at most {cost:g} GMACs a clip, as {static} does")
        left = asked.logits[torch.arange(len(exits)), exits]
        found.append(Equal(static, config_of(static, family).model.glance.side, left, gmacs))
    return found
