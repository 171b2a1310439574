"""A thread that reads one source and puts its sampled frames into an inbox."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from threading import Condition, Thread
from typing import Any

import numpy as np

from gfnet_video.errors import VideoError
from gfnet_video.video import _pyav
from gfnet_video.video.inbox import Inbox
from gfnet_video.video.probe import admit_picture
from gfnet_video.video.source import PATIENCE, frames_of, is_live, is_recording, opened, shown
from gfnet_video.video.ticks import Timed, ticked
from gfnet_video.video.worker import LIMITS

ROOM = 4  # frames that wait: of a live source each is a tick older than the next
JITTER = 1.0  # seconds by which a clock may step back and still be the same


@dataclass(frozen=True)
class Shot:
    """A sampled frame (H,W,3) uint8, the `number`-th of its source, counted from 1.

    seconds: since the source's first frame. read: time.monotonic() when it was decoded. gaps, lost: how often so far
    the source gave nothing, and for how many seconds in all. turns: how often its clock began anew.
    """

    number: int
    seconds: float
    pixels: np.ndarray
    read: float
    gaps: int = 0
    lost: float = 0.0
    turns: int = 0


@dataclass
class Clock:
    """A source's time, which begins at 0 and never runs back, and what has been seen wrong with it."""

    every: float
    gaps: int = 0
    lost: float = 0.0
    turns: int = 0

    def run(self, frames: Iterable[Timed[Any]]) -> Iterator[Timed[Any]]:
        """The frames in that time. A gap is a time without frames of more than two ticks, and than three frames: of
        what they lately took, for a rate is not always kept, and not always known."""
        origin, last, usual = None, 0.0, 0.0
        for timed in frames:
            if origin is None:
                origin = timed.seconds
            now = timed.seconds - origin
            if now < last - JITTER:
                self.turns += 1
                origin, now = timed.seconds - last - timed.lasts, last + timed.lasts
            now = max(now, last)
            if now - last > max(2 * self.every, 3 * timed.lasts, 3 * usual):
                self.gaps, self.lost = self.gaps + 1, self.lost + now - last - timed.lasts
            usual, last = usual + (now - last - usual) / 2, now
            yield Timed(now, timed.lasts, timed.frame)


class Feed:
    """Begins to read `name` in a thread of its own; what comes lies in `inbox`, whose error is a VideoError.

    every: seconds between the frames that are wanted. live: what nobody takes in time is dropped, and a file or pipe is
    read no faster than it would be played; None: as `is_live` says, and no recording at an address is live. shrink: as
    `to_rgb` takes it.
    """

    def __init__(self, name: str, every: float, *, bell: Condition, live: bool | None = None, shrink: int = 0) -> None:
        self.name, self.every, self.live, self.shrink = name, every, live, shrink
        drops = is_live(name) if live is None else live
        self.paced = drops and not is_live(name)
        self.inbox: Inbox[Shot] = Inbox(ROOM, drops=drops, bell=bell)
        Thread(target=self._read, name=f"reading {shown(name)}", daemon=True).start()  # libav may hang

    def _read(self) -> None:
        error: Exception | None = None
        try:
            for shot in self._shots():
                if not self.inbox.put(shot):
                    break
        except Exception as raised:  # whoever takes raises it
            error = raised
        self.inbox.end(error)

    def _shots(self) -> Iterator[Shot]:
        """Raises VideoError where the source cannot be opened, breaks off or holds no picture."""
        clock, counters, began = Clock(self.every), _pyav.Counters(), time.monotonic()
        with opened(self.name) as (container, stream):
            admit_picture(shown(self.name), stream.codec_context.width, stream.codec_context.height, LIMITS)
            waits = is_recording(self.name, container)
            if self.live is None and waits:
                self.inbox.drops = False
            arriving = is_live(self.name) and not waits
            timed = clock.run(frames_of(container, stream, counters, arriving=arriving))
            for number, tick in enumerate(ticked(timed, self.every), 1):
                if self.paced:
                    time.sleep(max(0.0, began + tick.seconds - time.monotonic()))
                pixels = _pyav.to_rgb(tick.frame, stream, self.shrink)
                yield Shot(number, tick.seconds, pixels, time.monotonic(), clock.gaps, clock.lost, clock.turns)
        if counters.broken or not counters.frames:
            raise VideoError(shown(self.name), _broken(counters))


def _broken(counters: _pyav.Counters) -> str:
    if not counters.frames and not counters.broken:
        return "no frame can be decoded"
    reason = counters.broken
    if reason == "Immediate exit requested":  # libav was told to give up
        reason = f"nothing came for {PATIENCE:g} seconds"
    return f"reading breaks off after {counters.frames} frames ({reason})"
