"""Small seeded models and clips that several tests share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from gfnet_video.checkpoint import Card, save
from gfnet_video.config import Config, LookConfig, ModelConfig, TrainConfig
from gfnet_video.model import GFNet
from gfnet_video.nn.exit_rule import ExitRule

FAMILIES = ("mobilenetv2_050", "tf_efficientnet_lite0", "resnet10t", "resnet18", "resnet50")
SIDE, FRAMES, CLASSES = 64, 6, 5


def config(backbone: str = "mobilenetv2_050", **changes: object) -> ModelConfig:
    """A model small enough to test in a second."""
    glance = LookConfig(backbone, side=48, stride=16, pool="max_mean")
    focus = LookConfig(backbone, side=32, stride=32)
    base = ModelConfig(classes=CLASSES, frames=FRAMES, frame_side=SIDE, glance=glance, focus=focus, policy_hidden=8)
    return replace(base, **changes)  # type: ignore[arg-type]


def model(backbone: str = "mobilenetv2_050", dtype: torch.dtype = torch.float32, **changes: object) -> GFNet:
    """A seeded model in eval mode whose heads and statistics are far from their start, so that logits tell."""
    torch.manual_seed(0)
    net = GFNet(config(backbone, **changes)).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, value in net.state_dict().items():
            noise = torch.randn(value.shape, generator=generator)
            if name.endswith("running_mean"):
                value.copy_(0.1 * noise)
            elif "classifier" in name or "heat" in name or "track" in name:
                value.copy_(noise)
            elif name.endswith(".weight") and not value.any():  # timm starts residual branches at nothing
                value.fill_(0.5)
    return net.to(dtype)


def saved(folder: Path, classes: tuple[str, ...], backbone: str = "mobilenetv2_050", **changes: object) -> Path:
    """A model's folder, whose thresholds are never reached; its temperatures fall, so that it grows surer."""
    net = model(backbone, **changes)
    rule = ExitRule.never(net.steps, [2.0 ** (4 - s) for s in range(net.steps)])
    save(folder, net, Card(Config("sthv2", net.config, TrainConfig(())), classes, rule))
    return folder


def frames(batch: int = 2, count: int = FRAMES, dtype: torch.dtype = torch.float32, seed: int = 2) -> Tensor:
    """Seeded smooth noise (B,T,3,SIDE,SIDE)."""
    coarse = torch.randn(batch * count, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
    smooth = torch.nn.functional.interpolate(coarse, size=(SIDE, SIDE), mode="bilinear")
    return smooth.unflatten(0, (batch, count)).to(dtype)


def image(backbone: str = "mobilenetv2_050", **changes: object) -> ModelConfig:
    """The config of a small model in image mode: a glance and two focus looks."""
    look = LookConfig(backbone, side=32, stride=16, shift=False)
    seen = {"glance": replace(look, side=48), "focus": look, "order": "glance_first", "policy_sees": "latest"}
    kind = {"aggregator": "gru_steps", "aggregator_hidden": 16, "policy": "gfnet_conv"}
    if str(changes.get("aggregator", "gru")) == "cascade":
        kind["aggregator_hidden"] = 0
    return config(backbone, frames=1, looks_per_frame=2, **{**seen, **kind, **changes})


@contextmanager
def counted() -> Iterator[FlopCounterMode]:
    """torch's own count of what runs inside, but for the resizing of pixels, which nobody counts as a network's."""

    def interpolated(frames: Tensor, side: int, how: str) -> Tensor:
        assert how == "antialias"
        size = (side, side)
        return torch.nn.functional.interpolate(frames.flatten(0, 1), size=size).unflatten(0, frames.shape[:2])

    with pytest.MonkeyPatch.context() as patch, torch.inference_mode(), FlopCounterMode(display=False) as counter:
        patch.setattr("gfnet_video.model.resized", interpolated)
        yield counter
