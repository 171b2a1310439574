"""Where patches come from when nothing was learned: the controls that a policy has to beat, and the truth above it.

Each stands in a policy's place: maps and state in, centres and state out. None has weights or costs multiply-adds.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from gfnet_video.errors import ConfigError
from gfnet_video.nn.draws import drawn_centres
from gfnet_video.nn.patches import place_to_centre
from gfnet_video.nn.policy import expected_place


def random_centres(clip: str, looks: Iterable[int]) -> Tensor:
    """`drawn_centres` (n,2) as a tensor."""
    return torch.from_numpy(drawn_centres(clip, looks))


class Middle(nn.Module):
    """The middle of every frame."""

    def forward(self, maps: Tensor, state: Tensor | None) -> tuple[Tensor, None]:
        """maps (B,k,C,h,w); returns centres (B,k,2)."""
        return maps.new_full((*maps.shape[:2], 2), 0.5), None


class Peak(nn.Module):
    """Where the map of one channel peaks: the expected place under its softmax.

    A map has few cells, and its plain maximum jumps from one to the next. The expected place moves smoothly, and
    patches there were named right more often.
    room: as `place_to_centre` takes it.
    """

    def __init__(self, *, room: float) -> None:
        super().__init__()
        self.room = room

    def forward(self, maps: Tensor, state: Tensor | None) -> tuple[Tensor, None]:
        """maps (B,k,1,h,w); returns centres (B,k,2), which `GFNet.locate` keeps in [0, 1]."""
        return place_to_centre(expected_place(maps), room=self.room), None


class Drawn(nn.Module):
    """Random places for clips without a name: the same for each, drawn from how many looks came before (the state)."""

    def forward(self, maps: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """maps (B,k,C,h,w), state (B,) or None at the start; returns centres (B,k,2) and the new state."""
        before = maps.new_zeros(len(maps)) if state is None else state
        rows = [random_centres("", range(int(n), int(n) + maps.shape[1])) for n in before.tolist()]
        return torch.stack(rows).to(maps), before + maps.shape[1]


class Oracle(nn.Module):
    """The data's own truth, which no map tells: the centres must be forced."""

    def forward(self, maps: Tensor, state: Tensor | None) -> tuple[Tensor, None]:
        """Raises ConfigError."""
        raise ConfigError(
            "model.where is oracle: its patches follow the data's own truth, which is known only to train and eval on "
            "data that has one (mini); take a model whose model.where is policy, centre or random"
        )


CONTROLS: dict[str, type[nn.Module]] = {"centre": Middle, "random": Drawn, "oracle": Oracle}
