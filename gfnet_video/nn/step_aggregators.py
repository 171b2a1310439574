"""The classifiers of GFNet's image checkpoints (arXiv 2010.05300): one look, one step, one set of logits.

Both are told what a look saw and what its own classifier says of it, beside each other: (B,k,D+K).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gfnet_video.nn.gru_aggregator import Recurrence


class GRUSteps(nn.Module):
    """A GRU over the pooled features of the looks, and a linear classifier that reads its state.

    own_first: at the first step, what the glance's own classifier says stands for the video (GFNet on RegNet).
    """

    def __init__(self, width: int, classes: int, *, own_first: bool, hidden: int) -> None:
        super().__init__()
        self.width, self.own_first = width, own_first
        self.cell = nn.GRUCell(width, hidden)
        self.classifier = nn.Linear(hidden, classes)

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
        """glance or focus (B,k,D+K) -> the new state and the logits after each look (B,k,K)."""
        told = _one_kind(glance, focus)
        hidden, states = evidence.hidden, []
        for look in told[..., : self.width].unbind(1):
            hidden = self.cell(look, hidden)
            states.append(hidden)
        own = self.own_first and glance is not None
        logits = told[..., self.width :] if own else self.classifier(torch.stack(states, 1))
        focused = evidence.focused if focus is None else evidence.focused + focus.shape[1]
        return Recurrence(hidden, focused, evidence.last if centres is None else centres[:, -1]), logits


@dataclass(frozen=True)
class Seen:
    """Pooled features of the looks so far (B,S,D), zeros where none was taken yet, and how many were (B,)."""

    pooled: Tensor
    count: Tensor


class Cascade(nn.Module):
    """The n-th step's own linear classifier on the features of all n looks; at the first, the look's own says it."""

    def __init__(self, width: int, classes: int, steps: int) -> None:
        super().__init__()
        self.width, self.steps = width, steps
        self.classifiers = nn.ModuleList(nn.Linear(n * width, classes) for n in range(2, steps + 1))

    def start(self, like: Tensor) -> Seen:
        """No look yet."""
        return Seen(like.new_zeros(len(like), self.steps, self.width), like.new_zeros(len(like)))

    def forward(
        self,
        evidence: Seen,
        *,
        glance: Tensor | None = None,
        focus: Tensor | None = None,
        centres: Tensor | None = None,
    ) -> tuple[Seen, Tensor]:
        """glance or focus (B,k,D+K) -> the looks so far and the logits after each (B,k,K)."""
        pooled, count, logits = evidence.pooled, evidence.count, []
        place = torch.arange(self.steps, device=count.device)
        for look in _one_kind(glance, focus).unbind(1):
            pooled = torch.where((place == count[:, None])[..., None], look[:, None, : self.width], pooled)
            count = count + 1
            logits.append(self._said(pooled, count, look[:, self.width :]))
        return Seen(pooled, count), torch.stack(logits, 1)

    def _said(self, pooled: Tensor, count: Tensor, own: Tensor) -> Tensor:
        """Logits (B,K) of videos that may be at different steps."""
        out = own.clone()
        for n, classifier in enumerate(self.classifiers, 2):
            rows = count == n
            if bool(rows.any()):
                out[rows] = classifier(pooled[rows, :n].flatten(1))
        return out


def _one_kind(glance: Tensor | None, focus: Tensor | None) -> Tensor:
    """An image's looks come one after the other: the glance, or a focus look."""
    told = glance if focus is None else focus
    assert told is not None and (glance is None or focus is None)
    return told
