"""What the focus draws its answer from in whole frames: it adds up to the answer, and a policy finds it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gfnet_video.config import Config, LookConfig, StageConfig, TrainConfig
from gfnet_video.errors import ConfigError
from gfnet_video.model import GFNet
from gfnet_video.nn.patches import place_to_centre
from gfnet_video.nn.resizing import resized
from gfnet_video.training import activation as module
from gfnet_video.training.activation import activation, activation_at
from gfnet_video.training.proposals import proposals_loss
from gfnet_video.training.rewards import Glanced, glance_at
from tests import models
from tests.training.test_policy_gradient import BrightSpot

LABELS = torch.tensor([1, 0, 1])


def some(pool: str = "mean", **changes: object) -> tuple[GFNet, Glanced]:
    focus = replace(models.config().focus, stride=16, pool=pool)  # type: ignore[type-var]
    model = models.model(classes=2, dtype=torch.float64, order="glance_first", focus=focus, **changes)
    return model, glance_at(model, models.frames(3, dtype=torch.float64), LABELS)


@pytest.mark.parametrize("pool", ["mean", "max_mean"])
def test_what_the_cells_say_adds_up_to_the_answer(pool: str) -> None:
    model, seen = some(pool)
    assert model.focus_net is not None
    net = model.focus_net
    with torch.no_grad():
        logits = net(resized(seen.frames, 96))[0].logits  # 64 pixels, enlarged by half
    against = net.classifier.linear.bias.detach()
    sign = torch.where(LABELS == 1, 1.0, -1.0).double()[:, None]
    expected = sign * (logits[..., 1] - logits[..., 0] - (against[1] - against[0]))
    assert expected.abs().max() > 0.1
    assert torch.allclose(activation(model, seen).sum((2, 3)), expected, atol=1e-9)


def test_a_place_is_worth_what_its_cell_says() -> None:
    model, seen = some()
    maps = activation(model, seen)
    rows, cols = maps.shape[-2:]
    assert float(maps.min()) < 0 < float(maps.max())
    for row, col in ((0, 0), (1, 2), (rows - 1, cols - 1)):
        place = torch.tensor([(row + 0.5) / rows, (col + 0.5) / cols], dtype=torch.float64).expand(
            1, 3, models.FRAMES, 2
        )
        found = activation_at(model, seen, place_to_centre(place, room=model.room))
        assert torch.allclose(found[0], maps[..., row, col].clamp(min=0), atol=1e-9)
    far = activation_at(model, seen, torch.full((1, 3, models.FRAMES, 2), 9.0).double())
    assert torch.allclose(far[0], maps[..., -1, -1].clamp(min=0))  # beyond an edge stands what lies at it


def test_a_shared_patch_is_worth_the_mean_of_its_looks() -> None:
    model, seen = some(patch="shared")
    centres = torch.rand(4, 3, 1, 2, generator=torch.Generator().manual_seed(0)).double()
    apart, _ = some()
    each = activation_at(apart, seen, centres.expand(-1, -1, models.FRAMES, -1))
    assert torch.allclose(activation_at(model, seen, centres), each.mean(2, keepdim=True))


def test_a_policy_finds_where_the_answer_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    model = models.model(order="glance_first")
    assert model.policy is not None
    task = BrightSpot(0, videos=32)
    monkeypatch.setattr(module, "activation", lambda model, seen: seen.frames[:, :, 0, 4::8, 4::8] / 4)
    optimiser = torch.optim.Adam(model.policy.parameters(), lr=0.003)
    seen = glance_at(model, task.frames, task.labels)

    def distance() -> float:
        return float(task.distance(model.locate(seen.maps)[0]).detach().mean())

    before = distance()
    for step in range(100):
        dice = torch.Generator().manual_seed(step)
        loss, _ = proposals_loss(model, seen, sigma=0.3, tracks=16, generator=dice, reward="activation")
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert distance() < 0.5 * before


def test_what_cannot_take_it() -> None:
    taken = StageConfig("p", 1, 0.1, "sampled", ("policy",), tracks=4, learner="proposals", reward="activation")
    assert taken.reward == "activation"
    with pytest.raises(ConfigError, match="expected reward alone"):
        replace(taken, learner="reinforce")
    focus = LookConfig("x3d_s", 32, shift=False)
    model = models.config(focus=focus, temporal="both", patch="shared", order="glance_first")
    with pytest.raises(ConfigError, match=r"'p' has reward activation and focus\.backbone x3d_s"):
        Config("sthv2", model, TrainConfig((taken,)))
