"""How many of N independent clips may fail while a small failure rate is still proven: exact binomial bounds."""

from __future__ import annotations

import math

import torch

ROUNDING = 1 + 1e-12  # 1 - 0.95 is not 0.05 in floating point


def most_failures(clips: int, rate: float, confidence: float) -> int:
    """The most failures among `clips` that prove a true rate of at most `rate`; -1 where not even none would.

    So many or fewer failures come with probability at most 1 - confidence where the rate is higher: the one-sided
    Clopper-Pearson bound, as a count.

    >>> most_failures(298, 0.01, 0.95), most_failures(299, 0.01, 0.95), most_failures(473, 0.01, 0.95)
    (-1, 0, 1)
    """
    k = torch.arange(clips + 1, dtype=torch.double)
    ways = math.lgamma(clips + 1) - torch.lgamma(k + 1) - torch.lgamma(clips - k + 1)
    law = ways + k * math.log(rate) + (clips - k) * math.log1p(-rate)
    return int((law.logcumsumexp(0).exp() <= (1 - confidence) * ROUNDING).sum()) - 1


def clips_needed(rate: float, confidence: float) -> int:
    """The fewest clips that can prove `rate`, when none of them fails.

    >>> clips_needed(0.01, 0.95)
    299
    """
    return math.ceil(math.log((1 - confidence) * ROUNDING) / math.log1p(-rate))


def provable(clips: int, confidence: float) -> float:
    """The smallest rate that `clips` can prove, when none of them fails.

    >>> round(provable(299, 0.95), 4)
    0.01
    """
    return float(-math.expm1(math.log(1 - confidence) / clips))
