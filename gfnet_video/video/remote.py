"""A video read in another process, one frame at a time: what is not asked for is not decoded there either."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

import numpy as np

from gfnet_video.errors import GFNetVideoError, VideoError
from gfnet_video.video.probe import Rejected, admit_file, admit_picture
from gfnet_video.video.reader import VideoReader
from gfnet_video.video.worker import Failure, Limits, Worker

COUNT, NEXT = "count", "next"
Wanted = tuple[str, str, int, Limits]  # path, reader, shrink, limits
Told = int | np.ndarray | None
ReadingWorker = Worker[Wanted, Told]


Cut = Callable[[np.ndarray], np.ndarray]


def reading(wanted: Wanted, cut: Cut | None = None) -> Generator[Told, str | list[int], None]:
    """The far side: the header's number of frames, then what is asked for. COUNT gives how many decode, indices the
    first of those frames (H,W,3) uint8, or what `cut` makes of it, NEXT each further one. Raises VideoError, Rejected
    where a limit is passed.
    """
    path, reader, shrink, limits = wanted
    admit_file(path, limits)
    with VideoReader(path, reader=reader, shrink=shrink) as video:
        admit_picture(path, video.width, video.height, limits)
        frames: Iterator[np.ndarray] = iter(())
        asked = yield video.header_frames
        while True:
            if asked == COUNT:
                asked = yield video.count()
                continue
            if isinstance(asked, list):
                if asked[-1] >= limits.frames:
                    raise Rejected(path, "too_big", f"frame {asked[-1]} is asked for; {limits.frames} may be walked")
                frames = video.read(asked) if cut is None else map(cut, video.read(asked))
            asked = yield next(frames)


class RemoteReader:
    """What inference needs of a VideoReader, with the decoding in the process of `worker`.

    header_frames: how many frames the header claims, or None. Raises VideoError naming the file: what VideoReader
    raises, and where decoding takes longer than `worker.limits`, passes another of them or ends the process.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, worker: ReadingWorker, reader: str = "auto", shrink: int = 0
    ) -> None:
        self.path, self.reader, self.worker = os.fsdecode(path), reader, worker
        self.header_frames: int | None = self._told(worker.ask((self.path, reader, shrink, worker.limits)))

    def __enter__(self) -> RemoteReader:
        return self

    def __exit__(self, *raised: object) -> None:
        """The far side closes the file when the next one is opened, or with its process."""

    def count(self) -> int:
        """How many frames really decode: decodes the whole file."""
        return int(self._told(self.worker.say(COUNT)))

    def read(self, indices: Sequence[int]) -> Iterator[np.ndarray]:
        """Frames (H,W,3) uint8 RGB at non-decreasing `indices`, each decoded when it is asked for."""
        asked: str | list[int] = [int(i) for i in indices]
        for _ in indices:
            yield self._told(self.worker.say(asked))
            asked = NEXT

    def _told(self, answer: object) -> Any:
        return told(answer, self.path)


def told(answer: object, path: str) -> Any:
    """A worker's answer, or what it means that there is none. Raises what the far side raised, or VideoError."""
    if not isinstance(answer, Failure):
        return answer
    if isinstance(answer.error, GFNetVideoError):
        raise answer.error
    raise VideoError(path, answer.reason)
