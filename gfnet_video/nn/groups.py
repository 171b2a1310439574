"""Frames that come one by one, some at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")


def in_groups(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """So many items at a time, the last group perhaps fewer; none is pulled ahead of its group.

    >>> list(in_groups("abcde", 2))
    [['a', 'b'], ['c', 'd'], ['e']]
    """
    coming = iter(items)
    while group := list(islice(coming, size)):
        yield group
