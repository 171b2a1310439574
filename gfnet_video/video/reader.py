"""Open a video, decode only the frames that are asked for, and prove that they are the ones.

Frame n is the n-th that PyAV decodes from the start. Two proofs: `sequence` (decoded from the start, counted) and
`timestamps` (a seek, then presentation times matched one by one against the packets'). Decord has no working proof
after a seek, so it reads in sequence only; `auto` takes it for short clips and PyAV, which may seek, for long ones.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise
from pathlib import Path

import numpy as np

from gfnet_video.errors import ConfigError, VideoError, unknown
from gfnet_video.video import _decord, _pyav
from gfnet_video.video.header import read_header

READERS = ("auto", "decord", "pyav")
ABSURD = 10_000_000  # frames that a header may claim: Decord makes a table of them, and aborts where memory ends
SHORT = 300  # up to this index decoding in sequence costs less than listing packets and seeking

Sampler = Callable[[int], list[int]]


class VideoEnded(VideoError):
    """Decoding ended before a frame that was asked for; `frames` is how many frames decode."""

    def __init__(self, path: object, frames: int) -> None:
        self.frames = frames
        super().__init__(path, f"decoding ends after {frames} frames" if frames else "no frame can be decoded")

    def __reduce__(self) -> tuple[type, tuple[str, int]]:  # type: ignore[override]
        return type(self), (self.path, self.frames)


class VideoReader:
    """Frames of one video file by index.

    reader: `decord`, `pyav`, or `auto`, which changes to PyAV where Decord fails. The attribute `reader` says which is
    in use, `proof` how the frames of the latest `read` are proven. `fps` and `duration` (seconds) are None where
    unknown; `width` and `height` are as stored, before the rotation that a phone asks for and `read` applies.
    Files whose frames are to be mirrored are read by PyAV: Decord turns frames, but mirrors none.
    shrink: frames at least twice as large come scaled to this short side, by libav while it converts their colours (0:
    none), which takes less time than whole frames and gives pixels a little different. By PyAV alone: Decord would
    scale each frame that it passes over.
    Raises VideoError for what is not a video, ConfigError for an unknown reader, and for Decord where it is to shrink.
    """

    def __init__(self, path: str | os.PathLike[str], *, reader: str = "auto", shrink: int = 0) -> None:
        if reader not in READERS:
            raise ConfigError(unknown("reader", reader, READERS))
        if shrink and reader == "decord":
            raise ConfigError("the reader decord cannot shrink frames; take auto or pyav, or do not shrink")
        self.path = os.fsdecode(path)
        self.shrink = shrink
        self.wanted = "pyav" if shrink else reader
        self.reader = "decord" if self.wanted == "auto" else self.wanted
        self.proof = "sequence"
        self.counters = _pyav.Counters()
        self._header = read_header(self.path)
        self.fps, self.duration = self._header.fps, self._header.duration
        self.width, self.height = self._header.width, self._header.height
        self._count: int | None = None

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def close(self) -> None:
        """Read no more; a read that is under way in another thread ends with the frame that it is decoding.

        Between reads no file is open, so nothing else is left to do.
        """
        self.counters.closed = True

    @property
    def packets_decoded(self) -> int:
        """Packets given to the decoder so far (PyAV only)."""
        return self.counters.packets

    @property
    def frames_decoded(self) -> int:
        """Frames decoded so far, whether handed out or passed over."""
        return self.counters.frames

    @property
    def header_frames(self) -> int | None:
        """How many frames the file claims; where its header counts none (webm, MPEG streams), as `read_header` says.
        None where there is not even a packet."""
        return self._header.frames

    def count(self) -> int:
        """How many frames really decode: decodes the whole file, once."""
        if self._count is None:
            self._count = _pyav.count_frames(self.path)
        return self._count

    def every(self) -> Iterator[np.ndarray]:
        """Every frame that decodes, in sequence, by PyAV; the header is not asked."""
        self.reader, self.proof = "pyav", "sequence"
        yield from _pyav.in_sequence(self.path, range(sys.maxsize), self.counters, self.shrink)

    def read(self, indices: Sequence[int]) -> Iterator[np.ndarray]:
        """Frames (H,W,3) uint8 RGB at non-decreasing `indices`, each decoded when it is asked for.

        Raises ConfigError for indices that are negative or decrease, VideoEnded where decoding ends before an index.
        """
        wanted = [int(i) for i in indices]
        if any(b < a for a, b in pairwise([0, *wanted])):
            raise ConfigError("frame indices must not be negative and must not decrease")
        return self._read(wanted)

    def _read(self, wanted: list[int]) -> Iterator[np.ndarray]:
        done = 0
        failure: Exception | None = None
        for source in self._sources(wanted):
            try:
                for frame in source(self.path, wanted[done:], self.counters):
                    if self.counters.closed:
                        break
                    done += 1
                    yield frame
            except (_pyav.Unproven, _decord.DecordFailed) as error:
                failure = error
            if done == len(wanted):
                return
            if self.counters.closed:
                raise VideoError(self.path, "the reader is closed")
        if self.count() > wanted[done]:  # only a reader that was asked for by name can stop here
            reason = f"Decord cannot read it ({failure or 'it ends early'}); try the reader 'pyav'"
            raise VideoError(self.path, reason) from failure
        raise VideoEnded(self.path, self.count())

    @cached_property
    def _mirrored(self) -> bool:
        return self._header.turns and _pyav.mirrors(self.path)

    def _by_decord(self, path: str, indices: list[int], counters: _pyav.Counters) -> Iterator[np.ndarray]:
        if self._mirrored:
            raise _decord.DecordFailed("its frames are to be mirrored, which Decord does not do")
        yield from _decord.in_sequence(path, indices, counters)

    def _sources(self, wanted: list[int]) -> Iterator[Callable[..., Iterator[np.ndarray]]]:
        """What to try in turn: each goes on where the one before stopped short."""
        far = bool(wanted) and wanted[-1] >= SHORT
        self.proof = "sequence"
        if self.wanted == "decord" or (self.wanted == "auto" and not far and (self._header.frames or 0) < ABSURD):
            self.reader = "decord"
            yield self._by_decord
        if self.wanted != "decord":
            self.reader = "pyav"
            if far and self._header.timed:
                self.proof = "timestamps"
                yield partial(_pyav.by_timestamp, shrink=self.shrink)
                self.proof = "sequence"
            yield partial(_pyav.in_sequence, shrink=self.shrink)


@dataclass(frozen=True)
class Clip:
    """Sampled frames (T,H,W,3) uint8. resampled: decoding ended before the header said, so `indices` were sampled once
    more on `true_frames`, which is None where nobody had to count. seconds_decode: wall clock."""

    frames: np.ndarray
    indices: list[int]
    true_frames: int | None
    header_frames: int | None
    resampled: bool
    reader: str
    seconds_decode: float


@dataclass(frozen=True)
class LazyClip:
    """The same, one frame (H,W,3) at a time. Iterating raises VideoEnded where decoding ends early: what was handed out
    came from the wrong sampling, so the caller starts again, once, on `sampler(ended.frames)`."""

    video: VideoReader
    indices: list[int]

    def __iter__(self) -> Iterator[np.ndarray]:
        return self.video.read(self.indices)


def open_clip(path: str | Path, sampler: Sampler, *, reader: str = "auto") -> LazyClip:
    """Sample on the count that the header claims; nothing is decoded yet. Raises VideoError."""
    video = VideoReader(path, reader=reader)
    return LazyClip(video, sampler(_claimed(video)))


def read_clip(path: str | Path, sampler: Sampler, *, reader: str = "auto") -> Clip:
    """Sample on the count that the header claims; where decoding ends early, once more on the true count.

    sampler: from a number of frames to non-decreasing indices. Raises VideoError.
    """
    began = time.perf_counter()
    with VideoReader(path, reader=reader) as video:
        true, indices = None, sampler(_claimed(video))
        try:
            frames = list(video.read(indices))
        except VideoEnded as early:
            if early.frames < 1:
                raise
            true, indices = early.frames, sampler(early.frames)
            frames = list(video.read(indices))
        seconds = time.perf_counter() - began
        return Clip(np.stack(frames), indices, true, video.header_frames, true is not None, video.reader, seconds)


def _claimed(video: VideoReader) -> int:
    if not video.header_frames:
        raise VideoEnded(video.path, 0)
    return video.header_frames
