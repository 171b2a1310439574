"""Frames that lie in a folder as pictures, read as a video is: by index, each one the frame asked for or an error."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np

from gfnet_video.errors import ConfigError, VideoError
from gfnet_video.video.picture import read_picture

NUMBER = re.compile(r"%0?\d*d")
FRAME = re.compile(r"([^\d%]*)(\d+)(\.jpe?g|\.png)", re.IGNORECASE)  # a template has no % but its number's


def template_in(folder: Path) -> str:
    """How the frames that lie in a folder are named (`%05d.jpg`), from the first of them; empty where none does."""
    names = sorted(p.name for p in folder.iterdir())
    found = next((match for name in names if (match := FRAME.fullmatch(name))), None)
    return f"{found[1]}%0{len(found[2])}d{found[3]}" if found else ""


class FolderReader:
    """Frames of one folder by index, with the reading surface of VideoReader.

    template: how the pictures are named (`%05d.jpg`); numbers run from 1, or from 0 where a picture 0 is there, without
    a gap. JPEG or PNG. Nothing is opened before it is asked for, and nothing stays open. Raises ConfigError for a
    template without exactly one number, VideoError for what is no folder.
    """

    fps: float | None = None  # pictures carry no times
    duration: float | None = None

    def __init__(self, folder: str | os.PathLike[str], template: str) -> None:
        if len(NUMBER.findall(template)) != 1 or template.count("%") != 1 or "/" in template:
            raise ConfigError(f"frames are named {template!r}; expected a file name with one number, such as %05d.jpg")
        self.path = os.fsdecode(folder)
        self.template = template
        if not os.path.isdir(self.path):
            missing = not os.path.lexists(self.path)
            raise VideoError(self.path, "no such folder of frames" if missing else "is not a folder of frames")

    def __enter__(self) -> FolderReader:
        return self

    def __exit__(self, *raised: object) -> None:
        """Between reads no file is open."""

    def file(self, index: int) -> Path:
        """The picture of frame `index`, counted from 0."""
        return Path(self.path, self.template % (index + self._first))

    @cached_property
    def _first(self) -> int:
        return 0 if os.path.exists(os.path.join(self.path, self.template % 0)) else 1

    @cached_property
    def header_frames(self) -> int | None:
        """How many frames the highest number claims; None where no picture is named by the template."""
        return self.numbers[-1] - self._first + 1 if self.numbers else None

    @cached_property
    def numbers(self) -> list[int]:
        """Those of the pictures that are named by the template, rising. Raises VideoError."""
        before, after = NUMBER.split(self.template)
        name = re.compile(re.escape(before) + r"(\d+)" + re.escape(after))
        found = (int(m[1]) for m in map(name.fullmatch, self._names()) if m and self.template % int(m[1]) == m[0])
        return sorted(found)

    def _names(self) -> list[str]:
        try:
            return os.listdir(self.path)
        except OSError as error:
            raise VideoError(self.path, f"cannot be listed ({error.strerror})") from error

    def count(self) -> int:
        """How many frames there are; a gap shows when it is read. Raises VideoError where there is none."""
        if self.header_frames is None:
            raise VideoError(self.path, f"holds no frame named {self.template}")
        return self.header_frames

    def every(self) -> Iterator[np.ndarray]:
        """Every frame, in order; raises as `read` does."""
        yield from self.read(range(self.count()))

    def read(self, indices: Sequence[int]) -> Iterator[np.ndarray]:
        """Frames (H,W,3) uint8 RGB at non-decreasing `indices`, each decoded when it is asked for.

        Raises ConfigError for indices that are negative or decrease; VideoError naming the file that is missing, cannot
        be decoded or has another size than the one before.
        """
        wanted = [int(i) for i in indices]
        if any(b < a for a, b in pairwise([0, *wanted])):
            raise ConfigError("frame indices must not be negative and must not decrease")
        return self._read(wanted)

    def _read(self, wanted: list[int]) -> Iterator[np.ndarray]:
        at, frame, shape = -1, np.empty(0), None
        for index in wanted:
            if index != at:
                at, frame = index, read_frame(self.file(index))
            if shape not in (None, frame.shape):
                raise VideoError(self.file(index), f"is {_size(frame.shape)}; the frames before it are {_size(shape)}")
            shape = frame.shape
            yield frame


def read_frame(file: Path) -> np.ndarray:
    """One JPEG or PNG as (H,W,3) uint8 RGB. Raises VideoError naming it."""
    if not os.path.lexists(file):
        raise VideoError(file, "no such frame")
    return read_picture(file, ("JPEG", "PNG"))


def _size(shape: tuple[int, ...] | None) -> str:
    return "x".join(str(side) for side in reversed((shape or ())[:2]))
