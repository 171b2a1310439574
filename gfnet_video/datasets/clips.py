"""Clips as tensors: sampled, decoded, scaled and, in training, augmented; from files or from a cache of frames."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gfnet_video.config import ModelConfig
from gfnet_video.config.words import SAMPLERS
from gfnet_video.datasets.clip_file import frames_of, has_span, open_source, part
from gfnet_video.datasets.frame_cache import FrameCache, Progress, build_cache
from gfnet_video.datasets.manifest import Manifest
from gfnet_video.datasets.truth import true_places
from gfnet_video.errors import ConfigError, DataError, VideoError, unknown
from gfnet_video.video.augment import Draw, Recipe, augmented, draw
from gfnet_video.video.reader import VideoEnded
from gfnet_video.video.samplers import clips_of_indices, sampled
from gfnet_video.video.transforms import resize_crop

__all__ = ["Clips", "FrameCache", "View", "build_cache", "open_clips"]


@dataclass(frozen=True)
class View:
    """One way of looking at a clip when measuring. clip: 0 takes the segments' centres, 1 their starts; place: of the
    square, down and right, from 0 to 1."""

    clip: int = 0
    place: tuple[float, float] = (0.5, 0.5)


class Clips(torch.utils.data.Dataset[tuple[Tensor, int, str]]):
    """A split as (frames uint8 (T,3,side,side), label, ""); a bad clip is (an empty tensor, -1, what is wrong with
    which file), never another clip.

    jitter is for training: frames drawn by the sampler's dice, from (seed, epoch, index), else its fixed choice. A clip
    that ends before its header says is sampled once more in training; elsewhere it counts as unreadable. recipe, for
    training too: what may happen to a clip, drawn from the same three; a mirrored clip has its mirror's label.
    focus_frames: so many others of the clip for the focus, sampled as the first are and set behind them; short_side: as
    `resize_crop` takes it; view: another look than the centre, when measuring; shrink: as VideoReader takes it. truth:
    where the object is in every frame of each clip, (N,frames,2) as parts of square frames: then every clip must have
    so many frames.
    Raises ConfigError for an unknown sampler, for crops and views of a cache, which keeps centre squares only, and of
    clips with truth, whose places would move, and for shrinking what is cached.
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
        sampler: str = "uniform",
        recipe: Recipe | None = None,
        focus_frames: int = 0,
        short_side: int = 0,
        view: View | None = None,
        truth: np.ndarray | None = None,
        shrink: int = 0,
    ) -> None:
        if truth is not None and (view or View()).place != View().place:
            raise ConfigError("a view is off the centre, but patches of an oracle are places in the centre square")
        if truth is not None and recipe not in (None, Recipe()):
            raise ConfigError(
                "clips are cropped, flipped or changed at random, but an oracle's places would not follow"
            )
        if sampler not in SAMPLERS:
            raise ConfigError(unknown("sampler", sampler, SAMPLERS))
        if cache is not None and view not in (None, View(0), View(1)):
            raise ConfigError("a view is off the centre, but the cache keeps centre squares: measure without it")
        if cache is not None and recipe is not None and recipe.crops != "none":
            raise ConfigError(f"crops are {recipe.crops}, but the cache keeps centre squares: set train.cache to false")
        if cache is not None and shrink:
            raise ConfigError(f"frames are to be shrunk to {shrink}, but the cache keeps those that were not")
        self.manifest, self.frames, self.side, self.cache = manifest, frames, side, cache
        self.jitter, self.seed, self.epoch = jitter, seed, 0
        self.sampler, self.recipe = sampler, recipe
        self.focus_frames, self.short_side, self.view = focus_frames, short_side, view or View()
        self.truth = truth
        self.shrink = shrink

    def __len__(self) -> int:
        return len(self.manifest)

    def __getitem__(self, index: int) -> tuple[Tensor, int, str]:
        try:
            return self.read(index), self.label(index), ""
        except VideoError as error:
            return torch.empty(0, dtype=torch.uint8), -1, str(error)

    def label(self, index: int) -> int:
        """The class of what `read` returns."""
        label, how = int(self.manifest.labels[index]), self.draw(index)
        return self.recipe.mirror[label] if self.recipe and how and how.flip else label

    def draw(self, index: int) -> Draw | None:
        """What the dice do to a clip in this epoch; None without a recipe."""
        if self.recipe is None:
            return None
        rng = np.random.default_rng([self.seed, self.epoch, index, 1])  # not the sampler's dice
        return draw(self.recipe, int(self.manifest.labels[index]), rng)

    def indices(self, total: int, index: int) -> list[int]:
        """Which frames of a clip of `total` frames: first the glance's, then the focus' own."""
        if self.truth is not None and total != self.truth.shape[1]:
            reason = f"has {total} frames, but its truth {self.truth.shape[1]}"
            raise VideoError(self.manifest.path(index), reason)
        rng = np.random.default_rng([self.seed, self.epoch, index]) if self.jitter else None
        counts = [count for count in (self.frames, self.focus_frames) if count]
        if self.view.clip and self.sampler == "uniform":
            return [i for count in counts for i in clips_of_indices(total, count)[self.view.clip]]
        return [i for count in counts for i in sampled(self.sampler, total, count, rng)]

    def true_places(self, index: int) -> Tensor:
        """Where the object is in each frame that `read` returns: (T,2), (y, x) as parts of the working frame.

        Raises DataError for clips without truth.
        """
        if self.truth is None:
            raise DataError(
                f"{self.manifest.split}: these clips came without the truth that patches of an oracle follow"
            )
        places = torch.from_numpy(self.truth[index][self.indices(self.truth.shape[1], index)])
        cut = self.short_side / self.side if self.short_side else 1.0  # the working frame is the middle of it
        return (places - 0.5) * cut + 0.5

    def read(self, index: int) -> Tensor:
        """The sampled frames of one clip (T,3,side,side) uint8. Raises VideoError, VideoEnded where it ends early."""
        try:
            frames = self._frames(index, None)
        except VideoEnded as early:
            if not self.jitter or early.frames < 1:
                raise
            frames = self._frames(index, early.frames)
        how, side = self.draw(index), self.side
        short = 0 if self.cache is not None else self.short_side  # cached frames are cut already
        if how is None:
            return resize_crop(frames, frame_side=side, short_side=short, place=self.view.place)
        return augmented(frames, how, frame_side=side, short_side=short)

    def _frames(self, index: int, total: int | None) -> np.ndarray:
        """Frames (T,H,W,3) of the clip sampled as if its file had `total`; None: as many as are said to be there."""
        if self.cache is not None:
            return self._cached(self.cache, index, total)
        with open_source(self.manifest, index, self.shrink) as source:
            first, count = part(self.manifest, index, source, total or frames_of(self.manifest, index, source))
            wanted = np.array(self.indices(count, index)) + first
            order = wanted.argsort(kind="stable")  # a file is read forwards
            frames = list(source.read(wanted[order].tolist()))
            if sizes := {f.shape[:2] for f in frames} - {frames[0].shape[:2]}:
                (h, w), (other_h, other_w) = frames[0].shape[:2], sizes.pop()
                raise VideoError(source.path, f"its frames change from {w}x{h} to {other_w}x{other_h}")
            return np.stack(frames)[order.argsort()]

    def _cached(self, cache: FrameCache, index: int, total: int | None) -> np.ndarray:
        path = self.manifest.path(index)
        if index in cache.bad:
            raise VideoError(path, cache.bad[index])
        frames = cache.clip(index)
        wanted = self.indices(total or self._counted(index) or int(cache.claimed[index]), index)
        if max(wanted) >= len(frames):
            raise VideoEnded(path, len(frames))
        return frames[wanted]

    def _counted(self, index: int) -> int:
        """Frames of a clip that is a whole file, as the manifest counted them; 0: not counted."""
        return 0 if has_span(self.manifest, index) else int(self.manifest.frames[index])


def open_clips(
    manifest: Manifest,
    config: ModelConfig,
    cache: Path | None,
    progress: Progress = lambda done, total: None,
    *,
    view: View | None = None,
    shrink: int = 0,
) -> Clips:
    """A split as a model wants it, sampled at segments' centres; `cache`: folder of a decoded copy, or None; view,
    shrink: as Clips takes them."""
    held = None if cache is None else build_cache(manifest, config.frame_side, cache, progress, config.short_side)
    return Clips(
        manifest,
        config.frames,
        config.frame_side,
        cache=held,
        sampler=config.sampler,
        focus_frames=config.focus_frames,
        short_side=config.short_side,
        view=view,
        truth=true_places(manifest) if config.where == "oracle" else None,
        shrink=shrink,
    )
