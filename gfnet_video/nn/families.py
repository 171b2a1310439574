"""timm's image networks taken apart by their structure: a stem, stages of blocks, a tail, and a head after pooling."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any

import timm
from timm.models.densenet import DenseNet
from timm.models.efficientnet import EfficientNet
from timm.models.mobilenetv3 import MobileNetV3, _gen_mobilenet_v3
from timm.models.regnet import RegNet
from timm.models.resnet import ResNet
from torch import nn

from gfnet_video.errors import ConfigError
from gfnet_video.nn.clip_backbone import PUBLISHED
from gfnet_video.nn.shift import known_block

KNOWN = "ResNet, ResNeXt, MobileNetV2 and V3, EfficientNet and its lite ones, RegNet, DenseNet"
# Networks that timm can build and has no name for: GFNet's MobileNetV3 of 1.25 times the channels (arXiv 2010.05300).
UNNAMED = {
    "mobilenetv3_large_125": lambda: _gen_mobilenet_v3("mobilenetv3_large_100", 1.25, pretrained=False, num_classes=0)
}


@dataclass(frozen=True)
class Parts:
    """A network in the order of the data.

    stages: each a sequence of blocks, `reductions` pixels per cell after it. tail: convolution and norm of the last
    map. head: what the pooled features (N,C,1,1) still pass through. every: of the blocks that can be shifted, TSM
    shifts one in so many.
    """

    stem: nn.Module
    stages: tuple[nn.Sequential, ...]
    reductions: tuple[int, ...]
    tail: nn.Module
    head: nn.Module
    every: int = 1


def create(name: str) -> nn.Module:
    """timm's network of this name, without its classifier and with random weights. Raises ConfigError."""
    if name in UNNAMED:
        return UNNAMED[name]()
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, [*timm.list_models(), *UNNAMED, *PUBLISHED], n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ";"
        raise ConfigError(
            f"unknown backbone {name!r}{hint} expected timm's name of a {KNOWN}, or of pytorchvideo's "
            f"{', '.join(PUBLISHED)}"
        )
    net: nn.Module = timm.create_model(name, pretrained=False, num_classes=0)
    return net


def dissect(net: nn.Module, name: str) -> Parts:
    """The parts of a network of timm's, told by its class. Raises ConfigError where that or one of its blocks is not
    among those whose shifted run is known."""
    for kind, cut in CUTS.items():
        if isinstance(net, kind):
            parts = cut(net)
            strangers = {type(block).__name__ for stage in parts.stages for block in stage if not known_block(block)}
            if strangers:
                raise ConfigError(f"backbone {name} has blocks of {', '.join(strangers)}; expected a {KNOWN}")
            return parts
    raise ConfigError(f"backbone {name} is a {type(net).__name__}; expected a {KNOWN}")


def _resnet(net: Any) -> Parts:
    """TSM's reference shifts every second block where the third stage has 23 or more (ResNet-101)."""
    stem = nn.Sequential(net.conv1, net.bn1, net.act1, net.maxpool)
    stages = (net.layer1, net.layer2, net.layer3, net.layer4)
    every = 2 if len(net.layer3) >= 23 else 1
    return Parts(stem, stages, (4, 8, 16, 32), nn.Identity(), nn.Identity(), every)


def _efficientnet(net: Any) -> Parts:
    tail = nn.Sequential(net.conv_head, net.bn2)
    return Parts(nn.Sequential(net.conv_stem, net.bn1), tuple(net.blocks), _reductions(net.blocks), tail, nn.Identity())


def _mobilenetv3(net: Any) -> Parts:
    """Its last convolution comes after pooling."""
    head = nn.Sequential(net.conv_head, getattr(net, "norm_head", nn.Identity()), net.act2)
    stem = nn.Sequential(net.conv_stem, net.bn1)
    return Parts(stem, tuple(net.blocks), _reductions(net.blocks), nn.Identity(), head)


def _regnet(net: Any) -> Parts:
    stages = tuple(nn.Sequential(*stage.children()) for stage in (net.s1, net.s2, net.s3, net.s4))
    return Parts(net.stem, stages, (4, 8, 16, 32), net.final_conv, nn.Identity())


def _densenet(net: Any) -> Parts:
    """A transition, which halves the map, begins a stage."""
    parts = dict(net.features.named_children())
    first = list(parts).index("denseblock1")
    stages = [nn.Sequential(*parts["denseblock1"].values())]
    for i in range(2, 5):
        stages.append(nn.Sequential(parts[f"transition{i - 1}"], *parts[f"denseblock{i}"].values()))
    stem = nn.Sequential(*list(parts.values())[:first])
    return Parts(stem, tuple(stages), (4, 8, 16, 32), nn.Sequential(parts["norm5"]), nn.Identity())


CUTS = {
    ResNet: _resnet,
    MobileNetV3: _mobilenetv3,
    EfficientNet: _efficientnet,
    RegNet: _regnet,
    DenseNet: _densenet,
}


def _reductions(blocks: Any) -> tuple[int, ...]:
    found: list[int] = []
    stride = 2
    for stage in blocks:
        for block in stage:
            stride *= max((m.stride[0] for m in block.modules() if isinstance(m, nn.Conv2d)), default=1)
        found.append(stride)
    return tuple(found)
