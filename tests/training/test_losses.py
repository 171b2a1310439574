"""The supervised loss, the schedule and what a stage may change."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from gfnet_video.config import StageConfig
from gfnet_video.model import parted
from gfnet_video.records import Features
from gfnet_video.training.losses import class_weights, stepwise_loss, supervised_loss
from gfnet_video.training.optim import make_optimiser, open_parts
from gfnet_video.training.step import Seen, Turn, around, tracks
from tests import models


def test_steps_weigh_in_proportion_to_their_number() -> None:
    logits, labels = torch.randn(3, 4, 5), torch.tensor([0, 1, 2])
    each = [F.cross_entropy(logits[:, s], labels) for s in range(4)]
    expected = sum((s + 1) * loss for s, loss in enumerate(each)) / 10
    assert torch.allclose(stepwise_loss(logits, labels), torch.as_tensor(expected))


def test_each_networks_own_loss_weighs_as_configured() -> None:
    model, clip, labels, centres = models.model(), models.frames(), torch.tensor([0, 1]), torch.rand(3, 2, 6, 2)
    with torch.no_grad():
        none, half, whole = (supervised_loss(model, clip, labels, centres, auxiliary=a) for a in (0.0, 0.5, 1.0))
        looks = model(clip.repeat(3, 1, 1, 1, 1), centres=centres.flatten(0, 1))
    assert torch.allclose(none, stepwise_loss(looks.step_logits, labels.repeat(3)), atol=1e-5)
    assert torch.allclose(half, (none + whole) / 2) and whole > none


def test_balance_gives_every_class_the_same_say() -> None:
    labels = torch.tensor([0, 0, 0, 0, 0, 0, 2, 2])  # class 1 has no clip
    weights = class_weights(labels.tolist(), 3)
    assert weights[labels].mean() == pytest.approx(1.0) and weights[1] == 0
    assert 6 * weights[0] == pytest.approx(2 * float(weights[2]))
    logits = torch.randn(8, 4, 3)
    rare, often = (stepwise_loss(logits[labels == k], labels[labels == k]) for k in (2, 0))
    assert torch.allclose(stepwise_loss(logits, labels, weights), (rare + often) / 2)


def test_every_term_of_the_loss_is_weighted() -> None:
    model, clip, centres = models.model(), models.frames(), torch.rand(3, 2, 6, 2)
    labels = torch.tensor([0, 0])
    with torch.no_grad():
        plain = supervised_loss(model, clip, labels, centres)
        double = supervised_loss(model, clip, labels, centres, weights=torch.full((5,), 2.0))
        glance = supervised_loss(model, clip, labels, None, weights=torch.zeros(5))
    assert torch.allclose(double, 2 * plain) and glance == 0


def test_other_tracks_are_drawn_around_the_policys() -> None:
    stage = StageConfig("x", 1, 0.01, patches="policy", tracks=400, sigma=(0.1, 0.05))
    centres = torch.tensor([0.5, 0.0]).expand(1, 6, 2)
    for progress, sigma in ((0.0, 0.1), (1.0, 0.05)):
        drawn = around(centres, Turn(stage, progress, None, torch.Generator().manual_seed(0)))
        assert drawn.shape == (400, 1, 6, 2) and torch.equal(drawn[0], centres)
        assert drawn[1:, ..., 0].mean() == pytest.approx(0.5, abs=0.01)
        assert drawn[1:, ..., 0].std() == pytest.approx(sigma, rel=0.05)
        assert drawn.min() == 0  # never beyond the edge


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


def end_to_end(**changes: object) -> StageConfig:
    return StageConfig(
        "x", 1, 0.01, patches="policy", learner="end_to_end", train=("glance", "focus", "policy"), **changes
    )  # type: ignore[arg-type]


def test_end_to_end_the_policys_patch_alone_teaches_it_and_the_glance_hears_nothing() -> None:
    model, stage, labels = models.model(order="glance_first"), end_to_end(tracks=3), torch.tensor([0, 1])
    model.requires_grad_(True)
    seen = Seen(models.frames(), labels, torch.empty(2, 0, 2))
    glance, _ = model.glance(seen.frames)
    centres = tracks(model, Turn(stage, 0.0, None, torch.Generator().manual_seed(0)), seen, glance.map.detach())
    assert centres is not None and centres.shape == (3, 2, models.FRAMES, 2)
    assert torch.equal(centres[0].clamp(0, 1), model.locate(glance.map)[0])  # the first is what inference picks
    pull = torch.autograd.grad(supervised_loss(model, seen.frames, labels, centres, glance=glance), centres)[0]
    assert pull[0].abs().min() > 0 and not pull[1:].any()
    centres[0].sum().backward()
    assert model.policy is not None and all(p.grad is not None for p in model.policy.parameters())
    assert all(p.grad is None for p in model.glance_net.parameters())


def test_end_to_end_the_patch_moves_to_what_tells_the_class(monkeypatch: pytest.MonkeyPatch) -> None:
    model = models.model(order="glance_first", policy_sees="clip")
    places = 0.3 + 0.4 * torch.rand(16, 1, 2, generator=torch.Generator().manual_seed(4))
    axis = (torch.arange(models.SIDE) + 0.5) / models.SIDE
    apart = (axis[None, None, :, None] - places[..., 0, None, None]) ** 2
    apart = apart + (axis[None, None, None, :] - places[..., 1, None, None]) ** 2
    clips = 4 * torch.exp(-apart / 0.03)[:, :, None].expand(-1, models.FRAMES, 3, -1, -1)

    def looking(patches: Tensor, state: object, branches: int) -> tuple[Features, tuple[()]]:
        logits = torch.zeros(*patches.shape[:2], models.CLASSES)
        logits[..., 0] = patches.mean((2, 3, 4))
        return Features(torch.zeros(*logits.shape[:2], 1, 1, 1), logits[..., :1], logits), ()

    monkeypatch.setattr(model.focus_net, "forward", looking)
    stage, labels = end_to_end(), torch.zeros(16, dtype=torch.long)
    assert model.policy is not None
    optimiser = torch.optim.Adam(model.policy.parameters(), lr=0.003)
    with torch.no_grad():
        maps = model.glance(clips)[0]

    def missed() -> float:
        target = model.aim(places.expand(-1, models.FRAMES, -1))
        return float((model.locate(maps.map)[0].detach() - target).norm(dim=-1).mean())

    before = missed()
    for _ in range(60):
        turn = Turn(stage, 0.0, None, torch.Generator().manual_seed(0))
        centres = tracks(model, turn, Seen(clips, labels, torch.empty(16, 0, 2)), maps.map)
        optimiser.zero_grad()
        supervised_loss(model, clips, labels, centres, glance=maps).backward()
        optimiser.step()
    assert missed() < 0.5 * before


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


@pytest.mark.parametrize("own", [0, 4])
def test_under_both_way_shift_the_pass_over_the_clip_is_the_step(own: int) -> None:
    model = models.model(order="glance_first", patch="shared", temporal="both", focus_frames=own)
    frames, glanced = parted(models.frames(2, models.FRAMES + own), model.config)
    labels, where = torch.tensor([0, 1]), torch.tensor([[[0.2, 0.7]], [[0.9, 0.1]]])
    centres = where.expand(-1, frames.shape[1], -1)
    with torch.no_grad():
        loss = supervised_loss(
            model,
            frames,
            labels,
            centres[None],
            glance=None if glanced is None else model.glance(glanced)[0],
            auxiliary=0.0,
        )
        looks = model(frames, glance_frames=glanced, centres=where)
    assert torch.allclose(loss, F.cross_entropy(looks.logits, labels), atol=1e-5)
