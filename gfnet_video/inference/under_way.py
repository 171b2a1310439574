"""Clips under way: which frame of each comes next, and looks that are taken at several of them together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from gfnet_video.config import ModelConfig
from gfnet_video.engines.engine import About, Engine, Turn, fires
from gfnet_video.engines.timing import Seconds
from gfnet_video.errors import ConfigError, DataError
from gfnet_video.nn.exit_rule import ExitRule


class UnderWay:
    """A clip of `count` frames, and what is known of it so far.

    frame: its next one (3,S,S), which the networks have not looked at; None where it is still to come. forced: the
    centres (1,F,2) of its patches, where the model does not say them or has said them all. done: it is sure, or has no
    frame left.
    """

    def __init__(self, config: ModelConfig, rule: ExitRule, count: int, forced: np.ndarray | None = None) -> None:
        self.rule, self.count, self.forced = rule, count, forced
        self.before = int(config.glances_first)  # steps before the first patch
        self.frame: np.ndarray | None = None
        self.clip, self.turns, self.memory, self.done = list[np.ndarray](), list[Turn](), None, False

    @property
    def new(self) -> bool:
        """Whether the whole clip is to be glanced at before the first patch."""
        return bool(self.before) and not self.turns

    def take(self, frame: np.ndarray) -> None:
        """A frame that is looked at next; where the whole clip is glanced at first, not before all of it is there."""
        if self.before:
            self.clip.append(frame)
        if not self.new or len(self.clip) == self.count:
            self.frame = frame

    def forced_centre(self) -> np.ndarray | None:
        """Where the next patch lies (2,), where the model does not say it."""
        return None if self.forced is None else self.forced[0, len(self.turns) - self.before]

    def looked(self, memory: Any, logits: np.ndarray, centre: np.ndarray | None) -> None:
        """The networks have seen the frame: logits (1,K), centre (1,2)."""
        turn = Turn(len(self.turns), logits, centre)
        self.turns.append(turn)
        self.frame, self.memory = None, memory
        self.done = bool(fires(self.rule, turn)[0]) or len(self.turns) == self.count + self.before
        if self.before and not self.done:
            self.frame = self.clip[len(self.turns) - 1]


class Pulled(UnderWay):
    """A clip whose frames (3,S,S) are pulled when their turn comes."""

    def __init__(
        self,
        config: ModelConfig,
        rule: ExitRule,
        count: int,
        forced: np.ndarray | None = None,
        *,
        frames: Iterator[np.ndarray],
    ) -> None:
        super().__init__(config, rule, count, forced)
        self.frames = frames

    def pull(self) -> None:
        """Get ready for the next look."""
        while self.frame is None:
            frame = next(self.frames, None)
            if frame is None:
                raise DataError(f"a clip of {self.count} frames ended before its {len(self.turns) + 1}. look had one")
            self.take(frame)


def from_memory(about: About, clips: Iterable[Sequence[np.ndarray] | np.ndarray]) -> Iterator[Pulled]:
    """Clips whose frames are there already, under the model's own thresholds."""
    return (Pulled(about.config, about.rule, len(one), frames=iter(one)) for one in clips)


def shares_looks(config: ModelConfig) -> bool:
    """Whether clips of a model that are differently far can share its looks: at one frame each, or at whole clips."""
    once = config.looks_per_frame == 1 and config.patch == "per_frame"
    glanced = config.glances_first and config.temporal == "causal" and once and not config.timeless
    return (config.frame_by_frame or glanced) and config.policy_norm != "batch"


def glance_together(engine: Engine, new: Sequence[UnderWay], seconds: Seconds | None = None) -> None:
    """Glance at whole clips together; patches are located only for those that are not sure already."""
    if not new:
        return
    memories, logits, maps = engine.glances(np.stack([np.stack(one.clip) for one in new]), seconds=seconds)
    for i, one in enumerate(new):
        one.looked(memories[i], logits[i : i + 1], None)
    lost = [i for i, one in enumerate(new) if not one.done and one.forced is None]
    if lost:
        plans = engine.plan(None if maps is None else maps[lost], len(lost), seconds=seconds)
        for i, plan in zip(lost, plans, strict=True):
            new[i].forced = plan[None]


def look_together(engine: Engine, ready: Sequence[UnderWay], seconds: Seconds | None = None) -> None:
    """One look at the next frame of each of these clips."""
    if not ready:
        return
    frames = np.stack([one.frame for one in ready if one.frame is not None])
    forced = [c for one in ready if (c := one.forced_centre()) is not None]
    given = np.stack(forced) if forced else None
    memories, logits, centres = engine.look(frames, [one.memory for one in ready], centres=given, seconds=seconds)
    for i, one in enumerate(ready):
        one.looked(memories[i], logits[i : i + 1], None if centres is None else centres[i : i + 1])


def in_seats(
    engine: Engine, clips: Iterable[Pulled], seats: int, seconds: Seconds | None = None
) -> Iterator[list[Pulled]]:
    """The exit loop on many clips, `seats` of them at a time: those that are done leave, and waiting ones sit down.

    Yields those that leave, step by step. `clips` is drawn from when a seat is free; where whole clips are glanced at
    first, when half of them are, for glances at a few clips are slow. What an exit saves is not computed, but that all
    patches of a clip that is glanced at first are located at once; a frame that no look needs is not pulled.
    Raises ConfigError for models whose clips cannot share looks (`shares_looks`), and for less than one seat.
    """
    if seats < 1 or not shares_looks(engine.about.config):
        raise ConfigError(f"{engine.about.model}: {seats} seats; it needs one or more, and looks that clips can share")
    waiting, seated = iter(clips), list[Pulled]()
    whole = engine.about.config.glances_first
    while True:
        if not whole or len(seated) <= seats // 2:
            seated += islice(waiting, seats - len(seated))
        if not seated:
            return
        for one in seated:
            one.pull()
        glance_together(engine, [one for one in seated if one.new], seconds)
        look_together(engine, [one for one in seated if one.frame is not None], seconds)
        yield [one for one in seated if one.done]
        seated = [one for one in seated if not one.done]
