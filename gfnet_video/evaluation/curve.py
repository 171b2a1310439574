"""Accuracy against cost, from the logits after every step of one pass of all looks.

A clip that failed has NaN logits: it is wrong everywhere and costs nothing. Letters: N clips, S steps, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gfnet_video.evaluation.metrics import accuracy, readable, step_accuracies
from gfnet_video.nn.exit_rule import ExitRule

GRID = (*(i / 100 for i in range(1, 100)), 0.995, 0.999)  # fixed beforehand; never to exit follows


@dataclass(frozen=True)
class AllLooks:
    """A split with all looks taken: `logits` (N,S,K), `labels` (N,), `costs` (S): GMACs of a clip up to each step."""

    logits: Tensor
    labels: Tensor
    costs: tuple[float, ...]

    @property
    def good(self) -> Tensor:
        """(N,) bool: the clips that could be read."""
        return readable(self.logits)

    def exits(self, rule: ExitRule) -> Tensor:
        """(N,) the step after which the rule stops each clip; of a failed one without meaning."""
        return rule.exits(self.logits.nan_to_num(0.0))


def anytime(looks: AllLooks) -> list[dict[str, Any]]:
    """All clips stopped after the same step: its number from 1, GMACs and top-1."""
    found = zip(looks.costs, step_accuracies(looks.logits, looks.labels), strict=True)
    return [{"step": s, "gmacs": cost, "top1": top1} for s, (cost, top1) in enumerate(found, 1)]


def at_rule(rule: ExitRule, looks: AllLooks) -> dict[str, Any]:
    """Each clip stopped by the rule: top-1 over all clips, mean GMACs and exit step (from 1) of those read."""
    exits = looks.exits(rule)
    stopped = exits[looks.good]
    left = looks.logits[torch.arange(len(exits)), exits]
    costs = torch.tensor(looks.costs, dtype=torch.double)
    return {
        "top1": accuracy(left, looks.labels),
        "gmacs": float(costs[stopped].mean()) if len(stopped) else None,
        "mean_exit_step": float(stopped.double().mean()) + 1 if len(stopped) else None,
    }


def over_confidences(rule: ExitRule, looks: AllLooks) -> list[dict[str, Any]]:
    """`at_rule` with one confidence of GRID for all steps on the rule's temperatures; None: no clip exits early."""
    never = ExitRule.never(len(looks.costs), rule.temperatures)
    rules = [(c, rule.at(c)) for c in GRID] + [(None, never)]
    return [{"confidence": c} | at_rule(r, looks) for c, r in rules]
