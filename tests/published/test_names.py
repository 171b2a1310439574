"""Published names against other implementations of the same networks: torchvision's, with the same tensors."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch
import torchvision
from torch import nn

from gfnet_video.nn.backbone import Backbone
from gfnet_video.published import names
from gfnet_video.published.gfnet import NETS
from tests.published import forms

# Width of the pooled features and channels of the last map, as the project's configurations have them.
WIDTHS = {
    "resnet50": (2048, 2048),
    "densenet121": (1024, 1024),
    "densenet169": (1664, 1664),
    "densenet201": (1920, 1920),
    "mobilenetv3_large_100": (1280, 960),
    "mobilenetv3_large_125": (1280, 1200),
    "efficientnet_b2": (1408, 1408),
    "efficientnet_b3": (1536, 1536),
    "regnety_600m": (608, 608),
    "regnety_800m": (768, 768),
    "regnety_1.6g": (888, 888),
}


@pytest.mark.parametrize("name", NETS)
def test_each_network_is_as_wide_as_its_configuration_says(name: str) -> None:
    with torch.device("meta"):
        net = Backbone(NETS[name].backbone)
    assert (net.width, net.last_channels) == WIDTHS[name]


def torchvisions(name: str) -> str:
    """torchvision's name of a pycls RegNet's tensor."""
    name = re.sub(r"^s(\d)\.b(\d+)\.", lambda m: f"trunk_output.block{m[1]}.block{m[1]}-{int(m[2]) - 1}.", name)
    name = re.sub(r"^stem\.(conv|bn)\.", lambda m: f"stem.{0 if m[1] == 'conv' else 1}.", name)
    name = name.replace(".proj.", ".proj.0.")
    name = re.sub(r"(-\d+)\.bn\.", r"\1.proj.1.", name)
    name = re.sub(r"\.f\.([abc])_bn\.", r".f.\1.1.", name)
    name = re.sub(r"\.f\.([abc])\.(?=weight$)", r".f.\1.0.", name)
    return name.replace(".se.f_ex.0.", ".se.fc1.").replace(".se.f_ex.2.", ".se.fc2.")


@pytest.mark.parametrize(
    ("backbone", "published", "build", "theirs"),
    [
        ("resnet50", names.same, torchvision.models.resnet50, names.same),
        ("densenet121", names.same, torchvision.models.densenet121, names.same),
        ("regnety_016", names.pycls_regnet, torchvision.models.regnet_y_1_6gf, torchvisions),
    ],
)
@torch.inference_mode()
def test_the_same_tensors_compute_the_same(
    backbone: str, published: names.Rename, build: Callable[[], nn.Module], theirs: names.Rename
) -> None:
    ours = Backbone(backbone, shift="none").eval()
    found = names.names_of(ours, published, before="", wrapped=False)
    shapes = [[found[name], list(value.shape), ""] for name, value in ours.state_dict().items()]
    made = forms.weights(shapes, 7, 0.8)
    ours.load_state_dict({name: made[found[name]] for name in found})
    whole = build().eval()
    head = {k: v for k, v in whole.state_dict().items() if k.startswith(("fc.", "classifier."))}
    whole.load_state_dict({theirs(name): value for name, value in made.items()} | head)
    for name in ("fc", "classifier"):
        if hasattr(whole, name):
            setattr(whole, name, nn.Identity())
    image = torch.randn(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    expected = whole(image)
    assert torch.allclose(ours(image[None])[2][0], expected, atol=1e-4 * float(expected.abs().max()))
