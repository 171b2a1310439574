"""A bar on stderr for what takes long, where that is a terminal; else nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.console import Console

T = TypeVar("T")


@contextmanager
def bar(words: str, notes: Console, *, hidden: bool = False) -> Iterator[Callable[[int, int], None]]:
    """Yields what is to be told how many are done, and of how many; the bar is gone at the end."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    off = hidden or not notes.is_terminal
    with Progress(*columns, console=notes, disable=off, transient=True, redirect_stdout=False) as shown:
        task = shown.add_task(words, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)


def tracked(items: Iterable[T], words: str, total: int, notes: Console, *, hidden: bool = False) -> Iterator[T]:
    """The items as they come, beside a bar."""
    with bar(words, notes, hidden=hidden) as told:
        told(0, total)
        for done, item in enumerate(items, 1):
            told(done, total)
            yield item
