"""Learning where to look from proposals that are spread over the whole frame, from class labels alone.

Each frame gets a few patches, drawn evenly over all places where a patch may lie and a little beyond, and each is
judged by what it adds: the log-odds of the true class. The policy then climbs the reward smoothed by a Gaussian around
its centre, whose gradient such proposals estimate without bias (importance sampling with an even proposal: off-policy
REINFORCE). Draws around the policy's own centres, as REINFORCE and PPO take them, learn little while the policy is far
from anything; proposals also see what it has missed. Log-odds, because a confidence stands still where the model is
sure already, and on training clips it soon is.

Or the places are judged by the activation of whole frames (training/activation.py), which looks at no patch: any number
of proposals then costs one pass of the focus network. In whole frames it compares what moves with what rests; a patch
that shows half of the object convinces it as well as one that shows all, so looks tell less of where.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from gfnet_video.model import GFNet
from gfnet_video.nn.policy import Policy
from gfnet_video.training.activation import activation_at
from gfnet_video.training.dice import uniform
from gfnet_video.training.rewards import Glanced, odds_alone

BEYOND = 0.25  # in centres
FLOOR = 0.1  # of a frame's deviation of rewards: below it nothing is at stake


def proposals_loss(
    model: GFNet,
    seen: Glanced,
    *,
    sigma: float,
    tracks: int,
    generator: torch.Generator,
    dropout: float = 0.0,
    reward: str = "alone",
) -> tuple[Tensor, Tensor]:
    """Loss of one batch and the mean reward of the policy's own patches.

    sigma: width of the smoothing, in units of centres; tracks: proposals for each patch; dropout: as `centres` takes
    it; reward: "alone" or "activation". A patch that the clip shares is one decision a clip, judged by the whole clip.
    """
    means = model.decisions(centres(model.policy, seen.maps, dropout, generator))  # (B,A,2), A decisions a clip
    drawn = spread_evenly(tracks, means, generator)  # (M,B,A,2)
    places = torch.cat([means.detach()[None], drawn])
    own, *judged = odds_alone(model, seen, places) if reward == "alone" else activation_at(model, seen, places)
    others = torch.stack(judged)  # (M,B,A)
    advantage = others - others.mean(0)
    if reward == "alone":  # log-odds of some frames spread far; an activation says by itself what is at stake
        advantage = advantage / (others.std(0) + FLOOR)
    near = (-((drawn - means) ** 2).sum(-1) / (2 * sigma**2)).exp()
    return -(near * advantage).mean(), own.mean()


def centres(policy: nn.Module | None, maps: Tensor, dropout: float, generator: torch.Generator) -> Tensor:
    """The policy's centres (B,T,2) for maps (B,T,C,h,w), while a share `dropout` of the channels that it reads is left
    out of each frame: whole channels, for neighbouring cells know the same (arXiv 1411.4280)."""
    assert policy is not None
    if not dropout:
        return cast(Tensor, policy(maps, None)[0])
    assert isinstance(policy, Policy)  # the only one that learns from proposals
    x = policy.squeezed(maps)
    kept = uniform(*x.shape[:3], 1, 1, clips=0, generator=generator).to(x) >= dropout
    return policy.read(x * kept / (1 - dropout), None)[0]


def spread_evenly(count: int, means: Tensor, generator: torch.Generator) -> Tensor:
    """Places (count,B,A,2), each uniform in the square and BEYOND its edges, all of a decision spread over it.

    Beyond the edges lies what stands nearer to a frame's edge than half a patch; the patch ends at the edge. Without
    such proposals nothing would draw a centre outwards, and the smoothed reward would lie too far inside.

    They are one random point moved on by equal steps of a lattice (Cranley and Patterson, 1976; steps of the golden
    ratio's kin in two dimensions).
    """
    start = uniform(*means.shape, clips=0, generator=generator).to(means)
    steps = means.new_tensor([0.7548776662, 0.5698402910]) * torch.arange(count, device=means.device)[:, None]
    return (start + steps[:, None, None]) % 1.0 * (1 + 2 * BEYOND) - BEYOND
