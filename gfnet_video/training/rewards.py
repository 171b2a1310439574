"""What a policy is rewarded for: how sure of the true class its patches make the model.

Letters: B videos, T frames of the glance, F focus looks, K classes, M tracks, A decisions a clip: F, or 1 where the
clip shares its patch.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gfnet_video.model import GFNet
from gfnet_video.nn.aggregator import evidence_of
from gfnet_video.nn.folding import folded
from gfnet_video.nn.patches import crop_patches
from gfnet_video.records import Features

PATCHES = 256  # of a pass that only judges


@dataclass(frozen=True)
class Glanced:
    """A batch that has been glanced at: `frames` (B,F,3,H,W) for the focus, one for each look, `labels` (B,), the
    policy's `maps` (B,T or F,C,h,w) and what the `glance` saw, both without gradients.

    In image mode, where looks come in turn, there is one frame and one map, which the first look is chosen by.
    """

    frames: Tensor
    labels: Tensor
    maps: Tensor
    glance: Features


@torch.no_grad()
def glance_at(model: GFNet, frames: Tensor, labels: Tensor, glance_frames: Tensor | None = None) -> Glanced:
    """The batch and what the glance sees in it, or in `glance_frames` where the glance has frames of its own."""
    seen, _ = model.glance(frames if glance_frames is None else glance_frames)
    told = evidence_of(lambda x: x, seen)
    if model.config.image:
        return Glanced(frames, labels, seen.map, told)
    return Glanced(model.repeated(frames), labels, model.repeated(seen.map), told)


# -- each patch by itself -------------------------------------------------------------------------------------------


@torch.no_grad()
def alone(model: GFNet, seen: Glanced, centres: Tensor) -> Tensor:
    """Log-confidence in the true class that the glances so far and this one patch give: centres (M,B,A,2) -> (M,B,A).

    Each track is a pass of its own: more patches at once do not stay in a CPU's cache. A patch that the clip shares is
    judged by all glances and all of its looks; several looks at a frame by their mean so far, so that a later one is
    worth what it adds.
    """
    looks = seen.frames.shape[1]
    said = torch.stack([model.focus(seen.frames, model.spread(track, looks))[0].logits for track in centres])
    return of_true_class(_with_glances(model, seen, said, whole=False).log_softmax(-1), seen.labels)


def _with_glances(model: GFNet, seen: Glanced, said: Tensor, *, whole: bool) -> Tensor:
    """Logits (M,B,A,K) of the glances and what each patch said, (M,B,F,K); whole: of all glances, else of those up to
    the patch's frame. A patch that the clip shares has all of both."""
    glance = seen.glance.logits
    if model.config.patch == "shared":
        return (glance.mean(1) + said.mean(2))[:, :, None]
    if whole:
        return glance.mean(1)[:, None] + _of_frame(said, model)
    counts = torch.arange(1, glance.shape[1] + 1, device=glance.device, dtype=glance.dtype)
    return model.repeated(glance.cumsum(1) / counts[:, None]) + _of_frame(said, model)


def _of_frame(logits: Tensor, model: GFNet) -> Tensor:
    """(M,B,F,K) of each look -> the mean over the looks so far at its frame."""
    each = model.config.looks_per_frame
    if each == 1:
        return logits
    counts = torch.arange(1, each + 1, device=logits.device, dtype=logits.dtype)
    mean: Tensor = logits.unflatten(2, (-1, each)).cumsum(3) / counts[:, None]
    return mean.flatten(2, 3)


@torch.no_grad()
def odds_alone(model: GFNet, seen: Glanced, centres: Tensor) -> Tensor:
    """Log-odds of the true class that the glances and this one patch give: centres (M,B,A,2) -> (M,B,A).

    Each patch is looked at as if it were the first: what a shift buffer has kept of the looks before would tell the
    class whatever the patch shows. A patch that the clip shares is judged by all of its looks. Glances count up to the
    patch's frame where the policy sees no further.
    """
    said = _said(model, seen.frames, centres)
    return log_odds(_with_glances(model, seen, said, whole=model.config.policy_sees == "clip"), seen.labels)


