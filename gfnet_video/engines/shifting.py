"""Temporal shift in a graph, where all videos' first frames come first, then the second ones, and nothing is written in
place, which graphs render badly.

Letters: B videos, k frames, C channels, `fold` of them moved one frame on, and under both-way shift as many one back.
"""

from __future__ import annotations

import copy

import torch
from timm.models.resnet import Bottleneck
from torch import Tensor, nn

from gfnet_video.nn.shift import run_shifted


class ShiftedBlock(nn.Module):
    """A block of a network in evaluation mode, its branch fed with shifted maps.

    Where its first convolution narrows (ResNet's bottlenecks), what moves is convolved by itself and added behind it:
    joining it to what stays would copy the map at its widest.
    """

    def __init__(self, block: nn.Module, shift: str, shift_div: int) -> None:
        super().__init__()
        self.block, self.shift, self.shift_div = block, shift, shift_div
        first = block.conv1 if isinstance(block, Bottleneck) else None
        self.narrows = first is not None and first.out_channels < first.in_channels
        if first is not None and self.narrows:
            moving = first.in_channels // shift_div * (2 if shift == "both" else 1)
            self.block = copy.deepcopy(block)
            self.block.conv1 = nn.Identity()
            self.staying, self.moving = _parted(first, moving)

    def forward(self, x: Tensor, last: Tensor | None, videos: int) -> tuple[Tensor, Tensor | None]:
        """x (k*B,C,H,W), of a causal shift the moving channels (B,fold,H,W) of the frames before -> the block's output
        and those of the last frames."""
        fold = x.shape[1] // self.shift_div
        parts = [fold if last is not None else 2 * fold, x.shape[1]]
        if self.narrows:
            moved, last = _moved(x[:, : parts[0]], last, videos)
            return run_shifted(self.block, x, self.staying(x) + self.moving(moved)), last
        moving, staying = x.split([parts[0], parts[1] - parts[0]], 1)
        moved, last = _moved(moving, last, videos)
        return run_shifted(self.block, x, torch.cat([moved, staying], 1)), last


def _moved(moving: Tensor, last: Tensor | None, videos: int) -> tuple[Tensor, Tensor | None]:
    """What `causal_shift`, or `both_shift` where there is no `last`, makes of the channels that move, and what to pass
    next time."""
    if last is not None:
        before, last = torch.cat([last, moving]).split([moving.shape[0], last.shape[0]])
        return before, last
    back, on = moving.chunk(2, 1)
    ends, rest = back.new_zeros(videos, *back.shape[1:]), back.shape[0] - videos
    # `narrow` names the length: what a slice with free ends makes of it grows with each block, and tracing with that.
    after, before = torch.cat([back.narrow(0, videos, rest), ends]), torch.cat([ends, on.narrow(0, 0, rest)])
    return torch.cat([after, before], 1), None


def _parted(conv: nn.Conv2d, moving: int) -> tuple[nn.Conv2d, nn.Conv2d]:
    """A convolution without its first channels, which are zeros in it so that its input needs no cutting, and one of
    them alone; the two add up to it."""
    rest, alone = copy.deepcopy(conv), copy.deepcopy(conv)
    rest.weight.data[:, :moving] = 0
    alone.weight, alone.bias, alone.in_channels = nn.Parameter(conv.weight[:, :moving], False), None, moving
    return rest, alone
