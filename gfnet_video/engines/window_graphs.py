"""`engines.window` on graphs: a stream's state carried on, evidence of the last T frames, in numpy."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from gfnet_video.engines.graph_walk import Walk
from gfnet_video.engines.places import cropped, fixed_centres


@dataclass(frozen=True)
class Kept:
    """What the aggregator takes of one frame: what its glance (B,1,D) and its L focus looks (B,L,D) told, and their
    centres (B,L,2)."""

    glance: np.ndarray
    focus: np.ndarray | None = None
    centres: np.ndarray | None = None


@dataclass(frozen=True)
class Memory:
    """A stream's: state but for evidence, what is kept of the last T frames, how many frames there have been."""

    state: dict[str, np.ndarray] = field(default_factory=dict)
    kept: tuple[Kept, ...] = ()
    frames: int = 0


def looked(walk: Walk, group: np.ndarray, memory: Memory) -> Memory:
    """The looks at one more frame (B,1,3,S,S)."""
    config = walk.config
    seen, state = walk.run("glance", memory.state, pixels=group)
    kept, times = Kept(seen["told"]), config.looks_per_frame
    if config.focus is not None:
        which, forced = [0] * times, fixed_centres(config, memory.frames * times, times)
        centres, state = walk.centres(state, forced, 0, which, seen.get("map"))
        centres = np.broadcast_to(centres, (len(group), times, 2))
        aimed, state = walk.run("focus", state, pixels=cropped(group, which, centres, config.focus.side))
        kept = Kept(seen["told"], aimed["told"], centres)
    return Memory(state, (*memory.kept, kept)[-config.frames :], memory.frames + 1)


def said(walk: Walk, memory: Memory) -> np.ndarray:
    """The logits (B,K) after all kept looks, from no evidence."""
    evidence, found = dict[str, np.ndarray](), dict[str, np.ndarray]()
    for kept in memory.kept:
        if kept.focus is None or kept.centres is None:
            found, evidence = walk.run("gather", evidence, told=kept.glance[:, 0])
            continue
        for i in range(kept.focus.shape[1]):
            seen = None if i else kept.glance[:, 0]
            found, evidence = walk.weighed(evidence, seen, told=kept.focus[:, i], centre=kept.centres[:, i])
    return found["logits"]
