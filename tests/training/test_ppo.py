"""PPO: its objective by hand, a task whose answer is known, and runs that are killed in the middle of its stage."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from gfnet_video.config import Config, StageConfig, TrainConfig
from gfnet_video.errors import ConfigError
from gfnet_video.model import GFNet
from gfnet_video.nn.policy import Policy
from gfnet_video.records import Features
from gfnet_video.training import ppo, proposals, trainer
from gfnet_video.training.ppo import Critic, clipped_loss, decide, ppo_losses, returns, standardised
from gfnet_video.training.proposals import BEYOND, centres, proposals_loss, spread_evenly
from gfnet_video.training.rewards import Glanced, contrastive, glance_at, increment
from tests import models
from tests.training import test_trainer
from tests.training.test_trainer import fresh

VIDEOS, FRAMES = 64, 3


def stage(reward: str = "contrastive", **changes: object) -> StageConfig:
    return StageConfig(
        "policy", 2, 1e-3, "sampled", train=("policy",), batch=4, learner="ppo", reward=reward, **changes
    )  # type: ignore[arg-type]


def test_returns_discount_what_comes_later() -> None:
    reward = torch.randn(2, 5)
    expected, later = [], torch.zeros(2)
    for t in reversed(range(5)):
        later = reward[:, t] + 0.7 * later
        expected.append(later)
    assert torch.allclose(returns(reward), torch.stack(expected[::-1], 1), atol=1e-6)
    found = standardised(3 + 5 * reward)
    assert found.mean().abs() < 1e-6 and found.std() == pytest.approx(1, abs=1e-4)
    assert torch.equal(standardised(torch.ones(1, 1)), torch.zeros(1, 1))  # the last of few clips


def test_odds_beyond_the_clip_teach_nothing_more_but_mistakes_are_undone() -> None:
    odds = torch.tensor([[1.3, 1.1, 0.7, 0.7, 1.3]], requires_grad=True)
    advantage = torch.tensor([[2.0, 2.0, -2.0, 2.0, -2.0]])
    clipped_loss(odds, advantage).backward()
    assert odds.grad is not None
    assert torch.allclose(odds.grad * 5, torch.tensor([[0.0, -2.0, 0.0, -2.0, 2.0]]))


@pytest.mark.parametrize("patch", ["per_frame", "shared"])
def test_decisions_are_the_models_own(patch: str) -> None:
    model, clip = models.model(order="glance_first", patch=patch), models.frames()
    seen = glance_at(model, clip, torch.tensor([0, 1]))
    critic = Critic(model.config.policy_hidden)
    means, values = decide(model, critic, seen.maps)
    whole = model.policy(seen.maps, None)[0]  # type: ignore[misc]
    assert torch.allclose(means, whole if patch == "per_frame" else whole[:, -1:], atol=1e-5)
    assert torch.equal(values, torch.zeros(means.shape[:2]))  # a critic expects nothing at first


def test_the_first_update_is_reinforce_with_a_critic() -> None:
    """Before any update the odds are 1: the gradient is that of log-density times advantage, draws beyond edges too."""
    model, critic = models.model(), Critic(8)
    torch.nn.init.normal_(critic.layers[2].weight)  # type: ignore[arg-type]
    seen = glance_at(model, models.frames(), torch.tensor([0, 1]))
    assert model.policy is not None
    weights = [*model.policy.parameters(), *critic.parameters()]
    loss, reward = next(
        ppo_losses(model, critic, seen, stage("increment"), sigma=0.4, generator=torch.Generator().manual_seed(3))
    )
    found = torch.autograd.grad(loss, weights)
    means, values = decide(model, critic, seen.maps)
    noise = torch.randn(means.shape, generator=torch.Generator().manual_seed(3))
    drawn = means.detach() + 0.4 * noise
    gained = increment(model, seen, drawn.clamp(0, 1))
    goal = standardised(returns(gained))
    log_density = torch.distributions.Normal(means, 0.4).log_prob(drawn).sum(-1)
    expected = -(log_density * (goal - values.detach())).mean() + 0.5 * F.mse_loss(values, goal)
    assert (drawn.clamp(0, 1) != drawn).any() and torch.equal(reward, gained.mean())
    for mine, plain in zip(found, torch.autograd.grad(expected, weights), strict=True):
        assert torch.allclose(mine, plain, atol=1e-5, rtol=1e-3)


def test_several_updates_share_one_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    model, critic, odds, judged = models.model(), Critic(8), list[Tensor](), list[Tensor]()
    assert model.policy is not None
    optimiser = torch.optim.Adam(model.policy.parameters(), lr=0.01)

    def watched(*args: Tensor) -> Tensor:
        odds.append(args[0].detach())
        return clipped_loss(*args)

    def counted(model: GFNet, seen: Glanced, centres: Tensor, others: Tensor) -> Tensor:
        judged.append(centres)
        return contrastive(model, seen, centres, others)

    monkeypatch.setattr(ppo, "clipped_loss", watched)
    monkeypatch.setattr(ppo, "contrastive", counted)
    seen = glance_at(model, models.frames(), torch.tensor([0, 1]))
    for loss, _ in ppo_losses(model, critic, seen, stage(updates=3), sigma=0.2, generator=torch.Generator()):
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert len(odds) == 3 and len(judged) == 1
    assert torch.equal(odds[0], torch.ones_like(odds[0])) and not torch.allclose(odds[1], odds[2], atol=1e-3)
    assert all(p.grad is None for p in (*model.glance_net.parameters(), *model.focus_net.parameters()))  # type: ignore


class BrightSpot:
    """Glance maps of one bright spot; a patch tells the class the better, the nearer it lies to the spot."""

    def __init__(self) -> None:
        place = 0.25 + 0.5 * torch.rand(VIDEOS, 1, 2, generator=torch.Generator().manual_seed(9))
        self.target = 2 * place.expand(-1, FRAMES, -1) - 0.5  # as a centre: a patch takes half of the side
        axis = (torch.arange(8) + 0.5) / 8
        apart = (axis[:, None] - place[..., 0, None, None]) ** 2 + (axis - place[..., 1, None, None]) ** 2
        maps = torch.exp(-apart / 0.02)[:, :, None].expand(-1, FRAMES, -1, -1, -1)
        nothing = torch.zeros(VIDEOS, FRAMES, models.CLASSES)
        labels = torch.zeros(VIDEOS, dtype=torch.long)
        glance = Features(torch.zeros(VIDEOS, FRAMES, 1, 0, 0), torch.zeros(VIDEOS, FRAMES, 1), nothing)
        self.seen = Glanced(torch.zeros(VIDEOS, FRAMES, 3, 1, 1), labels, maps, glance)

    def focus(
        self, frames: Tensor, centres: Tensor, state: object = None, *, branches: int = 1
    ) -> tuple[Features, tuple[()]]:
        apart = (centres.unflatten(0, (-1, VIDEOS)) - self.target).norm(dim=-1).flatten(0, 1)
        logits = F.pad((4 - 8 * apart)[..., None], (0, models.CLASSES - 1))
        return Features(torch.zeros(*apart.shape, 1, 1, 1), torch.zeros(*apart.shape, 1), logits), ()


@pytest.mark.parametrize("reward", ["increment", "contrastive"])
@pytest.mark.parametrize("patch", ["per_frame", "shared"])
def test_policy_finds_what_is_rewarded(monkeypatch: pytest.MonkeyPatch, patch: str, reward: str) -> None:
    model, task, critic = models.model(patch=patch, order="glance_first"), BrightSpot(), Critic(8)
    model.policy = Policy(1, hidden=8, room=0.5)
    for value in model.aggregator.parameters():
        torch.nn.init.zeros_(value)  # where a patch lies is no evidence here
    monkeypatch.setattr(model, "focus", task.focus)
    optimiser = torch.optim.Adam([*model.policy.parameters(), *critic.parameters()], lr=0.01)

    def distance() -> float:
        centres = model.spread(model.locate(task.seen.maps)[0], FRAMES)
        return float((centres - task.target).norm(dim=-1).detach().mean())

    before = distance()
    for turn in range(60):
        generator = torch.Generator().manual_seed(turn)
        for loss, _ in ppo_losses(model, critic, task.seen, stage(reward), sigma=0.25, generator=generator):
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    assert distance() < 0.65 * before


@pytest.mark.parametrize("patch", ["per_frame", "shared"])
def test_policy_finds_what_proposals_are_rewarded_for(monkeypatch: pytest.MonkeyPatch, patch: str) -> None:
    model, task = models.model(patch=patch, order="glance_first"), BrightSpot()
    model.policy = Policy(1, hidden=8, room=0.5)

    def odds(model: GFNet, seen: Glanced, centres: Tensor) -> Tensor:
        return -(centres - task.target[:, : centres.shape[2]]).norm(dim=-1)

    monkeypatch.setattr(proposals, "odds_alone", odds)
    optimiser = torch.optim.Adam(model.policy.parameters(), lr=0.01)

    def distance() -> float:
        centres = model.spread(model.locate(task.seen.maps)[0], FRAMES)
        return float((centres - task.target).norm(dim=-1).detach().mean())

    before = distance()
    for turn in range(60):
        loss, _ = proposals_loss(model, task.seen, sigma=0.4, tracks=4, generator=torch.Generator().manual_seed(turn))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert distance() < 0.5 * before


def test_a_patch_at_the_edge_is_as_good_as_one_inside() -> None:
    """Rewarded at an edge, where half of the Gaussian around the right centre lies outside, the policy goes there."""
    model = models.model(order="glance_first")
    chosen = torch.nn.Parameter(torch.full((VIDEOS, FRAMES, 2), 0.6))
    model.policy = Chooses(chosen)
    optimiser = torch.optim.Adam([chosen], lr=0.02)

    def odds(model: GFNet, seen: Glanced, centres: Tensor) -> Tensor:
        return 6 * torch.sigmoid(20 * (centres[..., 1] - 0.8))  # at the right edge

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(proposals, "odds_alone", odds)
        for turn in range(150):
            generator = torch.Generator().manual_seed(turn)
            loss, _ = proposals_loss(model, BrightSpot().seen, sigma=0.15, tracks=5, generator=generator)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    assert float((chosen[..., 1] > 0.95).float().mean()) > 0.9


class Chooses(torch.nn.Module):
    """A policy that looks at nothing."""

    def __init__(self, centres: Tensor) -> None:
        super().__init__()
        self.centres = centres

    def forward(self, maps: Tensor, state: None) -> tuple[Tensor, None]:
        return self.centres, None


def test_a_policy_does_without_whole_channels_of_a_frame() -> None:
    """What is left of them is scaled up, so that it reads as much in the mean."""

    class Recorded(Policy):
        def read(self, x: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
            self.given = x
            return super().read(x, state)

    policy, maps = Recorded(6, hidden=8, room=0.5), torch.randn(30, FRAMES, 6, 5, 5)
    whole = policy.squeezed(maps)
    assert centres(policy, maps, 0.25, torch.Generator().manual_seed(0)).shape == (30, FRAMES, 2)
    left_out = (policy.given == 0).all(-1).all(-1)
    alive = (whole != 0).any(-1).any(-1)  # not dark by itself
    assert 0.2 < float(left_out[alive].float().mean()) < 0.3
    assert torch.allclose(policy.given[~left_out], whole[~left_out] / 0.75)


def test_proposals_are_spread_evenly() -> None:
    drawn = spread_evenly(4, torch.zeros(500, 6, 2), torch.Generator().manual_seed(0))
    assert drawn.shape == (4, 500, 6, 2) and drawn.min() >= -BEYOND and drawn.max() < 1 + BEYOND
    assert torch.allclose(drawn.mean((1, 2)), torch.full((4, 2), 0.5), atol=0.03)
    apart = (drawn[:, None] - drawn[None]).abs() / (1 + 2 * BEYOND)
    apart = torch.minimum(apart, 1 - apart).norm(dim=-1)  # the square has no edge for a lattice
    assert min(float(apart[i, j].min()) for i in range(4) for j in range(i)) > 0.3


def trained(run: Path, kill_at: tuple[int, ...] = ()) -> GFNet:
    """A run of one PPO stage of six batches, dying after each of `kill_at` (counted in its attempt) and resuming."""

    def critic_is_kept() -> None:
        assert set(torch.load(run / "last.pt")["critic"]) == set(Critic(8).state_dict())

    how = Config("mini", models.config("test_resnet"), TrainConfig((stage(updates=2),)))
    return test_trainer.trained(run, kill_at, how, critic_is_kept)


def test_killed_and_resumed_is_uninterrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "SAVE_EVERY", 0.0)
    whole, broken, start = trained(tmp_path / "whole"), trained(tmp_path / "broken", kill_at=(5,)), fresh()
    for name, value in whole.state_dict().items():
        assert torch.equal(value, broken.state_dict()[name]), name
        moved = not torch.equal(value, start.state_dict()[name])
        assert moved == name.startswith("policy"), name
    assert torch.load(tmp_path / "broken" / "last.pt")["critic"] is None  # and goes with its stage
    assert set(whole.state_dict()) == set(start.state_dict())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learner": "pp"}, "unknown learner 'pp'; did you mean 'ppo'"),
        ({"reward": "increments"}, "unknown reward 'increments'; did you mean 'increment'"),
        ({"reward": "alone"}, "has learner ppo and reward alone; expected reward increment or contrastive"),
        ({"learner": "reinforce", "tracks": 2}, "has learner reinforce and reward increment; expected reward alone"),
        ({"tracks": 4}, "draws 4 tracks; ppo draws 1 and has a critic"),
        ({"patches": "random", "train": ("focus",)}, "has learner ppo and patches random; it needs sampled"),
        ({"policy_dropout": 0.1}, "has policy_dropout 0.1 and learner ppo; only a policy that learns from proposals"),
        ({"policy_dropout": 1.0}, "policy_dropout is 1.0; expected 0 to 0.9"),
        ({"updates": 0}, "updates is 0; expected at least 1"),
        ({"learner": "reinforce", "reward": "alone", "tracks": 2, "updates": 2}, "has 2 updates a batch; reinforce"),
    ],
)
def test_what_does_not_go_together_is_refused(changes: dict[str, object], message: str) -> None:
    made = {"patches": "sampled", "train": ("policy",), "learner": "ppo", "reward": "increment"} | changes
    with pytest.raises(ConfigError, match=message):
        StageConfig("policy", 1, 1e-3, **made)  # type: ignore[arg-type]
