"""A clip's frames on their way to the networks: decoded and cut when they are asked for, or one step ahead."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from gfnet_video.datasets.frame_folders import FolderReader
from gfnet_video.engines.engine import Engine
from gfnet_video.engines.timing import Seconds, timed_items
from gfnet_video.video.picture import PictureReader
from gfnet_video.video.reader import VideoReader
from gfnet_video.video.remote import RemoteReader

T = TypeVar("T")
Opened = VideoReader | RemoteReader | FolderReader | PictureReader


@dataclass(frozen=True)
class Reading:
    """The frames of one clip. ahead: the next one is decoded and cut in a thread while the networks look at this one.

    decoded: the indices of those that were, whether the networks came to see them or not. seconds: of decoding and
    cutting, which one ahead overlap those of the networks; then `wait` are those that the networks waited.
    """

    engine: Engine
    video: Opened
    ahead: bool = False
    decoded: list[int] = field(default_factory=list)
    seconds: Seconds = field(default_factory=lambda: defaultdict(float))

    def frames(self, indices: list[int]) -> Generator[np.ndarray, None, None]:
        """Working frames (1,3,S,S) uint8 at `indices`. Closing it ends the thread. Raises VideoError."""
        if not self.ahead:
            yield from self._ready(indices)
            return
        with closing(one_ahead(self._ready(indices), self._stop)) as ready:
            yield from timed_items(ready, self.seconds, "wait")

    def _ready(self, indices: list[int]) -> Iterator[np.ndarray]:
        pixels = timed_items(in_order(self.video, indices), self.seconds, "decode")
        for index, one in zip(indices, pixels, strict=True):
            self.decoded.append(index)
            began = time.perf_counter()
            ready = self.engine.cut(one)[None]
            self.seconds["preprocess"] += time.perf_counter() - began
            yield ready

    def _stop(self) -> None:
        if isinstance(self.video, VideoReader):
            self.video.close()


def one_ahead(items: Iterator[T], stop: Callable[[], None]) -> Generator[T, None, None]:
    """The items in order, each fetched in a thread while the one before it is used, and none further ahead.

    Closing it cancels what is not begun; where a fetch is under way, `stop` is to cut it short, and what comes of it is
    dropped. No thread stays behind. What `items` raises is raised when that item's turn comes.
    """
    end = object()
    with ThreadPoolExecutor(1, "one frame ahead") as pool:  # leaving it waits for the thread
        coming = pool.submit(next, items, end)
        try:
            while (item := coming.result()) is not end:
                coming = pool.submit(next, items, end)
                yield item  # type: ignore[misc]
        finally:
            if not (coming.cancel() or coming.done()):
                stop()


def in_order(video: Opened, indices: list[int]) -> Iterator[np.ndarray]:
    """Frames in the order asked for. A file is read forwards: one that lies further back begins a new reading."""
    for run in forwards(indices):
        yield from video.read(run)


def forwards(indices: list[int]) -> Iterator[list[int]]:
    """The indices in runs that do not decrease.

    >>> list(forwards([15, 3, 33, 9]))
    [[15], [3, 33], [9]]
    """
    run: list[int] = []
    for index in indices:
        if run and index < run[-1]:
            yield run
            run = []
        run.append(index)
    yield run
