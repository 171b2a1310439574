"""Where to look: a recurrent policy over the glance's maps, one centre per frame."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gfnet_video.nn.patches import place_to_centre


class Policy(nn.Module):
    """A convolutional GRU over time whose output is a heat map; the centre is where its mass lies.

    The expected place under the heat map keeps the policy equivariant to where things are, so that what is learned in
    one corner holds in all others. The hidden map is its only state, and it is passed in and out.

    channels: of the joined glance map; hidden: of the recurrent map; room: (frame_side - patch_side) / frame_side,
    which turns a place in the frame into a centre. backwards: it reads from the last frame to the first, all at once.
    """

    def __init__(self, channels: int, *, hidden: int, room: float, backwards: bool = False) -> None:
        super().__init__()
        self.hidden, self.room, self.backwards = hidden, room, backwards
        self.squeeze = nn.Sequential(nn.GroupNorm(1, channels), nn.Conv2d(channels, hidden, 1), nn.ReLU())
        self.gates = nn.Conv2d(2 * hidden, 2 * hidden, 3, padding=1)
        self.candidate = nn.Conv2d(2 * hidden, hidden, 3, padding=1)
        self.heat = nn.Conv2d(2 * hidden, 1, 1)
        nn.init.normal_(self.heat.weight, std=0.01)
        nn.init.zeros_(self.heat.bias)  # type: ignore[arg-type]

    def forward(self, maps: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """maps: (B,T,C,h,w); state: (B,hidden,h,w) or None at the start.

        Returns centres (B,T,2), beyond [0, 1] where the heat lies nearer to an edge than half a patch, and the state.
        """
        return self.read(self.squeezed(maps), state)

    def squeezed(self, maps: Tensor) -> Tensor:
        """maps (B,T,C,h,w) -> (B,T,hidden,h,w): what `read` reads of them."""
        x: Tensor = self.squeeze(maps.flatten(0, 1)).unflatten(0, maps.shape[:2])
        return x

    def read(self, x: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """What `squeezed` leaves of the maps, (B,T,hidden,h,w), in the place of them; as `forward`."""
        h = torch.zeros_like(x[:, 0]) if state is None else state
        heats = []
        for one in self.in_turn(x.unbind(1)):
            h = self._step(one, h)
            heats.append(self.heat(torch.cat([one, h], 1)))
        return self._centres(torch.stack(list(self.in_turn(heats)), 1)), h

    def in_turn(self, frames: Sequence[Tensor]) -> Sequence[Tensor]:
        """What belongs to each frame, in the order in which the frames are read; twice gives the order back."""
        return frames[::-1] if self.backwards else frames

    def _step(self, x: Tensor, h: Tensor) -> Tensor:
        update, reset = self.gates(torch.cat([x, h], 1)).sigmoid().chunk(2, 1)
        new = self.candidate(torch.cat([x, reset * h], 1)).tanh()
        hidden: Tensor = h + update * (new - h)
        return hidden

    def _centres(self, heat: Tensor) -> Tensor:
        return place_to_centre(expected_place(heat), room=self.room)


def expected_place(heat: Tensor) -> Tensor:
    """Where the mass under the softmax of heat (B,T,1,h,w) lies: (B,T,2), (y, x) as parts of the frame."""
    b, t, _, rows, cols = heat.shape
    mass = heat.flatten(2).softmax(-1).view(b, t, rows, cols)
    y = (mass.sum(3) * _cell_centres(rows, mass)).sum(-1)
    x = (mass.sum(2) * _cell_centres(cols, mass)).sum(-1)
    return torch.stack([y, x], -1)


def _cell_centres(count: int, like: Tensor) -> Tensor:
    return (torch.arange(count, device=like.device, dtype=like.dtype) + 0.5) / count
