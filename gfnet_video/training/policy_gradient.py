"""Learning where to look by reinforcement, from class labels alone.

For each video several patch tracks are drawn from a Gaussian around the policy's centres. A patch's reward is the
log-confidence in the true class that the glances so far and this one patch give. Its advantage is measured against
the other tracks' patches in the same frame: a contrastive reward as in GFNet's T-PAMI version (arXiv 2201.03014),
with the leave-one-out mean (Kool et al., 2019) in the place of a critic. One update per batch, so that PPO's ratio is 1
and its clip idle: the gradient is REINFORCE's.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gfnet_video.model import GFNet
from gfnet_video.training.dice import normal
from gfnet_video.training.distributed import std_of


def policy_loss(
    model: GFNet,
    frames: Tensor,
    labels: Tensor,
    *,
    sigma: float,
    tracks: int,
    generator: torch.Generator,
    glance_frames: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Loss of one batch and the mean reward. frames (B,T,3,H,W), labels (B,); sigma in units of centres.

    A patch that the clip shares is one draw a clip, judged by the whole clip.
    """
    assert model.policy is not None
    with torch.no_grad():
        seen, _ = model.glance(frames if glance_frames is None else glance_frames)
    means, _ = model.policy(seen.map, None)  # (B,T,2)
    shared = model.config.patch == "shared"
    means = means[:, -1:] if shared else means  # (B,A,2), A draws a clip
    noise = normal(tracks, *means.shape, clips=1, generator=generator).to(means)
    drawn = means.detach() + sigma * noise  # (M,B,A,2)
    judge = _clip_rewards if shared else _rewards
    reward = judge(model, frames, labels, seen.logits, drawn.clamp(0, 1))  # (M,B,A)
    advantage = leave_one_out(reward)
    advantage = advantage / (std_of(advantage) + 1e-5)
    log_prob = -((drawn - means) ** 2).sum(-1) / (2 * sigma**2)
    return -(log_prob * advantage).mean(), reward.mean()


def leave_one_out(reward: Tensor) -> Tensor:
    """reward (M,...) of M tracks minus the mean of the other M - 1."""
    others = (reward.sum(0, keepdim=True) - reward) / (reward.shape[0] - 1)
    return reward - others


@torch.no_grad()
def _rewards(model: GFNet, frames: Tensor, labels: Tensor, glance: Tensor, centres: Tensor) -> Tensor:
    m, b, t = centres.shape[:3]
    many = frames.expand(m, *frames.shape).flatten(0, 1)  # (M*B,T,3,H,W)
    patch, _ = model.focus(many, centres.flatten(0, 1))
    counts = torch.arange(1, t + 1, device=glance.device, dtype=glance.dtype)
    so_far = glance.cumsum(1) / counts[None, :, None]  # (B,T,K)
    scores = (so_far + patch.logits.unflatten(0, (m, b))).log_softmax(-1)
    rewards: Tensor = scores.gather(-1, labels[None, :, None, None].expand(m, b, t, 1)).squeeze(-1)
    return rewards


@torch.no_grad()
def _clip_rewards(model: GFNet, frames: Tensor, labels: Tensor, glance: Tensor, centres: Tensor) -> Tensor:
    """(M,B,1): log-confidence in the true class of the whole clip, one patch window at centres (M,B,1,2)."""
    m, b = centres.shape[:2]
    many = frames.expand(m, *frames.shape).flatten(0, 1)  # (M*B,T,3,H,W)
    patch, _ = model.focus(many, centres.flatten(0, 1).expand(-1, frames.shape[1], -1))
    scores = (glance.mean(1) + patch.logits.mean(1).unflatten(0, (m, b))).log_softmax(-1)  # (M,B,K)
    rewards: Tensor = scores.gather(-1, labels[None, :, None].expand(m, b, 1))
    return rewards
