"""Families of per-step thresholds, from no exit at all to all exits at once, and what clips would leave with.

Letters: N clips, S steps, K classes, G rows of thresholds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gfnet_video.nn.exit_rule import NEVER

ALWAYS = 1e-6  # every highest probability reaches it, and an ExitRule wants thresholds above 0
# The scalar of `by_error_mended`: 100 values a factor of ten, fixed before any clip is seen.
RISKS = torch.logspace(-6, 0, 601, dtype=torch.double)
# GFNet's ratio of one step's share of the exits to that of the step before; its own code tries 0.05 to 1.95.
RATIOS = torch.logspace(-2, 2, 401, dtype=torch.double)


@dataclass(frozen=True)
class Answered:
    """What an exit after each step would say: `confidences` (N,S) and whether it would be `right` (N,S)."""

    confidences: Tensor
    right: Tensor

    @classmethod
    def of(cls, step_logits: Tensor, labels: Tensor, temperatures: Sequence[float]) -> Answered:
        """From uncalibrated logits (N,S,K) without NaN and labels (N,)."""
        scaled = step_logits / torch.tensor(temperatures).to(step_logits)[:, None]
        return cls(scaled.softmax(-1).amax(-1), step_logits.argmax(-1) == labels[:, None])

    @property
    def harmful(self) -> Tensor:
        """(N,S) bool: an exit here is wrong, although the answer after all looks is right."""
        return ~self.right & self.right[:, -1:]


def at_exit(values: Tensor, confidences: Tensor, thresholds: Tensor) -> Tensor:
    """What each clip leaves with, (G,N), under each row of thresholds (G,S).

    values: (N,S), or (S,) where all clips share them. confidences: (N,S). As `ExitRule.exits`, for many rules at once.
    """
    values = values.expand(confidences.shape)
    left = values[:, -1].expand(len(thresholds), -1)
    for s in reversed(range(values.shape[1] - 1)):
        left = torch.where(confidences[:, s] >= thresholds[:, s, None], values[:, s], left)
    return left


def by_error_mended(seen: Answered) -> Tensor:
    """One scalar for all steps, (G,S): exit where (1 - confidence) * sqrt(mended) is at most the scalar.

    A calibrated answer errs with probability 1 - confidence, and the error harms where later looks would have mended
    it: most errors of early steps, few of late ones. That part of each step's errors is counted on `seen` (one more of
    each, so that none is 0 or lacks a divisor). Its root lies halfway between equal confidence at all steps, which
    lets late steps exit too seldom, and equal harm, which does so early, where an exit saves most. The first row exits
    never, the last always.
    """
    mended = (seen.harmful.sum(0) + 1.0) / ((~seen.right).sum(0) + 1.0)  # (S,)
    rows = (1 - RISKS[:, None] / mended.sqrt()).clamp(min=ALWAYS)  # (G-1,S)
    return torch.cat([torch.full_like(rows[:1], NEVER), rows]).to(seen.confidences)


def by_proportions(confidences: Tensor, ratios: Tensor = RATIOS) -> Tensor:
    """GFNet's budgeted batch, (G,S): step k is given a part q**k of the clips, for each ratio q (arXiv 2010.05300).

    Thresholds are solved one step after the other: of the clips (N,S) that are left, the surest are admitted, and the
    threshold is the confidence of the last of them. Large ratios come first: they exit late.
    """
    clips, steps = confidences.shape
    shares = ratios.flip(0)[:, None] ** torch.arange(1, steps + 1)
    admitted = (clips * shares / shares.sum(1, keepdim=True)).floor().long()  # (G,S)
    thresholds = confidences.new_full((len(ratios), steps), NEVER)
    left = torch.ones(len(ratios), clips, dtype=torch.bool)
    for s in range(steps - 1):
        surest, clip = confidences[:, s].sort(descending=True)
        count = admitted[:, s].minimum(left.sum(1))
        among = left[:, clip].cumsum(1)  # (G,N): how many of the n surest are left
        last = surest[torch.searchsorted(among, count.clamp(min=1)[:, None])[:, 0].clamp(max=clips - 1)]
        thresholds[:, s] = last.where(count > 0, thresholds[:, s])
        left &= confidences[:, s] < thresholds[:, s, None]
    return thresholds
