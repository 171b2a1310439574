"""Backbones by structure: unshifted a family is timm's own network, causal is streamed, `both` is the reference."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from gfnet_video.errors import ConfigError
from gfnet_video.nn.backbone import Backbone, shifted_convs
from gfnet_video.nn.families import create
from gfnet_video.nn.folding import folded

SMALL = (
    "resnet18",
    "resnext50_32x4d",
    "mobilenetv2_050",
    "mobilenetv3_small_050",
    "efficientnet_b0",
    "tf_efficientnet_lite0",
    "regnety_002",
    "densenet121",
)
FRAMES = torch.randn(2, 3, 3, 64, 64, generator=torch.Generator().manual_seed(5))  # (B,T,3,H,W)


def backbone(name: str, shift: str) -> Backbone:
    """Of seeded weights, far from timm's start, where branches say next to nothing."""
    torch.manual_seed(0)
    net = Backbone(name, shift=shift).eval()
    generator = torch.Generator().manual_seed(1)
    for key, value in net.state_dict().items():
        noise = torch.randn(value.shape, generator=generator)
        if key.endswith("running_mean"):
            value.copy_(0.1 * noise)
        elif key.endswith("weight"):
            value.copy_(1 + 0.1 * noise if value.ndim == 1 else noise * (2 / value[0].numel()) ** 0.5)
    return net


def timms(net: Backbone, name: str) -> nn.Module:
    """timm's own network with a backbone's weights."""
    ours = net.state_dict()
    whole = create(name).eval()
    assert set(net.timm_names.values()) == set(whole.state_dict())
    whole.load_state_dict({theirs: ours[name] for name, theirs in net.timm_names.items()})
    return whole


def reference_shift(x: Tensor, frames: int) -> Tensor:
    """TSM's own: an eighth of the channels from the frame after, an eighth from the frame before."""
    x = x.unflatten(0, (-1, frames))
    fold, out = x.shape[2] // 8, torch.zeros_like(x)
    out[:, :-1, :fold] = x[:, 1:, :fold]
    out[:, 1:, fold : 2 * fold] = x[:, :-1, fold : 2 * fold]
    out[:, :, 2 * fold :] = x[:, :, 2 * fold :]
    return out.flatten(0, 1)


@pytest.mark.parametrize("name", SMALL)
@torch.inference_mode()
def test_a_family_is_timms_own_streams_and_shifts_as_the_reference(name: str) -> None:
    still, causal, both = (backbone(name, shift) for shift in ("none", "causal", "both"))
    whole, flat = timms(still, name), FRAMES.flatten(0, 1)
    scale = float(whole(flat).abs().max())
    assert torch.allclose(still(FRAMES)[2].flatten(0, 1), whole(flat), atol=1e-4 * scale)
    assert torch.allclose(folded(still)(FRAMES)[2], still(FRAMES)[2], atol=1e-3 * scale)

    at_once, state, one_by_one = causal(FRAMES)[2], None, []
    for frame in FRAMES.split(1, 1):
        _, _, pooled, state = causal(frame, state)
        one_by_one.append(pooled)
    assert torch.allclose(torch.cat(one_by_one, 1), at_once, atol=1e-4 * scale)
    assert not torch.allclose(at_once, still(FRAMES)[2], atol=1e-2 * scale)

    for path in shifted_convs(both):  # a dense layer normalises first what it takes
        first = whole.get_submodule(path.replace("conv1", "norm1") if name == "densenet121" else path)
        first.register_forward_pre_hook(lambda _, given: (reference_shift(given[0], FRAMES.shape[1]),))
    assert torch.allclose(both(FRAMES)[2].flatten(0, 1), whole(flat), atol=1e-4 * scale)
    assert not torch.allclose(both(FRAMES)[2], still(FRAMES)[2], atol=1e-2 * scale)


@pytest.mark.parametrize(
    ("name", "blocks"),
    [("mobilenetv2_100", 10), ("resnet50", 16), ("resnet101", 18), ("mobilenetv3_large_125", 9), ("densenet121", 58)],
)
def test_as_many_blocks_are_shifted_as_tsm_shifts(name: str, blocks: int) -> None:
    """Of ResNet-101, whose third stage has 23 blocks, every second: 2 + 2 + 12 + 2."""
    assert sum(map(sum, Backbone(name, shift="both").shifts)) == blocks


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("vit_tiny_patch16_224", "backbone vit_tiny_patch16_224 is a VisionTransformer; expected a ResNet, ResNeXt"),
        ("mobilenetv4_conv_small", "has blocks of UniversalInvertedResidual; expected a ResNet"),
        ("resnet50x", "unknown backbone 'resnet50x'; did you mean 'resnet50'"),
    ],
)
def test_another_structure_is_refused(name: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Backbone(name)
