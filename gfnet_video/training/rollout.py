"""What a policy does in image mode: it draws a patch, and what the focus sees there is what the next is chosen by.

GFNet's second stage (arXiv 2010.05300): the networks stand still, and only the policy learns of what it is paid.

Letters: B images, M tracks, N = M*B rows, F focus looks, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gfnet_video.model import GFNet
from gfnet_video.nn.actor_policy import ActorPolicy
from gfnet_video.nn.aggregator import evidence_of
from gfnet_video.training.dice import normal, uniform
from gfnet_video.training.rewards import Glanced, of_true_class


@dataclass(frozen=True)
class Acted:
    """Turn by turn: the `maps` (N,F,C,h,w) that the policy read, the centres `drawn` (N,F,2), perhaps beyond an edge,
    where the patch ends, and the `reward` (N,F)."""

    maps: Tensor
    drawn: Tensor
    reward: Tensor


@torch.no_grad()
def act(
    model: GFNet, seen: Glanced, *, reward: str, sigma: float, tracks: int = 1, generator: torch.Generator
) -> Acted:
    """Draw every look's patch around the policy's centre, so many tracks of an image, each with a policy's memory and
    evidence of its own. Rows are those of all images for the first track, then for the next.

    reward: the gain in the true class's confidence over the step before ("increment") or over a random patch at the
    same step, which leaves no trace ("contrastive"), or the log-confidence after the step ("alone").
    """
    assert isinstance(model.policy, ActorPolicy)
    shape, rows = (tracks, len(seen.labels), model.config.looks, 2), torch.arange(len(seen.labels)).repeat(tracks)
    noise = normal(*shape, clips=1, generator=generator).flatten(0, 1).to(seen.frames)
    others = uniform(*shape, clips=1, generator=generator).flatten(0, 1).to(seen.frames)
    evidence, logits = model.aggregate(None, glance=evidence_of(lambda x: x[rows], seen.glance))
    frames, read, memory = seen.frames[rows], seen.maps[rows], None
    maps, drawn, said, aside = list[Tensor](), list[Tensor](), [logits], list[Tensor]()
    for own, other in zip(noise.split(1, 1), others.split(1, 1), strict=True):
        maps.append(model.policy.fitted(read))
        mean, memory = model.policy(maps[-1], memory)
        drawn.append(mean + sigma * own)
        if reward == "contrastive":
            patch, _ = model.focus(frames, other)
            aside.append(model.aggregate(evidence, focus=patch, centres=other)[1])
        where = drawn[-1].clamp(0, 1)
        patch, _ = model.focus(frames, where)
        evidence, logits = model.aggregate(evidence, focus=patch, centres=where)
        read = patch.map
        said.append(logits)
    paid = _paid(reward, torch.cat(said, 1), aside, seen.labels[rows])
    return Acted(torch.cat(maps, 1), torch.cat(drawn, 1), paid)


def _paid(reward: str, said: Tensor, aside: list[Tensor], labels: Tensor) -> Tensor:
    """Rewards (N,F) of steps that said (N,1+F,K), beside which random patches said the F of `aside` (N,1,K)."""
    if reward == "alone":
        return of_true_class(said[:, 1:].log_softmax(-1), labels)
    sure = of_true_class(said.softmax(-1), labels)  # (N,1+F)
    if reward == "increment":
        return sure.diff(dim=1)
    return sure[:, 1:] - of_true_class(torch.cat(aside, 1).softmax(-1), labels)
