"""Videos to folders of JPEG frames, in the naming of those who read them; a folder is there whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from gfnet_video.datasets.download import frame_names
from gfnet_video.errors import ConfigError, VideoError, unknown
from gfnet_video.video.reader import VideoReader
from gfnet_video.video.sandbox import Failure, Limits, each

STYLES = {"tsm": "%06d.jpg", "something": "%05d.jpg", "mmaction": "img_%05d.jpg"}


@dataclass(frozen=True)
class Style:
    """How frames are written. name: of STYLES; side: frames whose short side is longer shrink to it, 0 for none;
    quality: of the JPEG, 1 to 95. All number from 1. Raises ConfigError for values outside of that."""

    name: str = "tsm"
    side: int = 256
    quality: int = 90

    def __post_init__(self) -> None:
        if self.name not in STYLES:
            raise ConfigError(unknown("naming of frames", self.name, STYLES))
        if self.side < 0 or not 1 <= self.quality <= 95:
            raise ConfigError(f"side is {self.side} and quality {self.quality}; expected 0 or more, and 1 to 95")

    @property
    def template(self) -> str:
        """The name of frame n, as `template % n`."""
        return STYLES[self.name]


@dataclass(frozen=True)
class Job:
    """Frames `start` to before `stop` of a video into the folder `target`, by way of `temporary` on the same disk.

    The video has `frames` frames: when another number decodes, the job fails.
    """

    video: Path
    target: Path
    temporary: Path
    style: Style
    frames: int
    start: int = 0
    stop: int = 1 << 62

    @property
    def count(self) -> int:
        """How many frames the folder will hold."""
        return max(0, min(self.stop, self.frames) - self.start)


def is_done(job: Job) -> bool:
    """Whether the folder is there with all its frames."""
    return job.target.is_dir() and len(frame_names(job.target, job.style.template)) == job.count


def extract_many(jobs: Iterable[Job], *, limits: Limits, workers: int) -> Iterator[tuple[Job, str]]:
    """Do jobs in killable processes: each job with the reason why it failed, empty where it did not; in order.

    Raises OSError where the disk is at fault: every other clip would fail too.
    """
    jobs = list(jobs)
    for job, result in zip(jobs, each(extract_clip, jobs, workers=workers, limits=limits), strict=True):
        if isinstance(result, Failure) and isinstance(result.error, OSError) and result.error.errno is not None:
            raise result.error
        yield job, result.reason if isinstance(result, Failure) else result


def extract_clip(job: Job) -> str:
    """Do one job in this process; what failed, or "". Nothing is left at `target` unless all frames are there."""
    remove(job.temporary)
    job.temporary.mkdir(parents=True)
    try:
        decoded = _write_frames(job)
    except VideoError as error:
        return error.reason
    written = len(frame_names(job.temporary, job.style.template))
    if written != job.count or not written:
        return f"{written} frames were written of {decoded} that decode; expected {job.count}"
    remove(job.target)
    job.target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(job.temporary, job.target)
    return ""


def _write_frames(job: Job) -> int:
    decoded = 0
    with VideoReader(job.video) as video:
        for decoded, frame in enumerate(video.every(), 1):
            if decoded > job.stop:
                break
            if decoded > job.start:
                write_frame(frame, job.temporary / (job.style.template % (decoded - job.start)), job.style)
    return decoded


def write_frame(frame: np.ndarray, file: Path, style: Style) -> None:
    """Write a frame (H,W,3) uint8 as JPEG, its short side at most `style.side` pixels."""
    picture = Image.fromarray(frame)
    short = min(picture.size)
    if style.side and short > style.side:
        width, height = (max(1, round(side * style.side / short)) for side in picture.size)
        picture = picture.resize((width, height), Image.Resampling.BICUBIC)
    picture.save(file, "JPEG", quality=style.quality)


def remove(folder: Path) -> None:
    """Remove a folder and all in it, where there is one."""
    if folder.is_dir():
        shutil.rmtree(folder)
