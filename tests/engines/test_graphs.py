"""What graphs compute in another way than the networks is the same."""

from __future__ import annotations

import pytest
import torch

from gfnet_video.engines.locating import Shape, Squeezed, flat
from gfnet_video.engines.prepared import Prepared
from gfnet_video.model import resized
from gfnet_video.nn.backbone import join_maps
from gfnet_video.nn.policy import Policy
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
