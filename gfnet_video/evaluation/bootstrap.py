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
    sums = _resampled(np.stack([apart, np.ones_like(apart)], 1), groups, draws, seed)
    low, high = np.percentile(sums[:, 0] / sums[:, 1], [2.5, 97.5])
    return float(apart.mean()), float(low), float(high)


def closed_interval(
    low: np.ndarray, reached: np.ndarray, high: np.ndarray, *, groups: np.ndarray, draws: int = 10_000, seed: int = 0
) -> tuple[float, float, float]:
    """How much of the gap between two accuracies a third closes, in per cent, and its 95 % interval, as above.

    Arrays (N,): right (1) or wrong (0), or means of such. Where a resample has no gap, nothing of it counts as closed.
    """
    gained, gap = reached.astype(float) - low, high.astype(float) - low
    sums = _resampled(np.stack([gained, gap], 1), groups, draws, seed)
    shares = np.where(sums[:, 1] > 0, 100 * sums[:, 0] / np.where(sums[:, 1] > 0, sums[:, 1], 1), 0.0)
    ends = np.percentile(shares, [2.5, 97.5])
    return 100 * float(gained.sum() / gap.sum()), float(ends[0]), float(ends[1])


def _resampled(values: np.ndarray, groups: np.ndarray | None, draws: int, seed: int) -> np.ndarray:
    """Sums (draws,C) of values (N,C) over resamples of whole groups."""
    _, place = np.unique(np.arange(len(values)) if groups is None else groups, return_inverse=True)
    totals = np.stack([np.bincount(place, weights=column) for column in values.T], 1)
    # A resample is a multinomial count over the few distinct kinds of group.
    kinds, counts = np.unique(totals, axis=0, return_counts=True)
    drawn = np.random.default_rng(seed).multinomial(len(totals), counts / len(totals), size=draws)
    summed: np.ndarray = drawn @ kinds
    return summed
