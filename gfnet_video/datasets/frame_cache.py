"""A split decoded once: all frames at the working side in one mapped file, for data small enough to keep so."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gfnet_video.datasets.clip_file import has_span, open_source, part
from gfnet_video.datasets.manifest import Manifest
from gfnet_video.errors import DataError, VideoError
from gfnet_video.files import whole
from gfnet_video.video.reader import VideoEnded
from gfnet_video.video.transforms import resize_crop

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class FrameCache:
    """All frames of a split at one side: `pixels` (F,side,side,3) uint8, clip i's at starts[i]:starts[i+1].

    `claimed` (N,) is how many frames each header promised; `bad` maps clips that could not be read to the reason.
    `base` names its two files; a loader's worker maps them anew.
    """

    base: Path
    pixels: np.ndarray
    starts: np.ndarray
    claimed: np.ndarray
    bad: dict[int, str]

    def clip(self, index: int) -> np.ndarray:
        """Frames of one clip (frames,side,side,3), a view."""
        return self.pixels[self.starts[index] : self.starts[index + 1]]

    def __reduce__(self) -> tuple[Any, ...]:
        return open_cache, (self.base, self.pixels.shape[1])


def clip_frames(manifest: Manifest, index: int, side: int, short_side: int = 0) -> tuple[Tensor, int]:
    """All frames of a clip as uint8 (frames,3,side,side), and how many its file claims. Raises VideoError."""
    with open_source(manifest, index) as source:
        if has_span(manifest, index):
            first, claimed = part(manifest, index, source, source.count())
            pictures = source.read(range(first, first + claimed))
        else:
            pictures, claimed = source.every(), source.header_frames or 0
        frames = [resize_crop(f[None], frame_side=side, short_side=short_side) for f in pictures]
        if not frames:
            raise VideoEnded(source.path, 0)
        return torch.cat(frames), claimed or len(frames)


def build_cache(
    manifest: Manifest,
    side: int,
    folder: Path,
    progress: Progress = lambda done, total: None,
    short_side: int = 0,
) -> FrameCache:
    """Decode a split once; later calls map the file, until a clip's file changes. Appears whole or not at all.

    side, short_side: as `resize_crop` takes them. Raises DataError where the folder cannot be written.
    """
    stamps = [_stamp(manifest.path(i)) for i in range(len(manifest))]
    sides = f"{side}" if short_side in (0, side) else f"{side} of {short_side}"
    key = hashlib.sha256(f"{manifest.digest()}{sides}{stamps}".encode()).hexdigest()[:12]
    base = folder / f"{manifest.split}_{side}_{key}"
    if not base.with_suffix(".npz").is_file():
        try:
            _write_cache(manifest, side, short_side, base, progress)
        except OSError as error:
            hint = "decode without it: --set train.cache=false (train), --no-cache (eval)"
            raise DataError(f"{folder}: the cache of decoded frames cannot be written: {error}; {hint}") from error
    return open_cache(base, side)


def open_cache(base: Path, side: int) -> FrameCache:
    """Map the two files of a cache that is whole."""
    with np.load(base.with_suffix(".npz")) as index:  # allow_pickle is off
        starts, claimed, where, why = (index[k] for k in ("starts", "claimed", "bad", "why"))
    shape = (int(starts[-1]), side, side, 3)
    pixels = np.memmap(base.with_suffix(".u8"), np.uint8, "r", shape=shape) if shape[0] else np.empty(shape, np.uint8)
    return FrameCache(base, pixels, starts, claimed, {int(i): str(r) for i, r in zip(where, why, strict=True)})


def _stamp(path: Path) -> tuple[int, ...] | None:
    """Size and time of a file; of a folder, its files' number, bytes and latest time; None where there is none."""
    try:
        found = path.stat()
        if not path.is_dir():
            return found.st_size, found.st_mtime_ns
        files = [entry.stat() for entry in os.scandir(path)]
    except OSError:
        return None
    return len(files), sum(f.st_size for f in files), max((f.st_mtime_ns for f in files), default=0)


def _write_cache(manifest: Manifest, side: int, short_side: int, base: Path, progress: Progress) -> None:
    lengths, claimed, bad = [0], [], {}
    with whole(base.with_suffix(".u8")) as temporary, temporary.open("wb") as out:
        for i in range(len(manifest)):
            try:
                frames, promised = clip_frames(manifest, i, side, short_side)
                out.write(frames.permute(0, 2, 3, 1).contiguous().numpy().tobytes())
            except VideoError as error:
                frames, promised = torch.empty(0), 0
                bad[i] = error.reason
            lengths.append(len(frames))
            claimed.append(promised)
            progress(i + 1, len(manifest))
    with whole(base.with_suffix(".npz")) as temporary, temporary.open("wb") as index:
        where, why = np.array(list(bad), np.int64), np.array(list(bad.values()), str)
        np.savez(index, starts=np.cumsum(lengths), claimed=np.array(claimed), bad=where, why=why)
