"""What a model remembers between frames, as one record that is passed in and out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from gfnet_video.nn.aggregator import Evidence
from gfnet_video.nn.backbone import Buffers
from gfnet_video.nn.gru_aggregator import Recurrence
from gfnet_video.nn.step_aggregators import Seen


@dataclass(frozen=True)
class State:
    """All a model remembers of the videos in a batch; None stands for the start, where all of it is zeros.

    map (B,1,C,h,w): the glance's of the last frame, kept only where that is focused on again; in image mode the latest
    look's.
    """

    glance: Buffers | None = None
    policy: Tensor | None = None
    focus: Buffers | None = None
    evidence: Evidence | Recurrence | Seen | None = None
    map: Tensor | None = None

    def select(self, rows: Tensor) -> State:
        """The state of the batch rows named in `rows` (N,), in that order; -1 is a fresh video's row (all zeros)."""

        fresh, rows = (rows < 0).nonzero().squeeze(1), rows.clamp(min=0)

        def pick(value: Tensor) -> Tensor:
            return value[rows].index_fill_(0, fresh, 0)

        held = (getattr(self, f.name) for f in fields(State))
        return State(*(None if x is None else _rebuilt(x, tuple(map(pick, _tensors(x)))) for x in held))

    def apart(self) -> list[State]:
        """The state of each video by itself: batches of one."""
        held = [getattr(self, f.name) for f in fields(State)]
        rows = (slice(i, i + 1) for i in range(_rows(self)))
        return [
            State(*(None if x is None else _rebuilt(x, tuple(t[row] for t in _tensors(x))) for x in held))
            for row in rows
        ]

    def joined(self, other: State) -> State:
        """These rows and behind them those of another batch; what only one of the two holds is zeros in the other."""
        if not (rows := _rows(self)):
            return other
        pairs = ((getattr(self, f.name), getattr(other, f.name)) for f in fields(State))
        return State(*(_joined(a, b, rows, _rows(other)) for a, b in pairs))


def together(states: Sequence[State | None]) -> State:
    """States of one video each as the rows of one; None is a fresh video's row (all zeros)."""
    return State(*(_stacked([s and getattr(s, f.name) for s in states]) for f in fields(State)))


def _stacked(parts: list[Any]) -> Any:
    held = next((part for part in parts if part is not None), None)
    if held is None:
        return None
    zeros = [torch.zeros_like(tensor) for tensor in _tensors(held)]
    rows = zip(*(zeros if part is None else _tensors(part) for part in parts), strict=True)
    return _rebuilt(held, tuple(torch.cat(row) for row in rows))


def _joined(above: Any, below: Any, rows: int, more: int) -> Any:
    held = above if above is not None else below
    if held is None:
        return None
    upper = _tensors(above) if above is not None else [x.new_zeros(rows, *x.shape[1:]) for x in _tensors(below)]
    lower = _tensors(below) if below is not None else [x.new_zeros(more, *x.shape[1:]) for x in _tensors(above)]
    return _rebuilt(held, tuple(torch.cat(pair) for pair in zip(upper, lower, strict=True)))


def _rows(state: State) -> int:
    held = (x for f in fields(State) if (x := getattr(state, f.name)) is not None)
    return next((len(tensor) for x in held for tensor in _tensors(x)), 0)


def _tensors(value: Any) -> Sequence[Tensor]:
    """The tensors of a part of the state, each with a row for a video."""
    if isinstance(value, Tensor):
        return (value,)
    return value if isinstance(value, tuple) else [getattr(value, f.name) for f in fields(value)]


def _rebuilt(value: Any, tensors: tuple[Tensor, ...]) -> Any:
    """A part of the state of the same kind as `value`, of other tensors."""
    if isinstance(value, Tensor):
        return tensors[0]
    return tensors if isinstance(value, tuple) else type(value)(*tensors)
