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
    if not stage.backbone_scale:
        for look in (model.glance_net, model.focus_net):
            if look is not None:
                look.backbone.eval().requires_grad_(False)


def make_optimiser(
    model: GFNet, stage: StageConfig, weight_decay: float, critic: nn.Module | None = None
) -> torch.optim.Optimizer:
    """The optimiser of what the stage trains; biases and batch norms (one-dimensional tensors) take no weight decay.

    critic: what learns beside the model and is no part of it.
    Each group holds under `scale` its learning rate relative to the stage's.
    """
    sgd = stage.optimiser == "sgd"
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in (*model.named_parameters(), *(critic.named_parameters("critic") if critic else ())):
        scale = _scale(stage, name)
        if not parameter.requires_grad or not scale:
            continue
        flat = parameter.ndim <= 1
        scale *= 2.0 if sgd and name.endswith(".bias") else 1.0
        groups.setdefault((scale, 0.0 if flat else weight_decay), []).append(parameter)
    rows = [
        {"params": held, "weight_decay": decay, "lr": scale * stage.lr, "scale": scale}
        for (scale, decay), held in sorted(groups.items(), key=lambda group: -group[0][1])
    ]
    if sgd:
        return torch.optim.SGD(rows, lr=stage.lr, momentum=0.9)
    return torch.optim.AdamW(rows, lr=stage.lr)


def _scale(stage: StageConfig, name: str) -> float:
    if ".backbone." in name:
        return stage.backbone_scale
    return stage.policy_scale if name.startswith("policy.") else 1.0


def learning_rate(done: int, total: int, *, peak: float, warmup: float, schedule: str = "cosine") -> float:
    """Linear warm-up over the first part of the stage, then half a cosine to zero, or two steps to a tenth each.

    >>> [round(learning_rate(i, 10, peak=1.0, warmup=0.2), 3) for i in (0, 1, 2, 6, 10)]
    [0.5, 1.0, 1.0, 0.5, 0.0]
    >>> [round(learning_rate(i, 10, peak=1.0, warmup=0.0, schedule="steps"), 3) for i in (0, 3, 4, 7, 8)]
    [1.0, 1.0, 0.1, 0.1, 0.01]
    """
    rise = max(1, round(warmup * total)) if warmup else 0
    if done < rise:
        return peak * (done + 1) / rise
    if schedule == "steps":
        return peak * 0.1 ** sum(done >= share * total for share in (0.4, 0.8))
    return peak * 0.5 * (1 + math.cos(math.pi * (done - rise) / max(1, total - rise)))


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Give every group the learning rate, times its own scale."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group["scale"]


def clip(parameters: Iterable[nn.Parameter], limit: float) -> float:
    """Clip the gradient's norm to `limit`; returns the norm before."""
    return float(nn.utils.clip_grad_norm_([p for p in parameters if p.grad is not None], limit))
