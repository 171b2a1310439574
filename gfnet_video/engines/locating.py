"""The policy on the two maps that a glance leaves, as a graph: the last map is never enlarged to the finer one.

Letters: B videos, c channels of h x w cells (stride 8), C channels of h' x w' cells (the last map), N numbers of both.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gfnet_video.nn.policy import Policy

Shape = tuple[int, int, int]  # channels, rows, columns


def flat(fine: Tensor, last: Tensor) -> Tensor:
    """Both maps (B,c,h,w) and (B,C,h',w') in one row (B,N)."""
    return torch.cat([fine.flatten(1), last.flatten(1)], 1)


class LocateGraph(nn.Module):
    """The policy on one frame's maps."""

    def __init__(self, policy: Policy, fine: Shape, last: Shape) -> None:
        super().__init__()
        self.policy, self.squeezed = policy, Squeezed(policy.squeeze, fine, last)

    def forward(self, *given: Tensor) -> tuple[Tensor, Tensor]:
        """maps (B,N), the policy's state (B,hidden,h,w) -> centres (B,2) in [0, 1] and the new state."""
        maps, state = given
        centres, state = self.policy.read(self.squeezed(maps)[:, None], state)
        return centres[:, 0].clamp(0, 1), state


class Squeezed(nn.Module):
    """`Policy.squeeze` of `join_maps`, from the maps before they are joined.

    What a 1x1 convolution makes of a repeated cell is that cell's, repeated; and in the norm's sums a cell counts as
    often as it would be repeated. Repeating 1280 channels took a third of a MobileNetV2's glance.
    """

    def __init__(self, squeeze: nn.Sequential, fine: Shape, last: Shape) -> None:
        super().__init__()
        norm, conv, self.act = cast(nn.GroupNorm, squeeze[0]), cast(nn.Conv2d, squeeze[1]), squeeze[2]
        self.fine, self.last, self.eps = fine, last, norm.eps
        weights, repeats = conv.weight.flatten(1), _repeats(fine, last)
        shares = torch.cat([torch.ones(_size(fine)), repeats.sum(1).repeat(last[0])])
        self.register_buffer("shares", shares / shares.sum())  # (N,)
        self.register_buffer("repeats", repeats)
        self.register_buffer("near", (weights * norm.weight)[:, : fine[0]])
        self.register_buffer("deep", (weights * norm.weight)[:, fine[0] :])
        self.register_buffer("bias", (weights @ norm.bias + cast(Tensor, conv.bias))[:, None])

    def forward(self, maps: Tensor) -> Tensor:
        """(B,N) -> (B,hidden,h,w)."""
        shares, repeats, near, deep, bias = self.buffers()
        maps = maps - (maps * shares).sum(1, keepdim=True)
        spread = ((maps * maps * shares).sum(1, keepdim=True) + self.eps).sqrt()
        fine, last = maps.split([_size(self.fine), _size(self.last)], 1)
        x = near @ fine.unflatten(1, (self.fine[0], -1))  # (B,hidden,hw)
        x = x + deep @ last.unflatten(1, (self.last[0], -1)) @ repeats
        squeezed: Tensor = self.act(x / spread[..., None] + bias).unflatten(2, self.fine[1:])
        return squeezed


def _size(shape: Shape) -> int:
    return shape[0] * shape[1] * shape[2]


def _repeats(fine: Shape, last: Shape) -> Tensor:
    """(h'w',hw): 1 where a cell of the last map is the nearest to one of the finer map, as `join_maps` has it."""
    cells = torch.arange(last[1] * last[2], dtype=torch.float32).view(1, 1, *last[1:])
    nearest = F.interpolate(cells, size=fine[1:], mode="nearest").flatten().long()
    return F.one_hot(nearest, last[1] * last[2]).T.float()
