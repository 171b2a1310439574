"""A timm image network walked block by block, with temporal shift buffers passed in and out."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gfnet_video.errors import CheckpointError, ConfigError, unknown
from gfnet_video.nn.clip_backbone import ClipBackbone
from gfnet_video.nn.families import create, dissect
from gfnet_video.nn.folding import folded
from gfnet_video.nn.shift import both_shift, causal_shift, run_block, run_shifted, takes_shift

POOLS = ("mean", "max_mean")
SHIFTS = ("causal", "both", "none")
Buffers = tuple[Tensor, ...]


class Backbone(nn.Module):
    """An image network by timm name, of the families that `dissect` knows, cut where its map reaches `stride`.

    stride: 8, 16 or 32 pixels per cell of the last map. pool: "mean" (TSM's), or "max_mean": spatial maximum beside
    the mean, which keeps small movers. shift: "causal": a part 1/`shift_div` of a shifted block's channels comes from
    the frame before; "both": as much from the frame after as well (offline, without buffers); "none": frames are read
    alone. frozen: the stem and so many stages keep their weights and statistics while training.

    Raises ConfigError for a network of another family, and for an unknown pool, shift or stride.
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
        if stride not in (8, 16, 32):
            raise ConfigError(f"stride is {stride}; expected 8, 16 or 32 pixels per cell of the last map")
        net = create(name)
        parts, whole = dissect(net, name), stride == 32  # what follows the stages, only a whole network keeps
        stages = [stage for stage, cell in zip(parts.stages, parts.reductions, strict=True) if cell <= stride]
        self.stem = parts.stem
        self.tail, self.head = (parts.tail, parts.head) if whole else (nn.Identity(), nn.Identity())
        self.stages = nn.ModuleList(stages)
        # Which blocks of each stage are shifted, and every tensor's name in timm's own network.
        self.shifts = tuple(_shifts(stage, parts.every, shift) for stage in stages)
        self.timm_names = _names(self, net)
        self.pool, self.shift, self.shift_div, self.frozen = pool, shift, shift_div, frozen
        self.fine = sum(1 for cell in parts.reductions[: len(stages)] if cell <= 8)  # stages up to stride 8
        with torch.no_grad():
            fine, last, pooled, _ = self.eval()(torch.zeros(1, 1, 3, 64, 64))
        self.map_channels, self.last_channels = fine.shape[2] + last.shape[2], last.shape[2]
        self.width = pooled.shape[-1]
        self.train()

    def forward(
        self, frames: Tensor, buffers: Buffers | None = None, branches: int = 1
    ) -> tuple[Tensor, Tensor, Tensor, Buffers]:
        """frames: (B,T,3,H,W) normalised; buffers: one (B,c,h,w) per shifted block, None at the start of a video.
        branches: frames are (R*B,T,3,H,W), R versions of each video with the first's past, as `causal_shift` has it.

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
                for block, shifts in zip(stage, self.shifts[depth], strict=True):  # type: ignore[call-overload]
                    x = self._shifted(block, x, (t, branches), old, new) if shifts else run_block(block, x)
            fine = x if depth < self.fine else fine
        x = self.tail(x)
        maps = [m.unflatten(0, (-1, t)) for m in (fine, x)]
        return maps[0], maps[1], self.pooled(x).unflatten(0, (-1, t)), tuple(new)

    def _run_parts(self) -> list[nn.Module]:
        """Stem and stages; of a network in training the frozen ones with their batch norms folded, which is quicker."""
        parts = [self.stem, *self.stages]
        quick = 1 + self.frozen if self.frozen and self.training else 0
        return [folded(part) for part in parts[:quick]] + parts[quick:]

    def _shifted(
        self, block: nn.Module, x: Tensor, shape: tuple[int, int], old: Iterator[Tensor] | None, new: list[Tensor]
    ) -> Tensor:
        fold, (t, branches) = x.shape[1] // self.shift_div, shape
        if self.shift == "both":
            return run_shifted(block, x, both_shift(x, frames=t, fold=fold))
        last = None if old is None else next(old)
        shifted, last = causal_shift(x, last, frames=t, fold=fold, branches=branches)
        new.append(last)
        return run_shifted(block, x, shifted)

    def pooled(self, x: Tensor) -> Tensor:
        """Map (N,C,h,w) -> pooled features (N,D)."""
        mean = self._headed(x.mean((2, 3)))
        return mean if self.pool == "mean" else torch.cat([self._headed(x.amax((2, 3))), mean], 1)

    def _headed(self, pooled: Tensor) -> Tensor:
        if isinstance(self.head, nn.Identity):
            return pooled
        headed: Tensor = self.head(pooled[..., None, None])  # a convolution
        return headed.flatten(1)

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


def _shifts(stage: nn.Module, every: int, shift: str) -> tuple[bool, ...]:
    blocks = enumerate(stage.children())
    return tuple(shift != "none" and i % every == 0 and takes_shift(block) for i, block in blocks)


def _names(backbone: nn.Module, net: nn.Module) -> dict[str, str]:
    """Our name of each tensor -> timm's; the tensors themselves are the same ones."""
    theirs = {id(tensor): name for name, tensor in net.state_dict(keep_vars=True).items()}
    return {name: theirs[id(tensor)] for name, tensor in backbone.state_dict(keep_vars=True).items()}


def shifted_convs(backbone: Backbone) -> set[str]:
    """timm's names of the convolutions whose input is shifted: the first of each shifted block."""
    found = set()
    for depth, flags in enumerate(backbone.shifts):
        for place in (place for place, shifts in enumerate(flags) if shifts):
            block = backbone.stages[depth][place]  # type: ignore[index]
            first = next(name for name, module in block.named_modules() if isinstance(module, nn.Conv2d))
            found.add(backbone.timm_names[f"stages.{depth}.{place}.{first}.weight"].removesuffix(".weight"))
    return found


def load_backbone(backbone: Backbone | ClipBackbone, weights: dict[str, Tensor], *, source: str) -> None:
    """Fill a backbone from a whole network's state dict, under timm's names or pytorchvideo's; what was cut away is
    ignored.

    Raises CheckpointError with the names that are missing or misshapen.
    """
    wanted = backbone.state_dict()
    names = backbone.timm_names if isinstance(backbone, Backbone) else {k: k for k in wanted}
    wrong = [k for k, v in wanted.items() if names[k] not in weights or weights[names[k]].shape != v.shape]
    if wrong:
        raise CheckpointError(f"weights from {source} lack or misshape {len(wrong)} tensors, first {wrong[:3]}")
    backbone.load_state_dict({k: weights[names[k]] for k in wanted}, strict=True)
