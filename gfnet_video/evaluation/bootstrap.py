"""Paired bootstrap: how sure is a difference of two accuracies measured on the same clips."""

from __future__ import annotations

import numpy as np


def paired_interval(a: np.ndarray, b: np.ndarray, *, draws: int = 10_000, seed: int = 0) -> tuple[float, float, float]:
    """Mean of a - b in points and its 95 % percentile interval, resampling clips; a, b: (N,) right (1) or wrong (0).

    >>> paired_interval(np.ones(50), np.ones(50))
    (0.0, 0.0, 0.0)
    """
    apart = 100.0 * (a.astype(float) - b.astype(float))
    n = len(apart)
    rng = np.random.default_rng(seed)
    # A resample of n clips is a multinomial count over the few distinct values of the difference.
    values, counts = np.unique(apart, return_counts=True)
    means = rng.multinomial(n, counts / n, size=draws) @ values / n
    low, high = np.percentile(means, [2.5, 97.5])
    return float(apart.mean()), float(low), float(high)
