"""What the sandbox's tests call in other processes: behaviour by name."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Generator
from itertools import count
from pathlib import Path

import numpy as np

from gfnet_video.video.probe import Verdict, examine
from gfnet_video.video.remote import Cut, Told, Wanted, reading
from gfnet_video.video.sandbox import Limits


def act(what: object) -> object:
    """Do as told: sleep, die, take memory, raise, shout; anything else comes back doubled."""
    if what == "hang":
        time.sleep(600)
    elif what == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif what == "exit":
        os._exit(7)
    elif what == "shout":
        os.write(1, b"noise")
        os.write(2, b"noise")
    elif what == "eat":
        return int(np.ones(3 << 27, np.uint8).sum())  # 384 MiB
    elif what == "raise":
        raise ValueError("as told")
    elif what == "no pickle":
        return lambda: None
    elif what == "modules":
        return sorted(sys.modules)
    elif what == "pid":
        return os.getpid()
    return 2 * what if isinstance(what, int) else what


def slow(seconds: float) -> float:
    """Sleep that long."""
    time.sleep(seconds)
    return seconds


def mark(place: Path | None) -> int:
    """Write this process's number, then never end; without a place nothing."""
    if place is not None:
        place.write_text(str(os.getpid()))
        time.sleep(600)
    return 0


def count_up(start: int) -> Generator[int, int, None]:
    """`start`, then the sum of what was said so far; a word of 0 hangs."""
    while True:
        said = yield start
        if said == 0:
            time.sleep(600)
        start += said


def hanging_examine(path: Path, limits: Limits, min_frames: int) -> Verdict:
    """`examine`, but a file called hang.* hangs the decoder."""
    if path.stem == "hang":
        time.sleep(600)
    return examine(path, limits, min_frames=min_frames)


def hostile_reading(wanted: Wanted, cut: Cut | None = None) -> Generator[Told, str | list[int], None]:
    """`reading`, but files called hang.* and crash.* do so after their first frame."""
    talk = reading(wanted, cut)
    asked = yield next(talk)
    for answered in count():
        if answered == 1 and Path(wanted[0]).stem == "hang":
            time.sleep(600)
        if answered == 1 and Path(wanted[0]).stem == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        asked = yield talk.send(asked)
