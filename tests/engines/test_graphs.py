"""What graphs compute in another way than the networks is the same."""

from __future__ import annotations

import pytest
import torch
from timm.models._efficientnet_blocks import InvertedResidual
from timm.models.resnet import BasicBlock, Bottleneck
from torch import nn

from gfnet_video.engines.locating import Shape, Squeezed, flat
from gfnet_video.engines.prepared import Prepared
from gfnet_video.engines.shifting import ShiftedBlock
from gfnet_video.nn.backbone import join_maps
from gfnet_video.nn.policy import Policy
from gfnet_video.nn.resizing import resized
from gfnet_video.nn.shift import both_shift, causal_shift, run_shifted
from gfnet_video.video.transforms import normalise
from tests import models


@pytest.mark.parametrize(("side", "to"), [(224, 96), (96, 36), (50, 17), (40, 3), (24, 40), (32, 32)])
def test_pixels_are_resized_and_normalised_as_before_the_networks(side: int, to: int) -> None:
    config = models.config("resnet10t")
    pixels = torch.randint(0, 256, (2, 3, 3, side, side), dtype=torch.uint8, generator=torch.manual_seed(0))
    wanted = resized(normalise(pixels, config.mean, config.std), to).flatten(0, 1)
    assert torch.allclose(Prepared(config, side, to)(pixels), wanted, atol=1e-5)


MAPS = [((8, 12, 12), (40, 3, 3)), ((8, 5, 5), (40, 3, 3)), ((5, 9, 9), (3, 5, 5)), ((4, 6, 6), (7, 6, 6))]


@pytest.mark.parametrize(("fine", "last"), MAPS)
@torch.no_grad()
def test_maps_are_squeezed_as_if_they_were_joined(fine: Shape, last: Shape) -> None:
    dice = torch.manual_seed(0)
    near, deep = (torch.randn(2, *shape, generator=dice) * 3 + 5 for shape in (fine, last))
    policy = Policy(fine[0] + last[0], hidden=6, room=0.5)
    for part in (policy.squeeze[0].weight, policy.squeeze[0].bias, policy.squeeze[1].bias):
        part.copy_(torch.randn(part.shape, generator=dice))
    wanted = policy.squeeze(join_maps(near[:, None], deep[:, None])[:, 0])
    assert torch.allclose(Squeezed(policy.squeeze, fine, last)(flat(near, deep)), wanted, atol=1e-5)


BLOCKS = {"bottleneck": Bottleneck(64, 16), "basic": BasicBlock(64, 64), "inverted": InvertedResidual(64, 64)}


@pytest.mark.parametrize(("name", "narrows"), [("bottleneck", True), ("basic", False), ("inverted", False)])
@torch.no_grad()
def test_blocks_are_shifted_as_the_networks_shift_them(name: str, narrows: bool) -> None:
    """Two videos of three frames, in the order that graphs have."""
    block, dice = BLOCKS[name].eval(), torch.manual_seed(0)
    for norm in (m for m in block.modules() if isinstance(m, nn.BatchNorm2d)):
        norm.running_mean, norm.bias.data = (torch.randn(norm.num_features, generator=dice) for _ in range(2))
        norm.weight.fill_(1.5)
    x, last = torch.randn(6, 64, 5, 5, generator=dice), torch.randn(2, 8, 5, 5, generator=dice)
    other = x.unflatten(0, (2, 3)).transpose(0, 1).flatten(0, 1)  # all first frames first
    shifted, passed = causal_shift(x, last, frames=3, fold=8)
    for shift, moved in (("causal", shifted), ("both", both_shift(x, frames=3, fold=8))):
        graph = ShiftedBlock(block, shift, 8)
        found, after = graph(other, last if shift == "causal" else None, 2)
        wanted = run_shifted(block, x, moved).unflatten(0, (2, 3)).transpose(0, 1).flatten(0, 1)
        assert graph.narrows is narrows and torch.allclose(found, wanted, atol=1e-5)
        assert after is None if shift == "both" else torch.equal(after, passed)
    assert not torch.allclose(wanted, run_shifted(block, other, other), atol=1e-2)
