"""The flow of `GFNet.walk` on graphs: the same looks in the same order, in numpy, with no torch.

Letters: B videos, k frames of a group, n looks at it, S frame side, P patch side, F focus looks of a clip, K classes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import repeat
from time import perf_counter

import numpy as np

from gfnet_video.config import ModelConfig
from gfnet_video.engines.engine import Turn
from gfnet_video.engines.places import beside, cropped, each_its_own
from gfnet_video.engines.sessions import Session
from gfnet_video.engines.timing import Seconds, counted
from gfnet_video.errors import ConfigError
from gfnet_video.nn.groups import in_groups

Arrays = dict[str, np.ndarray]
PARTS = {"gather": "aggregate", "combine": "aggregate"}  # whose time a graph's is, where it is not its own


class Walk:
    """One clip's way through the graphs. Its state, named arrays, is passed in and out; what it lacks is zeros."""

    def __init__(self, looks: Mapping[str, Session], config: ModelConfig, chunk: int, seconds: Seconds | None) -> None:
        self.looks, self.config, self.chunk = looks, config, chunk
        self.seconds = counted(seconds)

    def interleaved(self, frames: Iterable[np.ndarray], forced: np.ndarray | None) -> Iterator[Turn]:
        state, index = Arrays(), 0
        for group in _groups(frames, self.chunk, self.config):
            seen, state = self.run("glance", state, pixels=group)
            told: np.ndarray | None = seen["told"]
            if self.config.focus is None:
                state, logits = self.gathered(state, seen["told"])
                yield from self.turns(logits, None, index)
                index += len(logits)
                continue
            for which in self.rounds(group.shape[1]):
                centres, state = self.centres(state, forced, index, which, seen.get("map"))
                state, logits = self.focused(state, group, which, centres, told)
                yield from self.turns(logits, centres, index)
                index, told = index + len(which), None  # at a second round the glance is evidence already

    def glance_first(
        self, frames: Iterable[np.ndarray], glance_frames: Iterable[np.ndarray] | None, forced: np.ndarray | None
    ) -> Iterator[Turn]:
        whole = next(_groups(frames if glance_frames is None else glance_frames, sys.maxsize, self.config), None)
        if whole is None:
            return
        state, first, maps = self.glanced(whole)
        yield Turn(0, first, None)
        forced = self.planned(maps) if forced is None else forced
        groups = _split(whole, self.chunk) if glance_frames is None else _groups(frames, self.chunk, self.config)
        seen, index = repeat(None) if maps is None or forced is not None else _split(maps, self.chunk), 1
        for group, own in zip(groups, seen, strict=False):
            for which in self.rounds(group.shape[1]):
                centres, state = self.centres(state, forced, index - 1, which, own)
                state, logits = self.focused(state, group, which, centres, None)
                yield from self.turns(logits, centres, index)
                index += len(which)

    def glanced(self, clips: np.ndarray) -> tuple[Arrays, np.ndarray, np.ndarray | None]:
        """Glance at all frames of clips (B,T,3,S,S) at once, for no exit comes before the last of them: the state, the
        logits (B,K), and the maps (B,T,C,h,w) or None."""
        seen, state = self.run("glance", {}, pixels=clips)
        state, logits = self.gathered(state, seen["told"])
        return state, logits[-1], seen.get("map")

    def rounds(self, k: int) -> list[list[int]]:
        """The frames of a group of k that each round of focus looks is at; at chunk 1 a frame's looks are rounds."""
        times = self.config.looks_per_frame
        return [[0]] * times if self.chunk == 1 else [[frame for frame in range(k) for _ in range(times)]]

    def planned(self, maps: np.ndarray | None) -> np.ndarray | None:
        """Centres of a clip that the policy reads whole before the first look: (B,F,2), or (B,1,2) where shared."""
        shared = self.config.patch == "shared"
        if not shared and self.config.policy_sees == "past":
            return None
        assert maps is not None
        frames = np.repeat(np.arange(maps.shape[1]), self.config.looks_per_frame)
        if shared:
            return self.located({}, maps, frames)[0][:, -1:]
        return self.located({}, maps, frames[::-1])[0][:, ::-1]

    def centres(
        self, state: Arrays, forced: np.ndarray | None, first: int, which: list[int], maps: np.ndarray | None
    ) -> tuple[np.ndarray, Arrays]:
        """Centres (B or 1,n,2) of looks number `first` and on, at the frames `which` of a group."""
        if forced is None:
            assert maps is not None
            return self.located(state, maps, which)
        if self.config.patch == "shared":
            return forced[:, [-1] * len(which)], state
        return forced[:, first : first + len(which)], state

    def located(self, state: Arrays, maps: np.ndarray, which: Iterable[int]) -> tuple[np.ndarray, Arrays]:
        """The policy's centres (B,n,2) from maps (B,k,C,h,w), read in the order of `which`."""
        centres = []
        for frame in which:
            found, state = self.run("locate", state, map=maps[:, frame])
            centres.append(found["centre"])
        return beside(centres), state

    def focused(
        self, state: Arrays, group: np.ndarray, which: list[int], centres: np.ndarray, told: np.ndarray | None
    ) -> tuple[Arrays, list[np.ndarray]]:
        """Focus on patches of a group; told: of its glances, where they are still to become evidence."""
        assert self.config.focus is not None
        patches = cropped(group, which, centres, self.config.focus.side)
        aimed, state = self.run("focus", state, pixels=patches)
        logits = []
        for i, (frame, before) in enumerate(zip(which, [-1, *which], strict=False)):
            seen = told[:, frame] if told is not None and frame != before else None
            centre = each_its_own(centres[:, i], len(group))
            found, state = self.weighed(state, seen, told=aimed["told"][:, i], centre=centre)
            logits.append(found["logits"])
        return state, logits

    def weighed(self, state: Arrays, seen: np.ndarray | None, **look: np.ndarray) -> tuple[Arrays, Arrays]:
        """Make evidence of a focus look; seen: what the glance before it told, where that is no evidence yet."""
        if seen is None:
            return self.run("aggregate", state, **look)
        return self.run("combine", state, seen=seen, **look)

    def gathered(self, state: Arrays, told: np.ndarray) -> tuple[Arrays, list[np.ndarray]]:
        """Make evidence of glances; the video-level logits after each."""
        logits = []
        for frame in range(told.shape[1]):
            found, state = self.run("gather", state, told=told[:, frame])
            logits.append(found["logits"])
        return state, logits

    def turns(self, logits: list[np.ndarray], centres: np.ndarray | None, first: int) -> Iterator[Turn]:
        """The steps of a round; under both-way shift a pass is one."""
        one = self.config.temporal == "both"
        for i in range(len(logits) - 1 if one else 0, len(logits)):
            centre = None if centres is None else each_its_own(centres[:, i], len(logits[i]))
            yield Turn(first if one else first + i, logits[i], centre)

    def run(self, name: str, state: Arrays, **given: np.ndarray) -> tuple[Arrays, Arrays]:
        """Run one graph: what it returns, and the state with what it renews."""
        began, look = perf_counter(), self.looks[name]
        videos = len(next(iter(given.values())))
        held = state | given
        feeds = {n: held[n] if n in held else np.zeros((videos, *shape), look.state) for n, shape in look.takes.items()}
        found = look(feeds)
        renewed = {n[4:]: value for n, value in found.items() if n.startswith("new_")}
        self.seconds[PARTS.get(name, name)] += perf_counter() - began
        return found, state | renewed


def _split(frames: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Of frames (B,T,...) so many at a time."""
    return (frames[:, i : i + size] for i in range(0, frames.shape[1], size))


def _groups(frames: Iterable[np.ndarray], size: int, config: ModelConfig) -> Iterator[np.ndarray]:
    """Frames (B,3,S,S) in groups (B,k,3,S,S). Raises ConfigError for others."""
    return (beside(group) for group in in_groups((checked(f, config.frame_side) for f in frames), size))


def checked(frame: np.ndarray, side: int) -> np.ndarray:
    """A frame (B,3,S,S) uint8 as it is. Raises ConfigError for another."""
    if frame.ndim != 4 or frame.shape[1:] != (3, side, side) or frame.dtype != np.uint8:
        raise ConfigError(f"a frame is {frame.shape} {frame.dtype}; expected (B, 3, {side}, {side}) uint8")
    return frame
