"""How the networks run in a training step, where that is not their plain forward: precision, compiled, dropout.

A module's forward is replaced for as long as a step takes; its parameters and their names stay as they are, and what
is measured or saved never sees it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gfnet_video.config import TrainConfig
from gfnet_video.model import GFNet
from gfnet_video.nn.backbone import Backbone, Buffers
from gfnet_video.nn.clip_backbone import ClipBackbone
from gfnet_video.training.dice import Share

Forwards = Mapping[nn.Module, Callable[..., Any]]
Seen = tuple[Tensor, Tensor, Tensor, Buffers]


def fast_forwards(model: GFNet, how: TrainConfig) -> Forwards:
    """The backbones' forwards under `how.precision` and `how.compile`; empty where both are plain."""
    if how.precision == "float32" and not how.compile:
        return {}
    looks = [look for look in (model.glance_net, model.focus_net) if look is not None]
    return {look.backbone: _fast(look.backbone, how) for look in looks}


def _fast(backbone: Backbone | ClipBackbone, how: TrainConfig) -> Callable[..., Seen]:
    inner: Callable[..., Seen] = torch.compile(backbone.forward) if how.compile else backbone.forward
    if how.precision == "float32":
        return inner

    def forward(frames: Tensor, buffers: Buffers | None = None, branches: int = 1) -> Seen:
        """Heads, policy and evidence stay in float32: they cost little, and sums of logits want its digits."""
        with torch.autocast(frames.device.type, torch.bfloat16):
            fine, last, pooled, new = inner(frames, buffers, branches)
        return fine.float(), last.float(), pooled.float(), tuple(b.float() for b in new)

    return forward


def shared_dropouts(model: nn.Module, share: Share) -> Forwards:
    """Dropout drawn for the whole batch, of which this process keeps its rows; empty where it has the whole batch."""
    if share.count == share.whole:
        return {}
    return {m: _dropout(m, share) for m in model.modules() if isinstance(m, nn.Dropout) and m.p}


def _dropout(module: nn.Dropout, share: Share) -> Callable[[Tensor], Tensor]:
    def forward(x: Tensor) -> Tensor:
        """x (M*b,...), the b clips of this process once for each of M tracks."""
        if not module.training:
            return x
        drawn = F.dropout(x.new_ones(len(x) // share.count, share.whole, *x.shape[1:]), module.p)
        return x * share.rows(drawn, 1).flatten(0, 1)

    return forward


@contextmanager
def replaced(forwards: Forwards) -> Iterator[None]:
    """Within, these modules run those functions as their forward."""
    for module, forward in forwards.items():
        setattr(module, "forward", forward)  # noqa: B010  (mypy takes a method for constant)
    try:
        yield
    finally:
        for module in forwards:
            delattr(module, "forward")
