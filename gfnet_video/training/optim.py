"""Optimiser, learning rate and what takes gradients."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn

from gfnet_video.config import StageConfig
from gfnet_video.model import GFNet

PARTS = {"glance": "glance_net", "focus": "focus_net", "policy": "policy", "aggregator": "aggregator"}


def open_parts(model: GFNet, stage: StageConfig) -> None:
    """Put the stage's parts in training mode with gradients; all others are frozen, their statistics too."""
    model.eval().requires_grad_(False)
    model.zero_grad()  # gradients left by the stage before would count in the norm that is clipped
    for part in stage.train:
        module: nn.Module | None = getattr(model, PARTS[part])
        if module is not None:
            module.train().requires_grad_(True)


def make_optimiser(model: GFNet, stage: StageConfig, weight_decay: float) -> torch.optim.AdamW:
    """AdamW over what the stage trains; biases and batch norms (one-dimensional tensors) take no weight decay."""
    free = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in free if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in free if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=stage.lr)


def learning_rate(done: int, total: int, *, peak: float, warmup: float) -> float:
    """Linear warm-up over the first part of the stage, then half a cosine to zero.

    >>> [round(learning_rate(i, 10, peak=1.0, warmup=0.2), 3) for i in (0, 1, 2, 6, 10)]
    [0.5, 1.0, 1.0, 0.5, 0.0]
    """
    rise = max(1, round(warmup * total))
    if done < rise:
        return peak * (done + 1) / rise
    return peak * 0.5 * (1 + math.cos(math.pi * (done - rise) / max(1, total - rise)))


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Give every group the same learning rate."""
    for group in optimiser.param_groups:
        group["lr"] = rate


def clip(parameters: Iterable[nn.Parameter], limit: float) -> float:
    """Clip the gradient's norm to `limit`; returns the norm before."""
    return float(nn.utils.clip_grad_norm_([p for p in parameters if p.grad is not None], limit))
