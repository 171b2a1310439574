"""Calls in processes that may hang, crash or eat memory: such a call costs its item, and the others go on.

A process is spawned, not forked, and imports what the function's module imports: for decoding numpy and PyAV, no torch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from multiprocessing.connection import wait
from typing import TypeVar

from gfnet_video.errors import ConfigError
from gfnet_video.video.worker import LIMITS, Failure, Limits, Worker

__all__ = ["LIMITS", "Failure", "Limits", "Worker", "each"]

Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD = 4  # items per worker that may be done before the one that is waited for


def each(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int = 2, limits: Limits = LIMITS
) -> Iterator[Result | Failure]:
    """`function` of each item, in order, each in one of `workers` processes; a Failure where a call gave nothing.

    function: importable by name, its items and results picklable. Items are taken as they are needed: results that wait
    for an earlier one are at most AHEAD per worker. A call over `limits.seconds` is killed. Closing the iterator ends
    the processes. Raises ConfigError for less than one worker, OSError where no process can be started.
    """
    if workers < 1:
        raise ConfigError(f"{workers} workers cannot decode; ask for at least 1")
    return _each(function, items, workers, limits)


def _each(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int, limits: Limits
) -> Iterator[Result | Failure]:
    crew = [Worker[Item, Result](function, limits) for _ in range(workers)]
    numbered = enumerate(items)
    busy, done = dict[int, Worker[Item, Result]](), dict[int, Result | Failure]()
    try:
        for number in count():
            while number not in done:
                _hand_out(crew, busy, numbered, AHEAD * workers - len(done))
                if not busy:
                    return
                _collect(busy, done)
            yield done.pop(number)
    finally:
        for worker in crew:
            worker.close()


def _hand_out(
    crew: list[Worker[Item, Result]],
    busy: dict[int, Worker[Item, Result]],
    numbered: Iterator[tuple[int, Item]],
    most: int,
) -> None:
    """Give idle workers an item each, while fewer than `most` are under way."""
    for worker in crew:
        if worker in busy.values():
            continue
        following = next(numbered, None) if len(busy) < most else None
        if following is None:
            return
        number, item = following
        worker.begin(item)
        busy[number] = worker


def _collect(busy: dict[int, Worker[Item, Result]], done: dict[int, Result | Failure]) -> None:
    """Wait until a worker is done, dead or late, and take what there is."""
    until = min(worker.deadline for worker in busy.values())
    wait([worker.pipe for worker in busy.values() if worker.pipe], max(0.0, until - time.monotonic()))
    for number, worker in list(busy.items()):
        if worker.due():
            done[number] = busy.pop(number).finish()
