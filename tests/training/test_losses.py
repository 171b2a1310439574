"""The supervised loss, the schedule and what a stage may change."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from gfnet_video.config import StageConfig
from gfnet_video.training.losses import stepwise_loss, supervised_loss
from gfnet_video.training.optim import make_optimiser, open_parts
from tests import models


def test_steps_weigh_in_proportion_to_their_number() -> None:
    logits, labels = torch.randn(3, 4, 5), torch.tensor([0, 1, 2])
    each = [F.cross_entropy(logits[:, s], labels) for s in range(4)]
    expected = sum((s + 1) * loss for s, loss in enumerate(each)) / 10
    assert torch.allclose(stepwise_loss(logits, labels), torch.as_tensor(expected))


def test_a_stage_changes_only_what_it_trains() -> None:
    model = models.model()
    stage = StageConfig("x", 1, 0.01, patches="random", train=("focus", "aggregator"))
    open_parts(model, stage)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    optimiser = make_optimiser(model, stage, 0.01)
    loss = supervised_loss(model, models.frames(), torch.tensor([0, 1]), torch.rand(3, 2, models.FRAMES, 2))
    loss.backward()
    optimiser.step()
    changed = {k.split(".")[0] for k, v in model.state_dict().items() if not torch.equal(v, before[k])}
    assert changed == {"focus_net", "aggregator"}


def test_frozen_stages_keep_weights_and_statistics() -> None:
    from dataclasses import replace

    config = models.config()
    model = models.model(glance=replace(config.glance, frozen=2), focus=None)
    stage = StageConfig("x", 1, 0.01, train=("glance", "aggregator"))
    open_parts(model, stage)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    optimiser = make_optimiser(model, stage, 0.01)
    supervised_loss(model, models.frames(), torch.tensor([0, 1]), None).backward()
    optimiser.step()
    changed = {k for k, v in model.state_dict().items() if not torch.equal(v, before[k])}
    frozen = ("glance_net.backbone.stem", "glance_net.backbone.stages.0.", "glance_net.backbone.stages.1.")
    assert changed and not any(k.startswith(frozen) for k in changed)
    assert any(k.startswith("glance_net.backbone.stages.2.") for k in changed)
