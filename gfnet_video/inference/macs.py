"""Multiply-adds of each look, counted on the model itself by torch's own counter."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from gfnet_video.model import GFNet


@dataclass(frozen=True)
class LookMacs:
    """GMACs that one frame costs in each look."""

    glance: float
    locate: float
    focus: float
    aggregate: float

    def of(self, glances: int, focuses: int) -> float:
        """GMACs of a video that took so many glances and so many focus looks."""
        return glances * self.glance + focuses * (self.locate + self.focus) + max(glances, focuses) * self.aggregate


@torch.inference_mode()
def count_macs(model: GFNet) -> LookMacs:
    """Run one frame of zeros and count; torch's counter knows convolutions and matrix products (2 FLOPs a MAC)."""
    side = model.config.frame_side
    device = next(model.parameters()).device
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 1, 3, side, side, device=device))
    counts = counter.get_flop_counts()

    def gmacs(part: str) -> float:
        return float(sum(counts.get(f"{type(model).__name__}.{part}", {}).values())) / 2e9

    return LookMacs(gmacs("glance_net"), gmacs("policy"), gmacs("focus_net"), gmacs("aggregator"))
