"""Faster forwards are the same networks: bf16 near float32, compiled as eager; outside of a step nothing is changed."""

from __future__ import annotations

import pytest
import torch

from gfnet_video.config import TrainConfig
from gfnet_video.errors import ConfigError
from gfnet_video.model import GFNet
from gfnet_video.training.dice import Dice, Share, normal, uniform
from gfnet_video.training.forward import fast_forwards, replaced, shared_dropouts
from gfnet_video.training.losses import supervised_loss
from tests import models


def loss_and_gradient(model: GFNet, how: TrainConfig) -> tuple[torch.Tensor, torch.Tensor]:
    """Of one small batch with all weights open."""
    model.requires_grad_(True).zero_grad()
    centres = torch.rand(1, 2, 3, 2, generator=torch.Generator().manual_seed(0))
    with replaced(fast_forwards(model, how)):
        loss = supervised_loss(model, models.frames(2, 3), torch.tensor([0, 1]), centres)
    loss.backward()
    return loss.detach(), torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


def test_bf16_is_near_float32_and_leaves_the_plain_forward_alone() -> None:
    model, clip = models.model(), models.frames(1)
    names, before = list(model.state_dict()), model(clip).logits
    plain, gradient = loss_and_gradient(model, TrainConfig(()))
    short, rounded = loss_and_gradient(model, TrainConfig((), precision="bf16"))
    assert short.dtype == rounded.dtype == torch.float32
    assert short != plain and torch.allclose(short, plain, rtol=0.03)
    assert 0.9 < torch.cosine_similarity(gradient, rounded, 0) < 1
    assert torch.equal(model(clip).logits, before) and list(model.state_dict()) == names


def test_compiled_backbones_are_the_eager_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Captured and differentiated ahead of time, without the code generator, which would take minutes here."""
    compiled, compile_ = [], torch.compile

    def quick(forward: object) -> object:
        compiled.append(forward)
        return compile_(forward, backend="aot_eager")

    monkeypatch.setattr(torch, "compile", quick)
    model = models.model("resnet10t")
    plain, gradient = loss_and_gradient(model, TrainConfig(()))
    fast, same = loss_and_gradient(model, TrainConfig((), compile=True))
    assert len(compiled) == 2 and torch.allclose(fast, plain, rtol=1e-5)
    assert torch.allclose(same, gradient, rtol=1e-3, atol=1e-4 * float(gradient.abs().max()))


def test_plain_training_replaces_nothing() -> None:
    model = models.model()
    assert not fast_forwards(model, TrainConfig(()))
    assert not shared_dropouts(model, Share(0, 4, 4))
    with pytest.raises(ConfigError, match="unknown precision 'fp16'"):
        TrainConfig((), precision="fp16")


@pytest.mark.parametrize("draw", [uniform, normal])
def test_parts_of_a_batch_draw_what_the_whole_does(draw: object) -> None:
    def drawn(share: Share | None, clips: int) -> torch.Tensor:
        return draw(3, clips, 2, clips=1, generator=Dice.seeded(1, share))  # type: ignore[operator]

    whole = drawn(None, 5)
    parts = drawn(Share(0, 2, 5), 2), drawn(Share(2, 3, 5), 3)
    assert torch.equal(torch.cat(parts, 1), whole)
    plain = draw(3, 5, 2, clips=1, generator=torch.Generator().manual_seed(1))  # type: ignore[operator]
    assert torch.equal(plain, whole)
