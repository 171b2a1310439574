"""GFNet at the cost of a smaller static network: exits that spend, on the calibration split, no more than that does."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gfnet_video.checkpoint import Recogniser
from gfnet_video.engines.macs import costs_of
from gfnet_video.evaluation.calibration import Budget, calibrate
from gfnet_video.evaluation.metrics import StepLogits
from gfnet_video.model import GFNet
from tools.mini_runs import config_of

# Of each GFNet the static networks that cost what it can be made to cost: glance first spends a glance-side network,
# whose accuracy it then has, before its first patch.
EQUALS = {"streaming": ("glance", "smaller"), "gfnet": ("smaller", "small")}


@dataclass(frozen=True)
class Equal:
    """Which static network's cost was spent, its `side`, the answers (N,K) with these exits, and GMACs a clip."""

    static: str
    side: int
    logits: Tensor
    gmacs: float


def equals(key: str, family: str, model: Recogniser, known: StepLogits, asked: StepLogits) -> list[Equal]:
    """The model's answers to what was `asked`, at the cost of each static network that EQUALS has beside it.

    The exits are the best ones on the `known` clips, those of calibration, that spend no more on them.
    """
    found, costs = [], costs_of(model)
    for static in EQUALS.get(key, ()):
        config = config_of(static, family).model
        budget = Budget(costs_of(GFNet(config).eval())[-1])
        rule = calibrate(known.logits, known.labels, budget, costs).rule
        exits = rule.exits(asked.logits)
        left = asked.logits[torch.arange(len(exits)), exits]
        found.append(Equal(static, config.glance.side, left, float(torch.tensor(costs)[exits].mean())))
    return found
