"""Paired bootstrap: how sure is a difference of two accuracies measured on the same clips."""

from __future__ import annotations

import numpy as np


def paired_interval(
    a: np.ndarray, b: np.ndarray, *, groups: np.ndarray | None = None, draws: int = 10_000, seed: int = 0
) -> tuple[float, float, float]:
    """Mean of a - b in points and its 95 % percentile interval; a, b: (N,) right (1) or wrong (0), or means of such.

    groups (N,): clips of one group, say of one object, err alike: whole groups are drawn, not clips (the cluster
    bootstrap of Field and Welsh, 2007). None: each clip is a group of its own.

    >>> paired_interval(np.ones(50), np.ones(50))
    (0.0, 0.0, 0.0)
    """
    apart = 100.0 * (a.astype(float) - b.astype(float))
    _, place = np.unique(np.arange(len(apart)) if groups is None else groups, return_inverse=True)
    sizes = np.bincount(place)
    totals = np.bincount(place, weights=apart)
    # A resample is a multinomial count over the few distinct kinds of group.
    kinds, counts = np.unique(np.stack([totals, sizes], 1), axis=0, return_counts=True)
    drawn = np.random.default_rng(seed).multinomial(len(sizes), counts / len(sizes), size=draws) @ kinds  # (draws,2)
    low, high = np.percentile(drawn[:, 0] / drawn[:, 1], [2.5, 97.5])
    return float(apart.mean()), float(low), float(high)
