"""Where a manifest's clip comes from: a video, a picture, a folder of frames, or a part given in seconds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

from gfnet_video.datasets.frame_folders import FolderReader
from gfnet_video.datasets.manifest import Manifest
from gfnet_video.errors import ConfigError, VideoError
from gfnet_video.video.picture import PictureReader, is_picture
from gfnet_video.video.reader import VideoReader
from gfnet_video.video.samplers import span_frames


class Source(Protocol):
    """What VideoReader, PictureReader and FolderReader have in common."""

    path: str
    fps: float | None

    @property
    def header_frames(self) -> int | None: ...
    def count(self) -> int: ...
    def every(self) -> Iterator[np.ndarray]: ...
    def read(self, indices: Sequence[int]) -> Iterator[np.ndarray]: ...
    def __enter__(self) -> Source: ...
    def __exit__(self, *raised: object) -> None: ...


def open_source(manifest: Manifest, index: int, shrink: int = 0) -> Source:
    """The frames of a clip's whole file or folder, not yet decoded. shrink: as VideoReader takes it. Raises
    VideoError."""
    path = manifest.path(index)
    if manifest.template:
        return FolderReader(path, manifest.template)
    return PictureReader(path) if is_picture(path) else VideoReader(path, shrink=shrink)


def frames_of(manifest: Manifest, index: int, source: Source) -> int:
    """How many frames to sample from: as many as were counted when the manifest was made, else what the header claims.

    Only where neither says is everything decoded. Raises VideoError.
    """
    return int(manifest.frames[index]) or source.header_frames or source.count()


def has_span(manifest: Manifest, index: int) -> bool:
    """Is the clip a part of its file?"""
    return bool(np.isfinite(manifest.spans[index]).all())


def part(manifest: Manifest, index: int, source: Source, frames: int) -> tuple[int, int]:
    """The first frame of the clip and how many it holds, in a file of `frames` frames.

    Seconds become frames by the file's mean rate. Raises VideoError where the file has no rate, or the clip lies beyond
    its end.
    """
    if not has_span(manifest, index):
        return 0, frames
    start, end = (float(x) for x in manifest.spans[index])
    named = f"its clip {manifest.id(index)!r}, {start:g} to {end:g} s,"
    if not source.fps:
        raise VideoError(source.path, f"{named} cannot be found: frames come at no known rate")
    try:
        first, count = span_frames(frames, source.fps, (start, end))
    except ConfigError as error:
        raise VideoError(source.path, f"{named} cannot be read: {error}") from error
    if not count:
        raise VideoError(source.path, f"{named} begins after the last of its {frames} frames ({source.fps:g} a second)")
    return first, count
