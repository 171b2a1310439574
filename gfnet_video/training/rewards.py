"""What a policy is rewarded for: how sure of the true class its patches make the model.

Letters: B videos, T frames of the focus, T' of the glance, K classes, M tracks, A decisions a clip: T, or 1 where the
clip shares its patch.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gfnet_video.model import GFNet


@dataclass(frozen=True)
class Glanced:
    """A batch that has been glanced at: `frames` (B,T,3,H,W) for the focus, `labels` (B,), the glance's `maps`
    (B,T',C,h,w) and `logits` (B,T',K), both without gradients."""

    frames: Tensor
    labels: Tensor
    maps: Tensor
    logits: Tensor


@torch.no_grad()
def glance_at(model: GFNet, frames: Tensor, labels: Tensor, glance_frames: Tensor | None = None) -> Glanced:
    """The batch and what the glance sees in it, or in `glance_frames` where the glance has frames of its own."""
    seen, _ = model.glance(frames if glance_frames is None else glance_frames)
    return Glanced(frames, labels, seen.map, seen.logits)


# -- each patch by itself -------------------------------------------------------------------------------------------


@torch.no_grad()
def alone(model: GFNet, seen: Glanced, centres: Tensor) -> Tensor:
    """Log-confidence in the true class that the glances so far and this one patch give: centres (M,B,A,2) -> (M,B,A).

    A patch that the clip shares is judged by all glances and all of its looks.
    """
    m, b = centres.shape[:2]
    many = seen.frames.expand(m, *seen.frames.shape).flatten(0, 1)  # (M*B,T,3,H,W)
    patch, _ = model.focus(many, model.spread(centres.flatten(0, 1), many.shape[1]))
    if model.config.patch == "shared":
        scores = seen.logits.mean(1) + patch.logits.mean(1).unflatten(0, (m, b))  # (M,B,K)
        return _of_true_class(scores.log_softmax(-1)[:, :, None], seen.labels)
    counts = torch.arange(1, many.shape[1] + 1, device=many.device, dtype=seen.logits.dtype)
    so_far = seen.logits.cumsum(1) / counts[None, :, None]  # (B,T,K)
    return _of_true_class((so_far + patch.logits.unflatten(0, (m, b))).log_softmax(-1), seen.labels)


# -- the patches of a track together --------------------------------------------------------------------------------


@torch.no_grad()
def increment(model: GFNet, seen: Glanced, centres: Tensor) -> Tensor:
    """Confidence in the true class after each step less that of the step before: centres (B,A,2) -> (B,A).

    The reward of GFNet (arXiv 2010.05300). Before the first patch stands what the model says then: after the glance
    of the clip where that comes first, else nothing yet, 1 / K. In interleaved order a step's gain is its glance's
    too, which no patch has earned; the critic may learn to expect it.
    """
    where = model.spread(centres, seen.frames.shape[1])
    patch, _ = model.focus(seen.frames, where)
    steps = _before_and_after(model, seen.logits, patch.logits, where)
    if model.config.patch == "shared":
        steps = steps[:, [0, -1]]
    return _of_true_class(steps.softmax(-1), seen.labels).diff(dim=1)


@torch.no_grad()
def contrastive(model: GFNet, seen: Glanced, centres: Tensor, others: Tensor) -> Tensor:
    """Confidence in the true class with the policy's patch less that with another at the same step: centres and
    `others`, random ones, (B,A,2) -> (B,A).

    The reward of GFNet's T-PAMI version (arXiv 2201.03014), as AdaFocus has it. The other patch of a frame is an
    aside: it follows the policy's patches of the frames before, in the focus' shift buffers and in the evidence alike,
    and nothing of it remains in the frames after. One pass of the focus sees the patches of both.
    """
    shared = model.config.patch == "shared"
    where = torch.stack([model.spread(x, seen.frames.shape[1]) for x in (centres, others)])  # (2,B,T,2)
    frames = seen.frames.expand(2, *seen.frames.shape).flatten(0, 1)  # (2*B,T,3,H,W)
    patch, _ = model.focus(frames, where.flatten(0, 1), branches=1 if shared else 2)
    said = patch.logits.unflatten(0, where.shape[:2])  # (2,B,T,K)
    chosen = _before_and_after(model, seen.logits, said[0], where[0])[:, 1:]
    if shared:
        other = _before_and_after(model, seen.logits, said[1], where[1])[:, 1:]
        chosen, other = chosen[:, -1:], other[:, -1:]
    else:
        other = _with_asides(model, seen.logits, said, where)
    gained = _of_true_class(torch.stack([chosen, other]).softmax(-1), seen.labels)  # (2,B,A)
    return gained[0] - gained[1]


def _before_and_after(model: GFNet, glance: Tensor, said: Tensor, where: Tensor) -> Tensor:
    """Video-level logits (B,1+T,K) before the first focus look and after each, from the looks' logits (B,T,K)."""
    if model.glances_first:
        evidence, first = model.aggregate(None, glance=glance)
        _, after = model.aggregate(evidence, focus=said, centres=where)
        return torch.cat([first[:, -1:], after], 1)
    _, after = model.aggregate(None, glance=glance, focus=said, centres=where)
    return torch.cat([torch.zeros_like(after[:, :1]), after], 1)


def _with_asides(model: GFNet, glance: Tensor, said: Tensor, where: Tensor) -> Tensor:
    """Video-level logits (B,T,K) after each frame, if its own look were the aside: said (2,B,T,K), where (2,B,T,2).

    Each frame gets a copy of the clip's looks with its own replaced, and is read there: T copies of a few numbers.
    """
    b, t = said.shape[1:3]
    looks, places = (_one_replaced(*x) for x in (said, where))  # (B*T,T,K), (B*T,T,2)
    after = _before_and_after(model, glance.repeat_interleave(t, 0), looks, places)[:, 1:]  # (B*T,T,K)
    own: Tensor = after.unflatten(0, (b, t)).diagonal(dim1=1, dim2=2)  # (B,K,T)
    return own.transpose(1, 2)


def _one_replaced(track: Tensor, aside: Tensor) -> Tensor:
    """Rows (B*T,T,d): row (b, i) is track b (T,d) whose i-th entry comes from the aside."""
    own = torch.eye(track.shape[1], dtype=torch.bool, device=track.device)[None, :, :, None]
    return torch.where(own, aside[:, None], track[:, None]).flatten(0, 1)


def _of_true_class(scores: Tensor, labels: Tensor) -> Tensor:
    """scores (...,B,A,K) and labels (B,) -> each clip's own class's (...,B,A)."""
    index = labels[:, None, None].expand(*scores.shape[:-1], 1)
    return scores.gather(-1, index).squeeze(-1)
