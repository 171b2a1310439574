"""Learning where to look by reinforcement, from class labels alone.

For each video several patch tracks are drawn from a Gaussian around the policy's centres. A patch's reward is the
log-confidence in the true class that the glances so far and this one patch give. Its advantage is measured against
the other tracks' patches in the same frame: a contrastive reward as in GFNet's T-PAMI version (arXiv 2201.03014),
with the leave-one-out mean (Kool et al., 2019) in the place of a critic. One update per batch, so that PPO's ratio is 1
and its clip idle: the gradient is REINFORCE's.

In image mode a track's looks follow from each other: a patch is rewarded for the log-confidence after its step, and
measured against the same step of the other tracks.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gfnet_video.model import GFNet
from gfnet_video.training.dice import normal
from gfnet_video.training.distributed import std_of
from gfnet_video.training.rewards import Glanced, alone
from gfnet_video.training.rollout import act


def policy_loss(
    model: GFNet, seen: Glanced, *, sigma: float, tracks: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Loss of one batch and the mean reward; sigma in units of centres.

    A patch that the clip shares is one draw a clip, judged by the whole clip.
    """
    assert model.policy is not None
    if model.config.image:
        acted = act(model, seen, reward="alone", sigma=sigma, tracks=tracks, generator=generator)
        means = model.policy(acted.maps, None)[0].unflatten(0, (tracks, -1))  # (M,B,A,2), A looks
        drawn, reward = (x.unflatten(0, (tracks, -1)) for x in (acted.drawn, acted.reward))
    else:
        means = model.decisions(model.policy(seen.maps, None)[0])  # (B,A,2), A draws a clip
        noise = normal(tracks, *means.shape, clips=1, generator=generator).to(means)
        drawn = means.detach() + sigma * noise  # (M,B,A,2)
        reward = alone(model, seen, drawn.clamp(0, 1))  # (M,B,A)
    advantage = leave_one_out(reward)
    advantage = advantage / (std_of(advantage) + 1e-5)
    log_prob = -((drawn - means) ** 2).sum(-1) / (2 * sigma**2)
    return -(log_prob * advantage).mean(), reward.mean()


def leave_one_out(reward: Tensor) -> Tensor:
    """reward (M,...) of M tracks minus the mean of the other M - 1."""
    others = (reward.sum(0, keepdim=True) - reward) / (reward.shape[0] - 1)
    return reward - others
