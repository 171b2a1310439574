"""The exit loop on a batch: videos that are sure leave it, with their state's rows, and cost nothing from then on."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gfnet_video.errors import ConfigError
from gfnet_video.model import GFNet, State
from gfnet_video.nn.exit_rule import ExitRule


@dataclass(frozen=True)
class Exits:
    """Where each video stopped: `logits` (B,K) and `steps` (B,), 0-based; `looks` counts frames looked at in all."""

    logits: Tensor
    steps: Tensor
    looks: int


@torch.inference_mode()
def run_batch(model: GFNet, frames: Tensor, rule: ExitRule) -> Exits:
    """Run the exit loop on clips (B,T,3,H,W), frame by frame, compacting the batch after every step.

    Raises ConfigError for glance_first, whose steps are not frames.
    """
    if model.config.order != "interleaved":
        raise ConfigError(f"order is {model.config.order}; batches exit between frames only when interleaved")
    b, t = frames.shape[:2]
    logits = frames.new_zeros(b, model.config.classes)
    steps = torch.full((b,), t - 1)
    rows, state, looks = torch.arange(b), State(), 0
    for i in range(t):
        state, now, _ = model.step(frames[rows, i : i + 1], state)
        looks += len(rows)
        logits[rows] = now[:, -1]
        stay = ~rule.fires(now[:, -1], i)
        steps[rows[~stay]] = i
        if i == t - 1 or not bool(stay.any()):
            break
        if not bool(stay.all()):
            kept = stay.nonzero().squeeze(1)
            rows, state = rows[kept], state.select(kept)
    return Exits(logits, steps, looks)
