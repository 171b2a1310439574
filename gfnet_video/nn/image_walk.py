"""Image mode (GFNet, arXiv 2010.05300): one frame, glanced at and then focused on again and again.

Letters: B images, K classes, F focus looks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from torch import Tensor

from gfnet_video.nn.state import State
from gfnet_video.records import Features


class Looker(Protocol):
    """What a walk asks of a model."""

    def glance(self, frames: Tensor, state: Any = None) -> tuple[Features, Any]: ...

    def aggregate(self, evidence: Any, *, glance: Features | None = None) -> tuple[Any, Tensor]: ...

    def again(
        self, frames: Tensor, state: State, centres: Tensor | None = None
    ) -> tuple[State, Tensor, Tensor | None]: ...


def first_look(model: Looker, images: Tensor) -> tuple[State, Tensor]:
    """The glance at images (B,1,3,H,W): the state, whose map the policy reads next, and logits (B,1,K)."""
    seen, _ = model.glance(images)
    evidence, logits = model.aggregate(None, glance=seen)
    return State(evidence=evidence, map=seen.map), logits


def image_steps(
    model: Looker, images: Tensor, looks: int, centres: Tensor | None
) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Logits (B,K) after each step and its centre (B,2), none after the glance; centres (B,F,2) force the patches.

    Each look is computed when it is asked for.
    """
    state, logits = first_look(model, images)
    yield logits[:, -1], None
    for i in range(looks):
        forced = None if centres is None else centres[:, i : i + 1]
        state, logits, where = model.again(images, state, forced)
        yield logits[:, -1], None if where is None else where[:, -1]
