"""Video-level evidence as a recurrent state over the looks: the classifier of GFNet's images (arXiv 2010.05300)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gfnet_video.nn.aggregator import Classifier, motion


@dataclass(frozen=True)
class Recurrence:
    """The state so far: `hidden` (B,W), how many focus looks there were (B,), the `last` centre (B,2)."""

    hidden: Tensor
    focused: Tensor
    last: Tensor

    @classmethod
    def start(cls, width: int, like: Tensor) -> Recurrence:
        """No look yet: zeros for as many videos as `like` has."""
        return cls(like.new_zeros(len(like), width), like.new_zeros(len(like)), like.new_zeros(len(like), 2))


class GRUAggregator(nn.Module):
    """One turn of a GRU for each look, in the order they are taken, and a linear classifier that reads its state.

    Glances and focus looks, whose features differ in width, are projected to one width W each in its own way; a focus
    look's also tell where the patch was and how it moved (y, x, dy, dx), for a patch that follows an object hides its
    motion. Order counts: the same looks taken glance first and interleaved end in other logits.
    focus_width: 0 for a model without focus.
    """

    def __init__(
        self, glance_width: int, focus_width: int, classes: int, factors: tuple[int, ...] = (), *, hidden: int
    ) -> None:
        super().__init__()
        self.glance = nn.Linear(glance_width, hidden)
        self.focus = nn.Linear(focus_width + 4, hidden) if focus_width else None
        self.cell = nn.GRUCell(hidden, hidden)
        self.classifier = Classifier(hidden, classes, factors)

    def start(self, like: Tensor) -> Recurrence:
        """No look yet: zeros for as many videos as `like` has."""
        return Recurrence.start(self.cell.hidden_size, like)

    def forward(
        self,
        evidence: Recurrence,
        *,
        glance: Tensor | None = None,
        focus: Tensor | None = None,
        centres: Tensor | None = None,
    ) -> tuple[Recurrence, Tensor]:
        """glance, focus: pooled features (B,k,D) of k frames, either or both; centres (B,k,2) go with focus.

        Both: each frame's glance comes before its focus looks, one or several side by side. Returns the new state and
        the video-level logits after each focus look, or without any after each glance, (B,k,K).
        """
        seen: list[Tensor] = [] if glance is None else list(self.glance(glance).relu().unbind(1))
        aimed: list[Tensor] = []
        last, focused = evidence.last, evidence.focused
        if focus is not None:
            assert centres is not None and self.focus is not None
            aimed = list(self.focus(torch.cat([focus, motion(centres, evidence)], -1)).relu().unbind(1))
            last, focused = centres[:, -1], focused + focus.shape[1]
        hidden, states = evidence.hidden, []
        for look, counts in _in_turn(seen, aimed):
            hidden = self.cell(look, hidden)
            states += [hidden] if counts else []
        return Recurrence(hidden, focused, last), self.classifier(torch.stack(states, 1))


def _in_turn(seen: list[Tensor], aimed: list[Tensor]) -> Iterator[tuple[Tensor, bool]]:
    """Looks in the order they are taken, and whether logits are due after each: after glances only where alone."""
    times = len(aimed) // len(seen) if seen else 0
    for i, look in enumerate(aimed or seen):
        if aimed and seen and i % times == 0:
            yield seen[i // times], False
        yield look, True