def _said(model: GFNet, frames: Tensor, centres: Tensor) -> Tensor:
    """The focus' logits (M,B,F,K) of patches at centres (M,B,A,2), each a video of one frame unless the clip shares it;
    a few videos at a time: no more stay in a cache."""
    assert model.focus_net is not None and model.config.focus is not None
    net, looks, found = folded(model.focus_net), frames.shape[1], []
    together = looks if model.config.patch == "shared" else 1
    few = max(1, PATCHES // looks)
    for track in centres:
        for clips, where in zip(frames.split(few), model.spread(track, looks).split(few), strict=True):
            patches = crop_patches(clips.flatten(0, 1), where.flatten(0, 1), size=model.config.focus.side)
            found.append(net(patches.unflatten(0, (-1, together)))[0].logits.flatten(0, 1))
    said: Tensor = torch.cat(found).unflatten(0, (len(centres), -1, looks))
    return said


def log_odds(scores: Tensor, labels: Tensor) -> Tensor:
    """Log-odds (...,B,A) of each clip's own class under scores (...,B,A,K)."""
    own = of_true_class(scores, labels)
    index = labels[:, None, None].expand(*scores.shape[:-1], 1)
    odds: Tensor = own - scores.scatter(-1, index, float("-inf")).logsumexp(-1)
    return odds


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
    steps = _before_and_after(model, seen.glance, patch, where)
    if model.config.patch == "shared":
        steps = steps[:, [0, -1]]
    return of_true_class(steps.softmax(-1), seen.labels).diff(dim=1)


@torch.no_grad()
def contrastive(model: GFNet, seen: Glanced, centres: Tensor, others: Tensor) -> Tensor:
    """Confidence in the true class with the policy's patch less that with another at the same step: centres and
    `others`, random ones, (B,A,2) -> (B,A).

    The reward of GFNet's T-PAMI version (arXiv 2201.03014), as AdaFocus has it. The other patch of a frame is an
    aside: it follows the policy's patches of the frames before, in the focus' shift buffers and in the evidence alike,
    and nothing of it remains in the frames after. One pass of the focus sees the patches of both.
    """
    shared = model.config.patch == "shared"
    where = torch.stack([model.spread(x, seen.frames.shape[1]) for x in (centres, others)])  # (2,B,F,2)
    frames = seen.frames.expand(2, *seen.frames.shape).flatten(0, 1)  # (2*B,F,3,H,W)
    patch, _ = model.focus(frames, where.flatten(0, 1), branches=1 if shared else 2)
    own, aside = evidence_of(lambda x: x.chunk(2)[0], patch), evidence_of(lambda x: x.chunk(2)[1], patch)
    chosen = _before_and_after(model, seen.glance, own, where[0])[:, 1:]
    if shared:
        other = _before_and_after(model, seen.glance, aside, where[1])[:, 1:]
        chosen, other = chosen[:, -1:], other[:, -1:]
    else:
        other = _with_asides(model, seen.glance, (own, aside), where)
    gained = of_true_class(torch.stack([chosen, other]).softmax(-1), seen.labels)  # (2,B,A)
    return gained[0] - gained[1]


def _before_and_after(model: GFNet, glance: Features, said: Features, where: Tensor) -> Tensor:
    """Video-level logits (B,1+F,K) before the first focus look and after each."""
    if model.glances_first:
        evidence, first = model.aggregate(None, glance=glance)
        _, after = model.aggregate(evidence, focus=said, centres=where)
        return torch.cat([first[:, -1:], after], 1)
    _, after = model.aggregate(None, glance=glance, focus=said, centres=where)
    return torch.cat([torch.zeros_like(after[:, :1]), after], 1)


def _with_asides(model: GFNet, glance: Features, said: tuple[Features, Features], where: Tensor) -> Tensor:
    """Video-level logits (B,F,K) after each look, if it were the aside: said, the track's looks and the asides.

    Each look gets a copy of the clip's looks with its own replaced, and is read there: F copies of a few numbers.
    """
    own, aside = said
    b, looks = own.logits.shape[:2]
    mixed = evidence_of(_one_replaced, own, aside)  # (B*F,F,...)
    many = evidence_of(lambda x: x.repeat_interleave(looks, 0), glance)
    after = _before_and_after(model, many, mixed, _one_replaced(*where))[:, 1:]  # (B*F,F,K)
    read: Tensor = after.unflatten(0, (b, looks)).diagonal(dim1=1, dim2=2)  # (B,K,F)
    return read.transpose(1, 2)


def _one_replaced(track: Tensor, aside: Tensor) -> Tensor:
    """Rows (B*F,F,...): row (b, i) is track b (F,...) whose i-th entry comes from the aside."""
    own = torch.eye(track.shape[1], dtype=torch.bool, device=track.device)
    own = own.view(1, *own.shape, *[1] * (track.ndim - 2))
    return torch.where(own, aside[:, None], track[:, None]).flatten(0, 1)


def of_true_class(scores: Tensor, labels: Tensor) -> Tensor:
    """scores (...,B,A,K) and labels (B,) -> each clip's own class's (...,B,A)."""
    index = labels[:, None, None].expand(*scores.shape[:-1], 1)
    return scores.gather(-1, index).squeeze(-1)
