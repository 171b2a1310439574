"""What a graph does to pixels before its network sees them: another side, and normalised."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from gfnet_video.config import ModelConfig
from gfnet_video.nn.resizing import bands_of, by_bands


class Prepared(nn.Module):
    """uint8 pixels (B,k,3,H,W) to normalised floats of another side, as `normalise` and then `resized` make them.

    The rows of the resize's matrices sum to 1, so the few pixels that are left can be normalised instead of all.
    """

    def __init__(self, config: ModelConfig, side: int, to: int) -> None:
        super().__init__()
        std = torch.tensor(config.std)[:, None, None]
        self.register_buffer("scale", 1 / (255 * std))
        self.register_buffer("offset", -torch.tensor(config.mean)[:, None, None] / std)
        bands = () if side == to else bands_of(side, to)
        self.spans = [old for old, _ in bands]
        for i, (_, weights) in enumerate(bands):
            self.register_buffer(f"band_{i}", weights)

    def forward(self, pixels: Tensor) -> Tensor:
        """(B,k,3,side,side) uint8 -> (B*k,3,to,to)."""
        x = pixels.flatten(0, 1)
        if self.spans:
            x = by_bands(x, tuple((old, getattr(self, f"band_{i}")) for i, old in enumerate(self.spans)))
        return x.float() * cast(Tensor, self.scale) + cast(Tensor, self.offset)
