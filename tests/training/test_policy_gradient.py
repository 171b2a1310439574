"""The policy learns from rewards alone: on a task whose answer is known, and with a gradient that is checked."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gfnet_video.records import Features
from gfnet_video.training.policy_gradient import leave_one_out, policy_loss
from gfnet_video.training.rewards import glance_at
from tests import models


def test_leave_one_out_is_the_others_mean() -> None:
    reward = torch.randn(4, 3, 2)
    expected = torch.stack([reward[i] - reward[[j for j in range(4) if j != i]].mean(0) for i in range(4)])
    assert torch.allclose(leave_one_out(reward), expected, atol=1e-6)


class BrightSpot:
    """Clips of one bright spot; a patch tells the class the better, the nearer it lies to the spot."""

    def __init__(self, seed: int, videos: int = 16) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.place = torch.rand(videos, 1, 2, generator=generator).expand(videos, 2, 2) * 0.5 + 0.25
        self.labels = torch.zeros(videos, dtype=torch.long)
        axis = (torch.arange(models.SIDE) + 0.5) / models.SIDE
        apart = (axis[None, None, :, None] - self.place[..., 0, None, None]) ** 2
        apart = apart + (axis[None, None, None, :] - self.place[..., 1, None, None]) ** 2
        self.frames = 4 * torch.exp(-apart / 0.01)[:, :, None].expand(-1, -1, 3, -1, -1)

    def distance(self, centres: Tensor) -> Tensor:
        room = 0.5  # (64 - 32) / 64
        return (centres - ((self.place - 0.5) / room + 0.5)).norm(dim=-1)


@pytest.mark.parametrize("patch", ["per_frame", "shared"])
def test_policy_finds_what_is_rewarded(monkeypatch: pytest.MonkeyPatch, patch: str) -> None:
    model = models.model(patch=patch, order="glance_first")
    assert model.policy is not None
    task = BrightSpot(0, videos=32)

    def focus(frames: Tensor, centres: Tensor, state: object = None) -> tuple[Features, tuple[Tensor, ...]]:
        many = BrightSpot.distance(task, centres.unflatten(0, (-1, len(task.labels)))).flatten(0, 1)
        logits = torch.zeros(*many.shape, models.CLASSES)
        logits[..., 0] = -8 * many
        return Features(torch.zeros(*many.shape, 1, 1, 1), torch.zeros(*many.shape, 1), logits), ()

    monkeypatch.setattr(model, "focus", focus)
    optimiser = torch.optim.Adam(model.policy.parameters(), lr=0.003)

    def distance() -> float:
        centres = model.spread(model.locate(model.glance(task.frames)[0].map)[0], 2)
        return float(task.distance(centres).detach().mean())

    before = distance()
    for step in range(160):
        generator = torch.Generator().manual_seed(step)
        seen = glance_at(model, task.frames, task.labels)
        loss, _ = policy_loss(model, seen, sigma=0.2, tracks=4, generator=generator)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    after = distance()
    assert after < 0.75 * before
    assert all(p.grad is None for p in model.glance_net.parameters())
