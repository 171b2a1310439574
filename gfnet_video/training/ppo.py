"""Learning where to look by proximal policy optimisation (Schulman et al., 2017, arXiv 1707.06347), as GFNet does.

An action is a patch's centre, drawn from a Gaussian of fixed width around the policy's; a critic on the policy's
recurrent state says what return to expect, and is thrown away when the stage ends. Numbers are those of GFNet's and
AdaFocus' published code (arXiv 2010.05300, 2105.03245). Two things differ:

- A draw beyond an edge keeps its own density, and the crop alone clips it; GFNet evaluates the density of the clipped
  draw. Our centres are not squashed by a sigmoid and may lie beyond an edge: there every clipped draw lies on the same
  side of the mean, so that its gradient would tell of the edge and not of the reward.
- There is no entropy term: that of a Gaussian of fixed width is constant, and its gradient zero.

Letters: B videos, T' frames of the glance, A decisions a clip: T', or 1 where the clip shares its patch; in image mode
the focus looks, which are taken one after the other.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gfnet_video.config import StageConfig
from gfnet_video.model import GFNet
from gfnet_video.nn.actor_policy import ActorPolicy
from gfnet_video.nn.policy import Policy
from gfnet_video.training.dice import normal, uniform
from gfnet_video.training.distributed import mean_of, std_of
from gfnet_video.training.rewards import Glanced, contrastive, increment
from gfnet_video.training.rollout import act

DISCOUNT = 0.7  # of the next frame's reward
CLIP = 0.2  # how far a draw's odds may move from 1 and still count
VALUE = 0.5  # weight of the critic's loss


class Critic(nn.Module):
    """The return to expect after each frame: two layers on the mean and the maximum of the policy's hidden map.

    It starts at zero everywhere, so that the first advantages are the returns.
    """

    def __init__(self, hidden: int, width: int = 64) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2 * hidden, width), nn.ReLU(), nn.Linear(width, 1))
        nn.init.zeros_(self.layers[2].weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.layers[2].bias)  # type: ignore[arg-type]

    def forward(self, states: Tensor) -> Tensor:
        """states (B,A,hidden,h,w), or without cells (B,A,hidden) -> (B,A)."""
        states = states if states.ndim == 5 else states[..., None, None]
        seen = torch.cat([states.mean((-2, -1)), states.amax((-2, -1))], -1)
        value: Tensor = self.layers(seen).squeeze(-1)
        return value


def ppo_losses(
    model: GFNet, critic: Critic, seen: Glanced, stage: StageConfig, *, sigma: float, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """`stage.updates` losses of one batch of draws, each with the batch's mean reward.

    The weights are to be updated by each loss before the next is asked for. sigma: in units of centres.
    """
    if model.config.image:
        acted = act(model, seen, reward=stage.reward, sigma=sigma, generator=generator)
        maps, drawn, reward = acted.maps, acted.drawn, acted.reward
        means, values = decide(model, critic, maps)
    else:
        maps = seen.maps
        means, values = decide(model, critic, maps)
        drawn, reward = _judged(model, seen, means.detach(), stage, sigma, generator)
    old, goal = means.detach(), standardised(returns(reward))
    for turn in range(stage.updates):
        if turn:
            means, values = decide(model, critic, maps)
        odds = (log_density(drawn, means, sigma) - log_density(drawn, old, sigma)).exp()
        yield clipped_loss(odds, goal - values.detach()) + VALUE * F.mse_loss(values, goal), reward.mean()


def _judged(
    model: GFNet, seen: Glanced, means: Tensor, stage: StageConfig, sigma: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Patches drawn around the means (B,A,2), all of a clip at once, and their rewards (B,A)."""
    drawn = means + sigma * normal(*means.shape, clips=0, generator=generator).to(means)
    others = uniform(*means.shape, clips=0, generator=generator).to(means)
    taken = drawn.clamp(0, 1)
    if stage.reward == "contrastive":
        return drawn, contrastive(model, seen, taken, others)
    return drawn, increment(model, seen, taken)


def decide(model: GFNet, critic: Critic, maps: Tensor) -> tuple[Tensor, Tensor]:
    """The mean (B,A,2) and the value (B,A) of each decision, from the maps (B,T',C,h,w) that it is made by."""
    assert isinstance(model.policy, Policy | ActorPolicy)
    means, states, state = [], [], None
    for one in model.policy.in_turn(maps.split(1, 1)):  # frame by frame, for the state after each
        mean, state = model.policy(one, state)
        means.append(mean)
        states.append(state)
    means, states = list(model.policy.in_turn(means)), list(model.policy.in_turn(states))
    last = slice(-1 if model.config.patch == "shared" else 0, None)
    return torch.cat(means, 1)[:, last], critic(torch.stack(states[last], 1))


def returns(reward: Tensor) -> Tensor:
    """Rewards (B,A) from each decision on, discounted by DISCOUNT a step.

    >>> [round(x, 3) for x in returns(torch.tensor([[1.0, 0.0, 2.0]]))[0].tolist()]
    [1.98, 1.4, 2.0]
    """
    turns = torch.arange(reward.shape[1], device=reward.device)
    ahead = turns[:, None] - turns  # (A,A), how many decisions the row comes after the column
    return reward @ torch.where(ahead >= 0, DISCOUNT ** ahead.clamp(min=0).to(reward), 0.0)


def standardised(values: Tensor) -> Tensor:
    """values of the whole batch at mean 0 and deviation 1, as GFNet feeds returns to actor and critic."""
    spread = std_of(values).nan_to_num(0.0)  # of a single value: none
    return (values - mean_of(values)) / (spread + 1e-5)


def log_density(drawn: Tensor, means: Tensor, sigma: float) -> Tensor:
    """Of drawn (B,A,2) under the Gaussian around means, up to a constant: (B,A)."""
    return -((drawn - means) ** 2).sum(-1) / (2 * sigma**2)


def clipped_loss(odds: Tensor, advantage: Tensor) -> Tensor:
    """PPO's objective, negated: the worse of odds (B,A) and clipped odds, times the advantage (B,A)."""
    return -torch.minimum(odds * advantage, odds.clamp(1 - CLIP, 1 + CLIP) * advantage).mean()
