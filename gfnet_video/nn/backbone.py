"""A timm image network walked block by block, with temporal shift buffers passed in and out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gfnet_video.errors import CheckpointError, ConfigError, unknown
from gfnet_video.nn.folding import folded
from gfnet_video.nn.shift import both_shift, causal_shift, run_shifted, takes_shift

FAMILIES = re.compile(r"mobilenetv2_\d+d?|tf_efficientnet_lite\d|resnet(10t|14t|18|26|34|50|101|152)d?")
POOLS = ("mean", "max_mean")
SHIFTS = ("causal", "both", "none")
Buffers = tuple[Tensor, ...]


class Backbone(nn.Module):
    """MobileNetV2, EfficientNet-lite or ResNet by timm name, cut where its map reaches `stride`.

    stride: 8, 16 or 32 pixels per cell of the last map. pool: "mean" (TSM's), or "max_mean": spatial maximum beside
    the mean, which keeps small movers. shift: "causal": a part 1/`shift_div` of a shifted block's channels comes from
    the frame before; "both": as much from the frame after as well (offline, without buffers); "none": frames are read
    alone. frozen: the stem and so many stages keep their weights and statistics while training.

    Raises ConfigError for a name outside the three families, and for an unknown pool, shift or stride.
    """

    def __init__(
        self,
        name: str,
        *,
        stride: int = 32,
        pool: str = "mean",
        shift: str = "causal",
        shift_div: int = 8,
        frozen: int = 0,
    ) -> None:
        super().__init__()
        if pool not in POOLS:
            raise ConfigError(unknown("pool", pool, POOLS))
        if shift not in SHIFTS:
            raise ConfigError(unknown("shift", shift, SHIFTS))
        net = _create(name)
        self.stem, stages, self.tail = _parts(net, stride)
        self.stages = nn.ModuleList(stages)
        self.pool, self.shift, self.shift_div, self.frozen = pool, shift, shift_div, frozen
        self.fine = sum(1 for r in _reductions(net)[: len(stages)] if r <= 8)  # stages before the map passes stride 8
        with torch.no_grad():
            fine, last, pooled, _ = self.eval()(torch.zeros(1, 1, 3, 64, 64))
        self.map_channels = fine.shape[2] + last.shape[2]
        self.width = pooled.shape[-1]
        self.train()

    def forward(self, frames: Tensor, buffers: Buffers | None = None) -> tuple[Tensor, Tensor, Tensor, Buffers]:
        """frames: (B,T,3,H,W) normalised; buffers: one (B,c,h,w) per shifted block, None at the start of a video.

        Returns the stride-8 map (B,T,c,h,w), the last map (B,T,C,h',w'), pooled features (B,T,D) and the new buffers.
        """
        t = frames.shape[1]
        x = frames.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        old = iter(buffers) if buffers is not None else None
        new: list[Tensor] = []
        follow = torch.is_grad_enabled()
        stem, *stages = self._run_parts()
        with torch.set_grad_enabled(follow and (x.requires_grad or not self.frozen)):
            x = stem(x)
        fine = x
        for depth, stage in enumerate(stages):
            with torch.set_grad_enabled(follow and (x.requires_grad or depth >= self.frozen)):
                for block in stage:  # type: ignore[attr-defined]
                    x = self._block(block, x, t, old, new)
            fine = x if depth < self.fine else fine
        x = self.tail(x)
        maps = [m.unflatten(0, (-1, t)) for m in (fine, x)]
        return maps[0], maps[1], self._pooled(x).unflatten(0, (-1, t)), tuple(new)

    def _run_parts(self) -> list[nn.Module]:
        """Stem and stages; of a network in training the frozen ones with their batch norms folded, which is quicker."""
        parts = [self.stem, *self.stages]
        quick = 1 + self.frozen if self.frozen and self.training else 0
        return [folded(part) for part in parts[:quick]] + parts[quick:]

    def _block(self, block: nn.Module, x: Tensor, t: int, old: Iterator[Tensor] | None, new: list[Tensor]) -> Tensor:
        if self.shift == "none" or not takes_shift(block):
            out: Tensor = block(x)
            return out
        fold = x.shape[1] // self.shift_div
        if self.shift == "both":
            return run_shifted(block, x, both_shift(x, frames=t, fold=fold))
        last = None if old is None else next(old)
        shifted, last = causal_shift(x, last, frames=t, fold=fold)
        new.append(last)
        return run_shifted(block, x, shifted)

    def _pooled(self, x: Tensor) -> Tensor:
        mean = x.mean((2, 3))
        return mean if self.pool == "mean" else torch.cat([x.amax((2, 3)), mean], 1)

    def train(self, mode: bool = True) -> Backbone:
        super().train(mode)
        if self.frozen:
            for part in (self.stem, *self.stages[: self.frozen]):
                part.train(False)
        return self


def join_maps(fine: Tensor, last: Tensor) -> Tensor:
    """The stride-8 map beside the last map enlarged to its size: (B,T,c+C,h,w), fine place and deep meaning."""
    t = fine.shape[1]
    deep = F.interpolate(last.flatten(0, 1), size=fine.shape[-2:], mode="nearest").unflatten(0, (-1, t))
    return torch.cat([fine, deep], 2)


def _create(name: str) -> nn.Module:
    if not FAMILIES.fullmatch(name) or not timm.is_model(name):
        raise ConfigError(unknown("backbone", name, (m for m in timm.list_models() if FAMILIES.fullmatch(m))))
    net: nn.Module = timm.create_model(name, pretrained=False, num_classes=0)
    return net


def _reductions(net: Any) -> list[int]:
    """Pixels per cell after each stage."""
    if hasattr(net, "layer1"):
        return [4, 8, 16, 32]
    found: list[int] = []
    stride = 2
    for stage in net.blocks:
        for block in stage:
            stride *= max((m.stride[0] for m in block.modules() if isinstance(m, nn.Conv2d)), default=1)
        found.append(stride)
    return found


def _parts(net: Any, stride: int) -> tuple[nn.Module, list[nn.Module], nn.Module]:
    """Stem, stages up to `stride`, and the tail that only a whole network keeps."""
    if stride not in (8, 16, 32):
        raise ConfigError(f"stride is {stride}; expected 8, 16 or 32 pixels per cell of the last map")
    keep = sum(1 for r in _reductions(net) if r <= stride)
    if hasattr(net, "layer1"):
        stem = nn.Sequential(net.conv1, net.bn1, net.act1, net.maxpool)
        return stem, [net.layer1, net.layer2, net.layer3, net.layer4][:keep], nn.Identity()
    tail = nn.Sequential(net.conv_head, net.bn2) if stride == 32 else nn.Identity()
    return nn.Sequential(net.conv_stem, net.bn1), list(net.blocks)[:keep], tail


def load_backbone(backbone: Backbone, weights: dict[str, Tensor], *, source: str) -> None:
    """Fill a backbone from a whole timm network's state dict (timm's names); what was cut away is ignored.

    Raises CheckpointError with the names that are missing or misshapen.
    """
    renamed = {_ours(k): v for k, v in weights.items()}
    wanted = backbone.state_dict()
    wrong = [k for k, v in wanted.items() if k not in renamed or renamed[k].shape != v.shape]
    if wrong:
        raise CheckpointError(f"weights from {source} lack or misshape {len(wrong)} tensors, first {wrong[:3]}")
    backbone.load_state_dict({k: renamed[k] for k in wanted}, strict=True)


STEM = {"conv_stem": "stem.0", "conv1": "stem.0", "bn1": "stem.1", "conv_head": "tail.0", "bn2": "tail.1"}


def _ours(key: str) -> str:
    """timm's name of a tensor -> its name here: blocks.2.0.x or layer3.0.x -> stages.2.0.x."""
    head, _, rest = key.partition(".")
    if head.startswith("layer"):
        return f"stages.{int(head.removeprefix('layer')) - 1}.{rest}"
    return f"stages.{rest}" if head == "blocks" else f"{STEM.get(head, head)}.{rest}"
