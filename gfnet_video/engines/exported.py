"""An exported model as an engine: its graphs behind the protocol of Engine, in numpy, with no torch."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterable, Mapping, Sequence

import numpy as np

from gfnet_video.config import ModelConfig
from gfnet_video.engines.engine import About, Turn
from gfnet_video.engines.graph_walk import Arrays, Walk, checked
from gfnet_video.engines.places import each_its_own, fixed_centres
from gfnet_video.engines.sessions import Session
from gfnet_video.engines.timing import Seconds
from gfnet_video.engines.whole_graphs import apart, centres_of, glanced, together
from gfnet_video.engines.window_graphs import Memory, looked, said
from gfnet_video.video.pixels import cut_frame

HEAVY = ("glance", "focus")  # the networks; the other graphs take one look at a time and are small


def graphs_needed(config: ModelConfig) -> tuple[str, ...]:
    """The graphs that a model of this config is made of."""
    if config.focus is None:
        return "glance", "gather"
    before = "gather" if config.glances_first else "combine"  # what makes evidence of a glance
    return "glance", "focus", *(["locate"] if config.where == "policy" else []), before, "aggregate"


class Exported:
    """Graphs behind the protocol of Engine; `looks` holds a session for each that the config needs."""

    def __init__(self, about: About, looks: Mapping[str, Session], name: str) -> None:
        self.about, self.looks, self.name = about, looks, name

    def cut(self, pixels: np.ndarray) -> np.ndarray:
        """As Engine says."""
        config = self.about.config
        return cut_frame(pixels, frame_side=config.frame_side, short_side=config.short_side)

    def walk(
        self,
        frames: Iterable[np.ndarray],
        *,
        glance_frames: Iterable[np.ndarray] | None = None,
        chunk: int = 1,
        centres: np.ndarray | None = None,
        seconds: Seconds | None = None,
    ) -> Generator[Turn, None, None]:
        """As Engine says."""
        config = self.about.config
        chunk = chunk if config.temporal == "causal" else sys.maxsize
        walk = self._walk(seconds, chunk)
        forced = fixed_centres(config) if centres is None else centres.astype(np.float32, copy=False)
        if config.glances_first:
            yield from walk.glance_first(frames, glance_frames, forced)
        else:
            yield from walk.interleaved(frames, forced)

    def slide(
        self, frame: np.ndarray, memory: Memory | None = None, *, seconds: Seconds | None = None
    ) -> tuple[Memory, Turn]:
        """As Engine says."""
        walk = self._walk(seconds)
        memory = looked(walk, checked(frame, self.about.config.frame_side)[:, None], memory or Memory())
        logits, centres = said(walk, memory), memory.kept[-1].centres
        index = len(memory.kept) * self.about.config.looks_per_frame - 1
        return memory, Turn(index, logits, None if centres is None else centres[:, -1])

    def look(
        self,
        frames: np.ndarray,
        memories: Sequence[Arrays | None],
        *,
        centres: np.ndarray | None = None,
        seconds: Seconds | None = None,
    ) -> tuple[list[Arrays], np.ndarray, np.ndarray | None]:
        """As Engine says."""
        walk, config = self._walk(seconds), self.about.config
        group, where = checked(frames, config.frame_side)[:, None], None
        if config.glances_first:
            assert centres is not None
            state, logits = walk.focused(together(memories), group, [0], centres[:, None].astype(np.float32), None)
            return apart(state, len(group)), logits[0], centres
        seen, state = walk.run("glance", together(memories), pixels=group)
        if config.focus is None:
            state, logits = walk.gathered(state, seen["told"])
        else:
            forced = fixed_centres(config, 0, 1) if centres is None else centres[:, None].astype(np.float32, copy=False)
            at, state = walk.centres(state, forced, 0, [0], seen.get("map"))
            state, logits = walk.focused(state, group, [0], at, seen["told"])
            where = each_its_own(at[:, 0], len(group))
        return apart(state, len(group)), logits[0], where

    def glances(
        self, clips: np.ndarray, *, seconds: Seconds | None = None
    ) -> tuple[list[Arrays], np.ndarray, np.ndarray | None]:
        """As Engine says."""
        checked(clips[:, 0], self.about.config.frame_side)
        state, logits, maps = glanced(self._walk(seconds), clips)
        return apart(state, len(clips)), logits, maps

    def plan(self, maps: np.ndarray | None, clips: int, *, seconds: Seconds | None = None) -> np.ndarray:
        """As Engine says."""
        return centres_of(self._walk(seconds), maps, clips)

    def _walk(self, seconds: Seconds | None, chunk: int = 1) -> Walk:
        return Walk(self.looks, self.about.config, chunk, seconds)
