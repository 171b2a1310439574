"""Several clips together on graphs: their states as one, whole glances, and where their patches lie."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gfnet_video.engines.graph_walk import Arrays, Walk
from gfnet_video.engines.places import fixed_centres


def glanced(walk: Walk, clips: np.ndarray) -> tuple[Arrays, np.ndarray, np.ndarray | None]:
    """Of clips (B,T,3,S,S): the state that the focus needs, the logits (B,K), and the maps (B,T,C,h,w) or None."""
    state, logits, maps = walk.glanced(clips)
    needed = walk.looks["focus"].takes.keys() | walk.looks["aggregate"].takes.keys()
    return {name: value for name, value in state.items() if name in needed}, logits, maps


def centres_of(walk: Walk, maps: np.ndarray | None, clips: int) -> np.ndarray:
    """Where the patches of so many clips lie (clips,F,2), from their maps (clips,T,C,h,w) unless they are fixed."""
    if (centres := fixed_centres(walk.config)) is None:
        assert maps is not None
        centres = walk.planned(maps)
        centres = walk.located({}, maps, range(maps.shape[1]))[0] if centres is None else centres
    return np.broadcast_to(centres, (clips, *centres.shape[1:]))


def together(memories: Sequence[Arrays | None]) -> Arrays:
    """States of one clip each as the rows of one; None is a fresh clip's, all zeros."""
    held = Arrays()
    for memory in memories:  # a clip that was only glanced at has less to remember than one that was focused on
        held |= memory or {}
    return {name: np.concatenate([(m or {}).get(name, np.zeros_like(v)) for m in memories]) for name, v in held.items()}


def apart(state: Arrays, clips: int) -> list[Arrays]:
    """The state of each clip by itself: `together` undone."""
    return [{name: value[i : i + 1] for name, value in state.items()} for i in range(clips)]
