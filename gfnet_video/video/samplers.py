"""Which frames: integers in, integers out, no pixel touched."""

from __future__ import annotations

from itertools import pairwise
from math import ceil

import numpy as np

from gfnet_video.config.words import SAMPLERS
from gfnet_video.errors import ConfigError, unknown

DENSE_SPAN = 64  # frames


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


def dense_indices(
    frames: int, count: int, rng: np.random.Generator | None = None, *, span: int = DENSE_SPAN
) -> list[int]:
    """`count` frames at one stride from a window of `span` frames, never decreasing: TSM's dense sampling on Kinetics.

    The window starts at random, or lies in the middle of the clip without `rng` (arXiv 1811.08383; the published code
    wraps a short clip round to its start, which puts time out of order). A clip shorter than `span` is all window.
    Raises ConfigError where a number is below 1.

    >>> dense_indices(300, 8)
    [118, 126, 134, 142, 150, 158, 166, 174]
    >>> dense_indices(4, 8)
    [0, 0, 1, 1, 2, 2, 3, 3]
    """
    _check(frames, count)
    _check(span, count)
    window = min(span, frames)
    spare = frames - window
    start = spare // 2 if rng is None else int(rng.integers(0, spare + 1))
    return [start + i * window // count for i in range(count)]


def clips_of_indices(frames: int, count: int) -> list[list[int]]:
    """Two clips of one video: the centres of `count` equal segments, then their starts (TSM's `twice_sample`).

    Both never decrease. Raises ConfigError as `uniform_indices` does.

    >>> clips_of_indices(80, 4)
    [[10, 30, 50, 70], [0, 20, 40, 60]]
    """
    return [uniform_indices(frames, count), [i * frames // count for i in range(count)]]


def coarse_to_fine(count: int) -> list[int]:
    """An order of visiting `count` sampled frames: middle, first, last, then the middle of each gap, gap by gap.

    A permutation of range(count): read the frames in time first, then visit them so. FrameExit (arXiv 2104.13400) and
    AdaFocus V2 on ActivityNet visit frames coarse to fine; where a gap has two middles the earlier is taken.
    Raises ConfigError where count is below 1.

    >>> coarse_to_fine(8)
    [3, 0, 7, 1, 5, 2, 4, 6]
    """
    _check(1, count)
    order = list(dict.fromkeys([(count - 1) // 2, 0, count - 1]))
    while len(order) < count:
        order += [(a + b) // 2 for a, b in pairwise(sorted(order)) if b - a > 1]
    return order


def span_frames(frames: int, fps: float, span: tuple[float, float]) -> tuple[int, int]:
    """The first frame of a span of seconds and how many it holds, of a video of `frames` frames at `fps`.

    Frame n is shown at n / fps; the span's end is not part of it. What lies beyond the video is cut off, as segments of
    ActivityNet often end after their file; a span between two frames holds the one shown then. (first, 0): it begins
    after the last frame. Raises ConfigError for a span that ends before it begins.

    >>> span_frames(300, 30.0, (2.0, 4.0))
    (60, 60)
    >>> span_frames(300, 30.0, (9.0, 99.0))
    (270, 30)
    >>> span_frames(300, 30.0, (10.5, 12.0))
    (315, 0)
    """
    if not 0 <= span[0] <= span[1]:
        raise ConfigError(f"a span is {span} seconds; expected a start of at least 0 and an end not before it")
    # A rate such as 30000/1001 is no exact float: a bound this near a frame is meant to be that frame.
    first, end = (max(0, ceil(seconds * fps - 1e-4)) for seconds in span)
    if end <= first:
        first, end = max(0, first - 1), max(1, first)
    return first, max(0, min(frames, end) - first)


def sampled(name: str, frames: int, count: int, rng: np.random.Generator | None = None) -> list[int]:
    """`count` frames of a clip by the sampler of that name, a row of SAMPLERS, in the order in which they are visited.

    rng: the dice of training; without them the choice is fixed. Raises ConfigError for an unknown name, and where a
    number is below 1.

    >>> sampled("coarse_to_fine", 80, 4)
    [30, 10, 70, 50]
    """
    if name not in SAMPLERS:
        raise ConfigError(unknown("sampler", name, SAMPLERS))
    if name == "dense":
        return dense_indices(frames, count, rng)
    chosen = uniform_indices(frames, count) if rng is None else jittered_indices(frames, count, rng)
    return [chosen[i] for i in coarse_to_fine(count)] if name == "coarse_to_fine" else chosen


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
