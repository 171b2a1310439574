"""GFNet's walk by its definition, on torchvision's networks, where no golden logits tell: RegNet and DenseNet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

from gfnet_video.model import GFNet
from gfnet_video.published.fitting import fill
from gfnet_video.published.gfnet import GFNET, NETS
from gfnet_video.published.source import Asked
from tests.published import forms
from tests.published.test_names import torchvisions

STEPS, PATCH, CLASSES = 3, 96, 10
SEEDS = {"model_prime_state_dict": 1, "model_state_dict": 2, "policy": 3, "fc": 4}


def published(name: str) -> dict[str, Any]:
    """A file of this network, its names and shapes listed by the project's configuration and our names of it."""
    net = NETS[name]
    with torch.device("meta"):
        held = {"model_name": name, "patch_size": PATCH, "flops": [1.0] * STEPS, "dynamic_threshold": None}
        head = {f"{net.head}.weight": torch.zeros(CLASSES, 1), f"{net.head}.bias": torch.zeros(CLASSES)}
        found = GFNET.read(held | dict.fromkeys(SEEDS, head), Asked(), name)
        model = GFNet(found.config)
    parts: dict[str, list[Any]] = {part: [] for part in SEEDS}
    shapes = {ours: list(value.shape) for ours, value in model.state_dict().items()}
    for ours, theirs in found.names(model).items():
        part, _, key = theirs.partition(".")
        parts[part].append([key, shapes[ours], ""])
    return held | {part: forms.weights(rows, SEEDS[part], 0.8) for part, rows in parts.items()}


def looker(
    build: Callable[[], nn.Module], state: dict[str, Tensor], rename: Callable[[str], str], head: str
) -> nn.Module:
    """torchvision's network with a part's tensors."""
    net = build().eval()
    setattr(net, head, nn.Linear(state[f"{head}.weight"].shape[1], CLASSES))
    net.load_state_dict({rename(name): value for name, value in state.items()})
    return net


def gru(state: dict[str, Tensor], name: str) -> nn.GRU:
    net = nn.GRU(*reversed(state[f"{name}.weight_ih_l0"][: state[f"{name}.weight_hh_l0"].shape[1]].shape))
    net.load_state_dict({k.removeprefix(f"{name}."): v for k, v in state.items() if k.startswith(f"{name}.")})
    return net


@pytest.mark.parametrize(
    ("name", "build", "rename"),
    [
        ("regnety_1.6g", torchvision.models.regnet_y_1_6gf, torchvisions),
        ("densenet121", torchvision.models.densenet121, lambda name: name),
    ],
)
@torch.inference_mode()
def test_the_walk_is_the_definitions(name: str, build: Callable[[], nn.Module], rename: Callable[[str], str]) -> None:
    held, regnet = published(name), name.startswith("regnet")
    head = "fc" if regnet else "classifier"
    found = GFNET.read(held, Asked(), name)
    model = GFNet(found.config).eval()
    assert fill(model, found.names(model), found.tensors, spare=found.spare, where=name) == []
    image = forms.clip(5, [2, 3, 224, 224])
    looks = model(image[:, None])

    nets = [looker(build, held[part], rename, head) for part in ("model_prime_state_dict", "model_state_dict")]
    policy, fc = held["policy"], held["fc"]
    steering, telling, hidden, state = gru(policy, "gru"), gru(fc, "rnn"), None, None
    picture = F.interpolate(image, size=(PATCH, PATCH), mode="bilinear", align_corners=True)
    seen = torch.empty(0)
    for step in range(STEPS):
        if step:
            x = seen.flatten(1)
            if regnet:
                x = F.relu(F.conv2d(seen, policy["state_encoder.0.weight"])).flatten(1)
            layers = ("state_encoder.3",) if regnet else ("state_encoder.0", "state_encoder.2")
            for layer in layers:
                x = F.relu(F.linear(x, policy[f"{layer}.weight"], policy[f"{layer}.bias"]))
            x, hidden = steering(x[None], hidden)
            action = F.linear(x[0], policy["actor.0.weight"], policy["actor.0.bias"]).sigmoid()
            assert torch.allclose(looks.centres[:, step - 1], action, atol=1e-4)
            corners = (action * (224 - PATCH)).floor().int().tolist()
            cut = (one[:, y : y + PATCH, x : x + PATCH] for one, (y, x) in zip(image, corners, strict=True))
            picture = torch.stack(list(cut))
        net = nets[min(step, 1)]
        seen = net.trunk_output(net.stem(picture)) if regnet else F.relu(net.features(picture))
        pooled = seen.mean((2, 3))
        told, state = telling(pooled[None], state)
        logits = F.linear(told[0], fc["fc.weight"], fc["fc.bias"])
        logits = getattr(net, head)(pooled) if regnet and step == 0 else logits
        assert torch.allclose(looks.step_logits[:, step], logits, atol=1e-3)
