"""All steps of clips on an engine, no exit taken: what engines are compared by, and calibrated on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gfnet_video.config import ModelConfig
from gfnet_video.engines.engine import Engine, Turn
from gfnet_video.inference.reading import in_order
from gfnet_video.inference.runner import claimed_frames, forced_centres, indices_of, open_video

if TYPE_CHECKING:
    from gfnet_video.datasets.clips import Clips


@dataclass(frozen=True)
class Clip:
    """A clip as a model samples it: frames (1,3,S,S) uint8, the glance's own where it has them, forced centres."""

    path: str
    frames: list[np.ndarray]
    glance_frames: list[np.ndarray] | None
    centres: np.ndarray | None


@dataclass(frozen=True)
class Material:
    """Clips that are read one by one: `read` takes a number and raises VideoError. labels: each one's class, None where
    nobody told it."""

    labels: tuple[int | None, ...]
    read: Callable[[int], Clip]


def read_clip(engine: Engine, path: Path) -> Clip:
    """All frames that a file's looks see. Raises VideoError."""
    config = engine.about.config
    with open_video(path) as video:
        glance, focus = indices_of(config, claimed_frames(video))
        read = [[engine.cut(pixels)[None] for pixels in in_order(video, some)] for some in (glance, focus)]
    frames, own = (read[1], read[0]) if focus else (read[0], None)
    return Clip(str(path), frames, own, forced_centres(config, path))


def clip_of(clips: Clips, index: int, config: ModelConfig) -> Clip:
    """The same of a data set's clip. Raises VideoError."""
    name = clips.manifest.id(index)
    frames = list(clips.read(index).numpy()[:, None])  # (1,3,S,S) each, the glance's first
    own = frames[: config.frames] if config.focus_frames else None
    return Clip(name, frames[config.frames :] if own else frames, own, forced_centres(config, name))


def turns_of(engine: Engine, clips: list[Clip], centres: np.ndarray | None = None, *, chunk: int = 1) -> list[Turn]:
    """All steps of clips side by side. centres (B,F,2): in the place of the clips' own."""
    frames = [np.concatenate(row) for row in zip(*(c.frames for c in clips), strict=True)]
    glance, forced = None, centres
    if clips[0].glance_frames is not None:
        glance = [np.concatenate(row) for row in zip(*(c.glance_frames or [] for c in clips), strict=True)]
    if forced is None and clips[0].centres is not None:
        forced = np.concatenate([c.centres for c in clips if c.centres is not None])
    with closing(engine.walk(frames, glance_frames=glance, chunk=chunk, centres=forced)) as turns:
        return list(turns)
