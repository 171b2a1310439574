"""What a graph does to pixels before its network sees them: another side, and normalised."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gfnet_video.config import ModelConfig

BAND = 16  # new cells computed at once: fewer are many operations, more are many weights of zero


class Prepared(nn.Module):
    """uint8 pixels (B,k,3,H,W) to normalised floats of another side, as `normalise` and then `resized` make them.

    The antialiased resize of a fixed side to a fixed side is a matrix on either axis, the same in every engine. Being
    zero but near its diagonal, it goes band by band, and down first: whole lines are cut out while they are bytes. Its
    rows sum to 1, so the few pixels that are left can be normalised instead of all.
    """

    def __init__(self, config: ModelConfig, side: int, to: int) -> None:
        super().__init__()
        std = torch.tensor(config.std)[:, None, None]
        self.register_buffer("scale", 1 / (255 * std))
        self.register_buffer("offset", -torch.tensor(config.mean)[:, None, None] / std)
        self.bands = [] if side == to else list(_bands(side, to))
        for i, (_, weights) in enumerate(self.bands):
            self.register_buffer(f"down_{i}", weights)
            self.register_buffer(f"across_{i}", weights.T.contiguous())

    def forward(self, pixels: Tensor) -> Tensor:
        """(B,k,3,side,side) uint8 -> (B*k,3,to,to)."""
        x = pixels.flatten(0, 1)
        if self.bands:
            x = torch.cat([self._band("down", i) @ x[..., old, :].float() for i, (old, _) in enumerate(self.bands)], -2)
            x = torch.cat([x[..., old] @ self._band("across", i) for i, (old, _) in enumerate(self.bands)], -1)
        return x.float() * cast(Tensor, self.scale) + cast(Tensor, self.offset)

    def _band(self, way: str, number: int) -> Tensor:
        return cast(Tensor, getattr(self, f"{way}_{number}"))


def _bands(side: int, to: int) -> Iterator[tuple[slice, Tensor]]:
    """Which old cells some new ones come from, and with which weights (new,old).

    At least two: openvino 2026.4 fails to fuse a lone matrix product with the multiplication after it.
    """
    whole = torch.eye(side)[None, None]
    smaller = F.interpolate(whole, size=(to, side), mode="bilinear", antialias=True, align_corners=False)
    for rows in smaller[0, 0].chunk(max(2, -(-to // BAND))):  # (new,side)
        used = rows.abs().sum(0).nonzero()
        old = slice(int(used[0]), int(used[-1]) + 1)
        yield old, rows[:, old].clone()
