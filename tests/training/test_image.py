"""GFNet's own setting learns: its loss and rewards by hand, tasks whose answers are known, runs that are killed."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gfnet_video.config import Config, StageConfig, TrainConfig
from gfnet_video.errors import ConfigError
from gfnet_video.inference.batch import run_batch
from gfnet_video.model import GFNet
from gfnet_video.nn.actor_policy import ActorPolicy
from gfnet_video.nn.exit_rule import ExitRule
from gfnet_video.records import Features
from gfnet_video.training import ppo, trainer
from gfnet_video.training.dice import Dice
from gfnet_video.training.learning import start_learning
from gfnet_video.training.losses import image_loss
from gfnet_video.training.optim import open_parts
from gfnet_video.training.policy_gradient import policy_loss
from gfnet_video.training.ppo import Critic, decide, ppo_losses
from gfnet_video.training.rewards import Glanced, glance_at
from gfnet_video.training.rollout import act
from gfnet_video.training.step import Seen, Turn, losses
from tests import models
from tests.training import test_trainer

KINDS = ("gru_steps", "gru_steps_own_first", "cascade")
LABELS = torch.tensor([0, 3, 1])
WARM = StageConfig("warm-up", 1, 3e-3, "random", batch=4)
PPO = StageConfig("policy", 1, 3e-3, "sampled", train=("policy",), batch=4, learner="ppo", reward="contrastive")
TUNE = StageConfig("fine-tune", 1, 1e-3, "policy", batch=4)


@cache
def _made(**changes: object) -> GFNet:
    model = models.model(**vars(models.image(**changes)))
    with torch.no_grad():
        for classifier in (m for m in model.aggregator.modules() if isinstance(m, nn.Linear)):
            classifier.weight.mul_(0.05)  # of many features: else no step doubts
    return model


def made(dtype: torch.dtype = torch.float32, **changes: object) -> GFNet:
    return deepcopy(_made(**changes)).to(dtype)


def images(dtype: torch.dtype = torch.float32) -> Tensor:
    return models.frames(3, 1, dtype)


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_walking_and_executed_exits_are_forward(kind: str) -> None:
    model, clip = made(torch.float64, aggregator=kind), images(torch.float64)
    looks = model(clip)
    assert looks.step_logits.shape == (3, 3, models.CLASSES) and looks.step_logits.std(1).min() > 1e-3
    walked = list(model.walk(clip.unbind(1)))
    assert torch.allclose(torch.stack([s.logits for s in walked], 1), looks.step_logits, atol=1e-9)
    sure = looks.step_logits[:, 1].softmax(-1).amax(-1)
    rule = ExitRule((1.0,) * 3, (2.0, float(sure.mean()), 2.0))
    for seats in (None, 2):
        left = run_batch(model, clip, rule, seats=seats)
        assert left.steps.equal(rule.exits(looks.step_logits)) and 1 in left.steps
        assert torch.allclose(left.logits, looks.step_logits[torch.arange(3), left.steps], atol=1e-9)


# -- the loss of stages one and three -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_is_of_every_step_and_of_every_look_by_itself(kind: str) -> None:
    model, clip, centres = made(torch.float64, aggregator=kind), images(torch.float64), torch.rand(2, 3, 2, 2).double()
    weights = torch.tensor([0.5, 1.0, 1.0, 2.0, 1.0])
    found = image_loss(model, clip, LABELS, centres, own=False, auxiliary=0.3, weights=weights)
    with torch.no_grad():
        expected = []
        for track in centres:
            said = model(clip, centres=track).step_logits
            patches = model.focus(clip.expand(-1, 2, -1, -1, -1), track)[0].logits
            alone = torch.cat([model.glance(clip)[0].logits, patches], 1)
            for step in range(3):
                each = [F.cross_entropy(x[:, step], LABELS, reduction="none") for x in (said, alone)]
                expected.append(((each[0] + 0.3 * each[1]) * weights[LABELS]).mean())
    assert torch.allclose(found, torch.stack(expected).mean(), atol=1e-9)


def test_fine_tuning_looks_where_the_policy_does_and_teaches_it_nothing() -> None:
    model, clip = made(torch.float64), images(torch.float64)
    with torch.no_grad():
        centres = model(clip).centres
    assert centres.std() > 1e-3
    still = torch.zeros(1, 3, 2, 2).double()
    found = image_loss(model, clip, LABELS, still, own=True, auxiliary=1.0)
    assert torch.allclose(found, image_loss(model, clip, LABELS, centres[None], own=False, auxiliary=1.0), atol=1e-9)
    found.backward()
    learned = {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None}
    assert learned == {"glance_net", "focus_net", "aggregator"}


# -- stage two ------------------------------------------------------------------------------------------------------


def rolled(model: GFNet, reward: str, tracks: int = 1) -> tuple[Glanced, Tensor, Tensor, Tensor]:
    seen = glance_at(model, images(torch.float64), LABELS)
    dice = torch.Generator().manual_seed(4)
    acted = act(model, seen, reward=reward, sigma=0.2, tracks=tracks, generator=dice)
    return seen, acted.maps, acted.drawn, acted.reward


@pytest.mark.parametrize("sides", [(32, 32), (48, 32)])
def test_patches_are_drawn_around_the_policys_own_and_odds_begin_at_one(
    sides: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a patch's map has other cells than the glance's."""
    look = models.image().glance
    model = made(torch.float64, glance=replace(look, side=sides[0]), focus=replace(look, side=sides[1]))
    seen, maps, drawn, _ = rolled(model, "increment")
    assert maps.shape == (3, 2, model.glance_net.backbone.last_channels, sides[0] // 16, sides[0] // 16)
    noise = torch.randn(1, 3, 2, 2, generator=torch.Generator().manual_seed(4))[0].double()
    critic = Critic(8).double()
    means, values = decide(model, critic, maps)
    assert torch.allclose(drawn, means + 0.2 * noise, atol=1e-12) and values.shape == (3, 2)
    with torch.inference_mode():  # the policy's memory is that of the draws before
        looks = model(images(torch.float64), centres=drawn.clamp(0, 1)[:, :1].expand(-1, 2, -1))
    first, _ = model.locate(seen.maps)
    assert torch.allclose(means[:, :1], first, atol=1e-12) and looks.step_logits.isfinite().all()
    odds = list[Tensor]()
    standing = ppo.clipped_loss
    monkeypatch.setattr(ppo, "clipped_loss", lambda *args: odds.append(args[0].detach()) or standing(*args))
    optimiser = torch.optim.Adam(model.policy.parameters(), lr=0.01)  # type: ignore[union-attr]
    twice = replace(PPO, updates=2)
    for loss, _ in ppo_losses(model, critic, seen, twice, sigma=0.2, generator=torch.Generator()):
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert torch.equal(odds[0], torch.ones_like(odds[0])) and not torch.allclose(odds[1], odds[0], atol=1e-3)
    rest = (*model.glance_net.parameters(), *model.focus_net.parameters(), *model.aggregator.parameters())  # type: ignore
    assert all(p.grad is None for p in rest)


@pytest.mark.parametrize("kind", KINDS)
def test_rewards_are_those_of_the_models_steps_and_a_random_patch_leaves_no_trace(kind: str) -> None:
    model = made(torch.float64, aggregator=kind)
    _, maps, drawn, gained = rolled(model, "increment")
    _, same_maps, same_drawn, beside = rolled(model, "contrastive")
    assert torch.equal(maps, same_maps) and torch.equal(drawn, same_drawn)
    dice = torch.Generator().manual_seed(4)
    torch.randn(1, 3, 2, 2, generator=dice)
    others = torch.rand(1, 3, 2, 2, generator=dice)[0].double()
    clip, taken = images(torch.float64), drawn.clamp(0, 1)

    def sure(centres: Tensor) -> Tensor:
        with torch.inference_mode():
            return model(clip, centres=centres).step_logits.softmax(-1)[torch.arange(3), :, LABELS]

    assert torch.allclose(gained, sure(taken).diff(dim=1), atol=1e-9)
    for step in range(2):
        mixed = torch.where(torch.arange(2)[:, None] == step, others, taken)
        expected = sure(taken)[:, step + 1] - sure(mixed)[:, step + 1]
        assert torch.allclose(beside[:, step], expected, atol=1e-9) and expected.abs().max() > 1e-4


def test_tracks_of_an_image_go_their_own_ways() -> None:
    model = made(torch.float64)
    _, _, drawn, paid = rolled(model, "alone", tracks=2)
    clip = images(torch.float64).repeat(2, 1, 1, 1, 1)
    with torch.inference_mode():
        said = model(clip, centres=drawn.clamp(0, 1)).step_logits.log_softmax(-1)
    assert torch.allclose(paid, said[torch.arange(6), 1:, LABELS.repeat(2)], atol=1e-9)
    assert not torch.allclose(paid[:3], paid[3:], atol=1e-3)


class BrightSpot:
    """Images of one bright spot, seen in every map; a patch tells the class the better, the nearer it lies to it."""

    def __init__(self, videos: int = 64) -> None:
        self.target = 0.15 + 0.7 * torch.rand(videos, 2, generator=torch.Generator().manual_seed(9))
        axis = (torch.arange(8) + 0.5) / 8
        apart = (axis[:, None] - self.target[:, 0, None, None]) ** 2 + (axis - self.target[:, 1, None, None]) ** 2
        spot = torch.exp(-apart / 0.02)
        planes = [spot, *(x[:, None, None].expand_as(spot) for x in self.target.unbind(1))]
        frames = torch.stack(planes, 1)[:, None]  # (B,1,3,8,8): the spot, and where it is
        nothing = Features(torch.zeros(videos, 1, 1, 0, 0), torch.zeros(videos, 1, 1), torch.zeros(videos, 1, 5))
        self.seen = Glanced(frames, torch.zeros(videos).long(), frames[:, :, :1], nothing)

    def focus(self, frames: Tensor, centres: Tensor) -> tuple[Features, tuple[()]]:
        apart = (centres - frames[:, :, 1:, 0, 0]).norm(dim=-1)
        return Features(frames[:, :, :1], apart[..., None], F.pad((2 - 4 * apart)[..., None], (0, 4))), ()

    def aggregate(
        self, evidence: Tensor | None, *, glance: Features | None = None, focus: Features | None = None, **_: object
    ) -> tuple[Tensor, Tensor]:
        said = (glance or focus).logits + (0 if evidence is None else evidence)  # type: ignore[union-attr]
        return said, said


@pytest.mark.parametrize(("learner", "reward"), [("ppo", "increment"), ("ppo", "contrastive"), ("reinforce", "alone")])
@pytest.mark.parametrize("policy", ["gfnet", "gfnet_conv"])
def test_the_policy_finds_what_is_rewarded(
    policy: str, learner: str, reward: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, task, critic = made(), BrightSpot(), Critic(16)
    torch.manual_seed(1)
    model.policy = ActorPolicy(policy, 1, cells=8, frames=1, hidden=16)
    monkeypatch.setattr(model, "focus", task.focus)
    monkeypatch.setattr(model, "aggregate", task.aggregate)
    optimiser = torch.optim.Adam([*model.policy.parameters(), *critic.parameters()], lr=0.003)

    def distance() -> float:
        centres, _ = model.locate(task.seen.maps.expand(-1, 2, -1, -1, -1))
        return float((centres - task.target[:, None]).norm(dim=-1).mean().detach())

    before, stage = distance(), replace(PPO, reward="increment" if learner == "reinforce" else reward)
    for turn in range(120):
        if turn % 10 == 0 and distance() < 0.6 * before:
            return
        dice = torch.Generator().manual_seed(turn)
        found = [policy_loss(model, task.seen, sigma=0.2, tracks=4, generator=dice)] if learner == "reinforce" else None
        for loss, _ in found or ppo_losses(model, critic, task.seen, stage, sigma=0.2, generator=dice):
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    assert distance() < 0.6 * before


# -- all of it ------------------------------------------------------------------------------------------------------


def stripes(count: int, seed: int) -> Seen:
    """Pictures of 48 pixels with a light square of 12 somewhere, whose fine stripes lie or stand: that is the class,
    of which a glance at 24 pixels sees nothing."""
    dice = torch.Generator().manual_seed(seed)
    pixels = 0.2 * torch.randn(count, 1, 3, 48, 48, generator=dice)
    labels = torch.randint(2, (count,), generator=dice)
    corners = torch.randint(48 - 12 + 1, (count, 2), generator=dice)
    lines = 1.5 * (torch.arange(12) % 2 * 2 - 1).expand(12, 12)
    for picture, label, (y, x) in zip(pixels, labels.tolist(), corners.tolist(), strict=True):
        picture[0, :, y : y + 12, x : x + 12] = 1 + (lines if label else lines.T)
    return Seen(pixels, labels, ((corners + 6) / 48)[:, None])


@pytest.mark.parametrize("kind", ["gru_steps", "cascade"])
def test_every_stage_learns_from_pictures(kind: str) -> None:
    torch.manual_seed(0)
    look = replace(models.image().glance, side=24, stride=8, pool="max_mean")
    small = {"frame_side": 48, "glance": look, "focus": look, "policy_hidden": 32}
    model = GFNet(models.image(classes=2, aggregator=kind, **small))
    shown, kept = stripes(256, 0), stripes(128, 1)

    def mean_loss(stage: StageConfig, steps: int) -> list[float]:
        open_parts(model, stage)
        learning, found = start_learning(model, stage, 0.01, 0), []
        for i in range(steps):
            rows = torch.randperm(256, generator=torch.Generator().manual_seed(i))[: stage.batch]
            seen = Seen(shown.frames[rows], shown.labels[rows], shown.places[rows])
            for loss, _ in losses(learning, Turn(stage, i / steps, None, Dice.seeded(i)), seen):
                learning.step(loss, 5.0)
                found.append(float(loss.detach()))
        return [sum(part) / 5 for part in (found[:5], found[-5:])]

    def right(centres: Tensor) -> float:
        with torch.inference_mode():
            return float((model.eval()(kept.frames, centres=centres).logits.argmax(-1) == kept.labels).double().mean())

    first, last = mean_loss(replace(WARM, batch=32), 30)
    assert last < 0.75 * first
    there = model.aim(kept.places)
    assert right(there) > 0.8 and right(there) > right(1 - there) + 0.1  # by what the patches show
    before = {k: v.clone() for k, v in model.state_dict().items()}
    mean_loss(replace(PPO, batch=32), 3)
    assert {k.split(".")[0] for k, v in model.state_dict().items() if not torch.equal(v, before[k])} == {"policy"}
    again, tuned = mean_loss(replace(TUNE, batch=32, auxiliary=0.5), 10)
    assert tuned < again


@pytest.mark.parametrize("where", ["centre", "random", "oracle"])
def test_controls_learn_and_look_where_they_say(where: str) -> None:
    """In the policy's place, with the same looks; an oracle's centres are forced."""
    model, seen = made(where=where), Seen(images(), LABELS, torch.rand(3, 1, 2))
    stage = replace(WARM, patches=where)
    with torch.no_grad():
        centres = model.aim(seen.places) if where == "oracle" else None
        looks = model(seen.frames, centres=centres)
        expected = (
            looks.centres if where != "random" else torch.rand(3, 2, 2, generator=torch.Generator().manual_seed(0))
        )
        loss = image_loss(model, seen.frames, LABELS, expected[None], own=False, auxiliary=0.5)
        (found, _), *_ = losses(start_learning(model, stage, 0.0, 0), Turn(stage, 0.0, None, Dice.seeded(0)), seen)
    assert torch.allclose(found, loss)
    assert where != "centre" or torch.equal(looks.centres, torch.full((3, 2, 2), 0.5))
    assert where != "oracle" or torch.equal(looks.centres, model.aim(seen.places))


def run(folder: Path, kill_at: tuple[int, ...] = (), **changes: object) -> GFNet:
    how = Config("mini", models.image("test_resnet", **changes), TrainConfig((WARM, replace(PPO, updates=2), TUNE)))
    return test_trainer.trained(folder, kill_at, how)


def test_killed_and_resumed_is_uninterrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "SAVE_EVERY", 0.0)
    sides = {"patch_sides": (24, 32)}  # drawn for each batch
    whole, broken = run(tmp_path / "whole", **sides), run(tmp_path / "broken", (5, 4), **sides)
    start = test_trainer.fresh(models.image("test_resnet")).state_dict()
    for name, value in whole.state_dict().items():
        assert torch.equal(value, broken.state_dict()[name]), name
    moved = {name.split(".")[0] for name, value in whole.state_dict().items() if not torch.equal(value, start[name])}
    assert moved == {"glance_net", "focus_net", "policy", "aggregator"}


@pytest.mark.parametrize(
    ("model", "stage", "words"),
    [
        (
            {},
            {"learner": "proposals", "reward": "alone", "tracks": 2},
            "learner proposals; in image mode .* ppo or",
        ),
        (
            {},
            {"learner": "end_to_end", "patches": "policy", "train": ("policy", "focus"), "reward": "alone"},
            "has learner end_to_end; in image mode",
        ),
        (
            {"aggregator": "cascade", "aggregator_hidden": 8},
            {},
            "aggregator_hidden is 8; aggregator cascade has",
        ),
        ({"glance": replace(models.image().glance, stride=32)}, {}, "give both looks the same"),
        ({"policy": "adafocus"}, {}, "image mode .* takes policy gfnet or gfnet_conv"),
    ],
)
def test_what_does_not_go_together_is_refused(model: dict[str, object], stage: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Config("mini", models.image(**model), TrainConfig((replace(PPO, **stage),)))


def test_adafocus_policies_are_run_and_not_trained() -> None:
    shared = {"policy": "adafocus", "patch": "shared", "order": "glance_first"}
    with pytest.raises(ConfigError, match="policy is adafocus, a published one, which is run and not trained; train"):
        Config("mini", models.config(**shared), TrainConfig((WARM,)))
