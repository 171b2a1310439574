"""Between a source's thread and the network: a few items, of which a live source's oldest makes room for the newest."""

from __future__ import annotations

from collections import deque
from threading import Condition
from typing import Generic, TypeVar

T = TypeVar("T")


class Inbox(Generic[T]):
    """At most `room` items. One thread puts, another takes; several inboxes may share a bell, which rings at a change.

    drops: where it is full the oldest is dropped, and `dropped` counts it; else putting waits. `ended`: nothing more
    will be put; `error` is why, where that was not the source's end.
    """

    def __init__(self, room: int, *, drops: bool, bell: Condition) -> None:
        self.room, self.drops, self.bell = room, drops, bell
        self.dropped = 0
        self.ended = self.closed = False
        self.error: Exception | None = None
        self._held: deque[T] = deque()

    def put(self, item: T) -> bool:
        """False where nobody takes any more."""
        with self.bell:
            while not self.drops and len(self._held) >= self.room and not self.closed:
                self.bell.wait()
            if len(self._held) >= self.room and not self.closed:
                self._held.popleft()
                self.dropped += 1
            self._held.append(item)
            self.bell.notify_all()
            return not self.closed

    def end(self, error: Exception | None = None) -> None:
        """Nothing more will be put."""
        with self.bell:
            self.ended, self.error = True, error
            self.bell.notify_all()

    def take(self) -> T | None:
        """The oldest item; None where there is none now."""
        with self.bell:
            item = self._held.popleft() if self._held else None
            self.bell.notify_all()
            return item

    @property
    def done(self) -> bool:
        """Ended, and everything taken."""
        return self.ended and not self._held

    @property
    def ready(self) -> bool:
        """Whether there is something to take, or nothing any more."""
        return bool(self._held) or self.ended

    def close(self) -> None:
        """Nothing will be taken any more."""
        with self.bell:
            self.closed = True
            self._held.clear()
            self.bell.notify_all()
