"""What a model remembers between frames, as one record that is passed in and out."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from torch import Tensor

from gfnet_video.nn.aggregator import Evidence
from gfnet_video.nn.backbone import Buffers
from gfnet_video.nn.gru_aggregator import Recurrence


@dataclass(frozen=True)
class State:
    """All a model remembers of the videos in a batch; None stands for the start, where all of it is zeros.

    map (B,1,C,h,w): the glance's of the last frame, kept only where that is focused on again.
    """

    glance: Buffers | None = None
    policy: Tensor | None = None
    focus: Buffers | None = None
    evidence: Evidence | Recurrence | None = None
    map: Tensor | None = None

    def select(self, rows: Tensor) -> State:
        """The state of the batch rows named in `rows` (N,), in that order; -1 is a fresh video's row (all zeros)."""

        def pick(value: Tensor) -> Tensor:
            fresh = (rows < 0).view(-1, *[1] * (value.ndim - 1))
            return value[rows.clamp(min=0)].masked_fill(fresh, 0)

        def walk(value: Any) -> Any:
            if isinstance(value, Evidence | Recurrence):
                return type(value)(*(pick(getattr(value, f.name)) for f in fields(value)))
            if isinstance(value, tuple):
                return tuple(pick(v) for v in value)
            return None if value is None else pick(value)

        return State(*(walk(getattr(self, f.name)) for f in fields(State)))
