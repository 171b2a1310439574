"""Clips as tensors: sampled, decoded and scaled, from files or from a cache of frames at the working side."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gfnet_video.config import ModelConfig
from gfnet_video.datasets.manifest import Manifest
from gfnet_video.errors import DataError, VideoError
from gfnet_video.files import whole
from gfnet_video.video.reader import VideoEnded, VideoReader
from gfnet_video.video.samplers import jittered_indices, uniform_indices
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


def clip_frames(path: Path, side: int) -> tuple[Tensor, int]:
    """All frames of a file as uint8 (frames,3,side,side), and how many its header claims. Raises VideoError."""
    with VideoReader(path) as video:
        frames = [resize_crop(f[None], frame_side=side) for f in video.every()]
        if not frames:
            raise VideoEnded(path, 0)
        return torch.cat(frames), video.header_frames or len(frames)


def build_cache(
    manifest: Manifest, side: int, folder: Path, progress: Progress = lambda done, total: None
) -> FrameCache:
    """Decode a split once; later calls map the file, until a clip's file changes. Appears whole or not at all.

    Raises DataError where the folder cannot be written.
    """
    stamps = [_stamp(manifest.path(i)) for i in range(len(manifest))]
    key = hashlib.sha256(f"{manifest.digest()}{side}{stamps}".encode()).hexdigest()[:12]
    base = folder / f"{manifest.split}_{side}_{key}"
    if not base.with_suffix(".npz").is_file():
        try:
            _write_cache(manifest, side, base, progress)
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


def _stamp(path: Path) -> tuple[int, int] | None:
    """Size and time of a file; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def _write_cache(manifest: Manifest, side: int, base: Path, progress: Progress) -> None:
    lengths, claimed, bad = [0], [], {}
    with whole(base.with_suffix(".u8")) as temporary, temporary.open("wb") as out:
        for i in range(len(manifest)):
            try:
                frames, promised = clip_frames(manifest.path(i), side)
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


class Clips(torch.utils.data.Dataset[tuple[Tensor, int, str]]):
    """A split as (frames uint8 (T,3,side,side), label, ""); a bad clip is (an empty tensor, -1, what is wrong with
    which file), never another clip.

    jitter is for training: a random frame of each segment, drawn from (seed, epoch, index), else its centre. A clip
    that ends before its header says is sampled once more in training; elsewhere it counts as unreadable.
    """

    def __init__(
        self,
        manifest: Manifest,
        frames: int,
        side: int,
        *,
        cache: FrameCache | None = None,
        jitter: bool = False,
        seed: int = 0,
    ) -> None:
        self.manifest, self.frames, self.side, self.cache = manifest, frames, side, cache
        self.jitter, self.seed, self.epoch = jitter, seed, 0

    def __len__(self) -> int:
        return len(self.manifest)

    def __getitem__(self, index: int) -> tuple[Tensor, int, str]:
        try:
            return self.read(index), int(self.manifest.labels[index]), ""
        except VideoError as error:
            return torch.empty(0, dtype=torch.uint8), -1, str(error)

    def indices(self, total: int, index: int) -> list[int]:
        """Which frames of a clip of `total` frames."""
        if not self.jitter:
            return uniform_indices(total, self.frames)
        return jittered_indices(total, self.frames, np.random.default_rng([self.seed, self.epoch, index]))

    def read(self, index: int) -> Tensor:
        """The sampled frames of one clip (T,3,side,side) uint8. Raises VideoError, VideoEnded where it ends early."""
        try:
            return self._frames(index, None)
        except VideoEnded as early:
            if not self.jitter or early.frames < 1:
                raise
            return self._frames(index, early.frames)

    def _frames(self, index: int, total: int | None) -> Tensor:
        """The clip sampled as if it had `total` frames; None: as many as its header claims."""
        path = self.manifest.path(index)
        if self.cache is not None:
            return self._cached(path, index, total)
        with VideoReader(path) as video:
            wanted = self.indices(total or video.header_frames or video.count(), index)
            return resize_crop(np.stack(list(video.read(wanted))), frame_side=self.side)

    def _cached(self, path: Path, index: int, total: int | None) -> Tensor:
        assert self.cache is not None
        if index in self.cache.bad:
            raise VideoError(path, self.cache.bad[index])
        frames = self.cache.clip(index)
        wanted = self.indices(total or int(self.cache.claimed[index]), index)
        if wanted[-1] >= len(frames):
            raise VideoEnded(path, len(frames))
        return torch.from_numpy(frames[wanted]).permute(0, 3, 1, 2)


def open_clips(
    manifest: Manifest, config: ModelConfig, cache: Path | None, progress: Progress = lambda done, total: None
) -> Clips:
    """A split as a model wants it, sampled at segments' centres; `cache`: folder of a decoded copy, or None."""
    held = None if cache is None else build_cache(manifest, config.frame_side, cache, progress)
    return Clips(manifest, config.frames, config.frame_side, cache=held)
