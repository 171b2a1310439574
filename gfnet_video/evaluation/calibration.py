"""Temperatures and exit thresholds from held-out clips: one half fits the temperatures, the other the threshold."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from gfnet_video.errors import DataError
from gfnet_video.evaluation.metrics import answers
from gfnet_video.nn.exit_rule import NEVER, ExitRule

MINIMUM = 40  # clips; below, a threshold would be noise
GRID = tuple(i / 1000 for i in range(300, 1000)) + (0.9995, NEVER)


def calibrate(step_logits: Tensor, labels: Tensor, *, max_drop: float) -> ExitRule:
    """The rule that exits earliest while it changes the answer of at most a part `max_drop` of the clips.

    Accuracy cannot fall by more than that (0.005 is half a point) on the clips that set the threshold. Counting every
    changed answer, and not only what accuracy loses net, keeps lucky changes from hiding harmful ones: such luck does
    not repeat on other clips.

    step_logits (N,S,K) and labels (N,) of clips in random order. Raises DataError with fewer than 40 clips.
    """
    if len(labels) < MINIMUM:
        raise DataError(f"{len(labels)} calibration clips; expected at least {MINIMUM}")
    half = len(labels) // 2
    temperatures = fit_temperatures(step_logits[:half], labels[:half])
    return lowest_threshold(temperatures, step_logits[half:], max_drop=max_drop)


def fit_temperatures(step_logits: Tensor, labels: Tensor) -> tuple[float, ...]:
    """For each step the temperature of least cross-entropy (Guo et al., 2017), searched on a fixed grid of 0.2 to 8."""
    grid = torch.logspace(torch.tensor(0.2).log10().item(), torch.tensor(8.0).log10().item(), 121)
    found = []
    for s in range(step_logits.shape[1]):
        losses = torch.stack([F.cross_entropy(step_logits[:, s] / t, labels) for t in grid])
        found.append(float(grid[losses.argmin()]))
    return tuple(found)


def lowest_threshold(temperatures: tuple[float, ...], step_logits: Tensor, *, max_drop: float) -> ExitRule:
    """The lowest confidence of a fixed grid, one for all steps, from which on up at most `max_drop` answers change."""
    final = answers(step_logits[:, -1])
    best = ExitRule.never(len(temperatures), temperatures)
    for confidence in reversed(GRID):
        rule = ExitRule(temperatures, (confidence,) * len(temperatures))
        changed = answers(exited_logits(rule, step_logits)) != final
        if float(changed.double().mean()) > max_drop:
            return best
        best = rule
    return best


def exited_logits(rule: ExitRule, step_logits: Tensor) -> Tensor:
    """The logits (N,K) each video leaves with, from those of all steps (N,S,K)."""
    exits = rule.exits(step_logits.nan_to_num(0.0))
    return step_logits[torch.arange(len(exits)), exits]
