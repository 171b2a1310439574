"""Which frames of an endless source: those shown at even times, by their timestamps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import ceil
from typing import Generic, TypeVar

T = TypeVar("T")

ROUNDING = 1e-3  # seconds: some containers keep whole milliseconds


@dataclass(frozen=True)
class Timed(Generic[T]):
    """A frame shown from `seconds` on, for `lasts` seconds: 0 where nobody knows."""

    seconds: float
    lasts: float
    frame: T


def ticked(frames: Iterable[Timed[T]], every: float) -> Iterator[Timed[T]]:
    """The frames that are shown at (i + 1/2) * every seconds, i = 0, 1, ..., each as soon as it comes and once only.

    So a source as long as a clip gives the frames that `uniform_indices` picks of the clip, T of them `every` seconds
    apart. Where no frame is known to be shown at such a time, the next is taken; of a source that ends before the
    first such time, its last.

    >>> clip = [Timed(i / 12, 1 / 12, i) for i in range(36)]
    >>> [t.frame for t in ticked(clip, 3 / 8)]
    [2, 6, 11, 15, 20, 24, 29, 33]
    """
    tick = 0
    timed: Timed[T] | None = None
    for timed in frames:
        end = timed.seconds + max(timed.lasts - ROUNDING, 0.0)
        if end >= (tick + 0.5) * every:
            tick = max(tick + 1, ceil(end / every - 0.5))
            yield timed
    if not tick and timed is not None:
        yield timed
