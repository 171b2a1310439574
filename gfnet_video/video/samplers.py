"""Which frames: integers in, integers out, no pixel touched."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from gfnet_video.errors import ConfigError


def uniform_indices(frames: int, count: int) -> list[int]:
    """The centres of `count` equal segments of a clip of `frames` frames, never decreasing.

    A clip shorter than `count` repeats its frames evenly. Raises ConfigError where either number is below 1.

    >>> uniform_indices(80, 4)
    [10, 30, 50, 70]
    >>> uniform_indices(3, 6)
    [0, 0, 1, 1, 2, 2]
    """
    _check(frames, count)
    return [(2 * i + 1) * frames // (2 * count) for i in range(count)]


def jittered_indices(frames: int, count: int, rng: np.random.Generator) -> list[int]:
    """A random frame of each of `count` equal segments (as TSM trains), never decreasing.

    A clip shorter than `count` repeats its frames evenly: then nothing is left to chance. Raises ConfigError as
    `uniform_indices` does.

    >>> jittered_indices(3, 6, np.random.default_rng(0))
    [0, 0, 1, 1, 2, 2]
    >>> all(10 * i <= f < 10 * i + 10 for i, f in enumerate(jittered_indices(80, 8, np.random.default_rng(0))))
    True
    """
    _check(frames, count)
    if frames < count:
        return uniform_indices(frames, count)
    edges = [i * frames // count for i in range(count + 1)]
    return [int(rng.integers(low, high)) for low, high in pairwise(edges)]


def all_indices(frames: int) -> list[int]:
    """Every frame, in order.

    >>> all_indices(3)
    [0, 1, 2]
    """
    _check(frames, 1)
    return list(range(frames))


def _check(frames: int, count: int) -> None:
    if frames < 1:
        raise ConfigError(f"cannot sample a clip of {frames} frames; at least 1 is needed")
    if count < 1:
        raise ConfigError(f"cannot sample {count} frames; ask for at least 1")
