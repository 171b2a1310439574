"""The steps of a clip one by one, for whoever may stop: each look is computed when its step is asked for.

Letters as in model.py: B videos, k frames of a group, C channels, H W pixels, K classes, F focus looks of a clip.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import Any, Protocol

import torch
from torch import Tensor

from gfnet_video.config import ModelConfig
from gfnet_video.nn.groups import in_groups
from gfnet_video.nn.image_walk import image_steps
from gfnet_video.nn.state import State
from gfnet_video.records import Features, Step

Turn = tuple[State, Tensor, Tensor | None]


class Walker(Protocol):
    """What a walk asks of a GFNet."""

    @property
    def config(self) -> ModelConfig: ...

    def check(self, frames: Tensor) -> None: ...

    def glance(self, frames: Tensor, state: Any = None) -> tuple[Features, Any]: ...

    def locate(self, maps: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor | None]: ...

    def focus(self, frames: Tensor, centres: Tensor, state: Any = None) -> tuple[Features, Any]: ...

    def aggregate(
        self,
        evidence: Any,
        *,
        glance: Features | None = None,
        focus: Features | None = None,
        centres: Tensor | None = None,
    ) -> tuple[Any, Tensor]: ...

    def step(
        self, frames: Tensor, state: State, centres: Tensor | None = None, *, looks: int | None = None
    ) -> Turn: ...

    def again(self, frames: Tensor, state: State, centres: Tensor | None = None) -> Turn: ...

    def repeated(self, frames: Tensor) -> Tensor: ...

    def spread(self, centres: Tensor, frames: int) -> Tensor: ...


def steps_of(
    model: Walker,
    frames: Iterable[Tensor],
    *,
    glance_frames: Iterable[Tensor] | None,
    chunk: int,
    forced: Tensor | None,
) -> Iterator[Step]:
    """As `GFNet.walk`, in the model's order of looks."""
    config = model.config
    chunk = chunk if config.temporal == "causal" else sys.maxsize
    if config.image:
        yield from _images(model, frames, forced)
    elif config.glances_first:
        yield from _glance_first(model, frames, glance_frames, chunk, forced)
    else:
        yield from _interleaved(model, frames, chunk, forced)


def _images(model: Walker, frames: Iterable[Tensor], forced: Tensor | None) -> Iterator[Step]:
    for image in _chunks(frames, 1):
        model.check(image)
        for index, (logits, where) in enumerate(image_steps(model, image, model.config.looks, forced)):
            yield Step(index, logits, where)


def _interleaved(model: Walker, frames: Iterable[Tensor], chunk: int, forced: Tensor | None) -> Iterator[Step]:
    state, index, each = State(), 0, model.config.looks_per_frame
    for group in _chunks(frames, chunk):
        model.check(group)
        for i in range(each if chunk == 1 else 1):
            looks = 1 if chunk == 1 else each
            centres = None if forced is None else forced[:, index : index + looks * group.shape[1]]
            turn = model.again(group, state, centres) if i else model.step(group, state, centres, looks=looks)
            state, logits, where = turn
            yield from _as_steps(model.config, logits, where, index)
            index += logits.shape[1]


def _glance_first(
    model: Walker, frames: Iterable[Tensor], glance_frames: Iterable[Tensor] | None, chunk: int, forced: Tensor | None
) -> Iterator[Step]:
    whole = next(_chunks(frames if glance_frames is None else glance_frames, sys.maxsize), None)
    if whole is None:
        return
    model.check(whole)
    seen, _ = model.glance(whole)  # at once: no exit comes before the last of them
    evidence, logits = model.aggregate(None, glance=seen)
    yield Step(0, logits[:, -1], None)
    focus, index, maps = None, 1, seen.map.split(chunk, 1)
    groups = iter(whole.split(chunk, 1)) if glance_frames is None else _chunks(frames, chunk)
    rounds = _centres(model, list(_rounds(model, maps, chunk)), forced)
    for group, centres in zip(_rounds(model, groups, chunk), rounds, strict=False):
        model.check(group)
        centres = model.spread(centres, group.shape[1])
        patch, focus = model.focus(group, centres, focus)
        evidence, logits = model.aggregate(evidence, focus=patch, centres=centres)
        yield from _as_steps(model.config, logits, centres, index)
        index += group.shape[1]


def _rounds(model: Walker, groups: Iterable[Tensor], chunk: int) -> Iterator[Tensor]:
    """What each round of focus looks is at: at chunk 1 a frame again and again, else all looks of a group."""
    for group in groups:
        yield from repeat(group, model.config.looks_per_frame) if chunk == 1 else (model.repeated(group),)


def _centres(model: Walker, maps: list[Tensor], forced: Tensor | None) -> Iterator[Tensor]:
    """Centres for one round of looks after the other; where shared, the last of all maps again and again."""
    if model.config.patch == "shared":
        yield from repeat(model.locate(torch.cat(maps, 1))[0] if forced is None else forced)
    if forced is not None:
        yield from forced.split([m.shape[1] for m in maps], 1)
        return
    if model.config.policy_sees == "clip":
        yield from model.locate(torch.cat(maps, 1))[0].split([m.shape[1] for m in maps], 1)
        return
    policy = None
    for seen_map in maps:
        centres, policy = model.locate(seen_map, policy)
        yield centres


def _as_steps(config: ModelConfig, logits: Tensor, centres: Tensor | None, first: int) -> Iterator[Step]:
    one = config.temporal == "both"  # a pass is one step, after its last frame
    for i in range(logits.shape[1] - 1 if one else 0, logits.shape[1]):
        yield Step(first if one else first + i, logits[:, i], None if centres is None else centres[:, i])


def _chunks(frames: Iterable[Tensor], size: int) -> Iterator[Tensor]:
    return (torch.stack(group, 1) for group in in_groups(frames, size))
