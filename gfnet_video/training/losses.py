"""What supervised stages minimise: cross-entropy after every step, and of each kind of look."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from gfnet_video.model import GFNet
from gfnet_video.nn.aggregator import evidence_of
from gfnet_video.records import Features


def class_weights(labels: Sequence[int], classes: int) -> Tensor:
    """Weights (K,) in inverse proportion to each class's clips; over the clips they average 1, absent classes have 0.

    The loss is weighted rather than clips drawn again: each clip is decoded once an epoch, what a resumed run sees
    stays the same, and the few clips of a rare class are not learned by heart sooner.

    >>> class_weights([0, 0, 0, 1], 2).tolist()
    [0.666..., 2.0]
    """
    counts = torch.bincount(torch.as_tensor(labels, dtype=torch.long), minlength=classes).double()
    present = counts > 0
    weights = counts.sum() / (int(present.sum()) * counts.clamp(min=1))
    return torch.where(present, weights, 0.0).float()


def supervised_loss(
    model: GFNet,
    frames: Tensor,
    labels: Tensor,
    centres: Tensor | None,
    *,
    glance: Features | None = None,
    auxiliary: float = 0.5,
    weights: Tensor | None = None,
) -> Tensor:
    """Loss of one batch, a scalar. frames (B,T,3,H,W), labels (B,), centres (M,B,F,2): M tracks a clip; None: no focus.
    glance: what the glance saw, where that is known already or not of the frames that the focus sees.

    Steps weigh in proportion to their number: the first frames cannot know a motion. Beside the loss of both kinds of
    evidence together stand, times `auxiliary`, those of the glances alone, of the focus looks alone and of each patch
    alone: they keep each network discriminative by itself (GFNet's regularisation, arXiv 2010.05300; AdaFocus V2's,
    arXiv 2112.14238), also where the other has learned the training clips by heart.
    weights (K,): what a clip of each class counts, None for 1 each.
    """
    seen = model.glance(frames)[0] if glance is None else glance
    if centres is None:
        _, video = model.aggregate(None, glance=seen)
        return _video_loss(model, video, labels, weights)
    m, _, t = centres.shape[:3]
    flat, many = centres.flatten(0, 1), labels.repeat(m)
    patch = _focused(model, model.repeated(frames), centres)
    many_seen = evidence_of(lambda x: x.repeat(m, *[1] * (x.ndim - 1)), seen)
    flat = flat.detach().clamp(0, 1)  # evidence teaches no policy where to look
    if model.glances_first:
        evidence, _ = model.aggregate(None, glance=many_seen)
        _, video = model.aggregate(evidence, focus=patch, centres=flat)
    else:
        _, video = model.aggregate(None, glance=many_seen, focus=patch, centres=flat)
    _, focused = model.aggregate(None, focus=patch, centres=flat)
    each_patch = _cross_entropy(patch.logits.flatten(0, 1), many.repeat_interleave(t), weights).mean()
    glances = _cross_entropy(seen.logits.mean(1), labels, weights).mean()
    alone = glances + _video_loss(model, focused, many, weights) + each_patch
    return _video_loss(model, video, many, weights) + auxiliary * alone


def image_loss(
    model: GFNet,
    images: Tensor,
    labels: Tensor,
    centres: Tensor | None,
    *,
    own: bool,
    auxiliary: float,
    weights: Tensor | None = None,
) -> Tensor:
    """GFNet's loss of images (B,1,3,H,W), whose looks come one after the other (arXiv 2010.05300): over the steps, the
    mean cross-entropy of what all looks so far say and, times `auxiliary`, of what the look's own classifier says.

    centres (M,B,F,2): of the patches, or with `own` how far these lie from where the policy, which reads the map of the
    look before, puts them; None: the glance alone. Neither maps nor centres carry gradients.
    """
    m = 1 if centres is None else len(centres)
    rows = torch.arange(len(labels), device=labels.device).repeat(m)
    seen, _ = model.glance(images)
    evidence, video = model.aggregate(None, glance=evidence_of(lambda x: x[rows], seen))
    said, alone = [video], [seen.logits[rows]]
    images, read, policy = images[rows], seen.map.detach()[rows], None
    for where in () if centres is None else centres.flatten(0, 1).split(1, 1):
        if own:
            with torch.no_grad():
                chosen, policy = model.locate(read, policy)
            where = (chosen + where).clamp(0, 1)
        patch, _ = model.focus(images, where)
        evidence, video = model.aggregate(evidence, focus=patch, centres=where)
        said.append(video)
        alone.append(patch.logits)
        read = patch.map.detach()
    many = labels[rows].repeat(len(said))
    each = [_cross_entropy(torch.cat(logits).flatten(0, 1), many, weights).mean() for logits in (said, alone)]
    return each[0] + auxiliary * each[1]


def _focused(model: GFNet, frames: Tensor, centres: Tensor) -> Features:
    """The focus looks (M*B,F,...) at all tracks. A first track that asks for gradients has a pass of its own: only its
    patches need them down to the pixels."""
    parts = [centres[:1], centres[1:].detach()] if centres.requires_grad and len(centres) > 1 else [centres]
    looks = [model.focus(frames.repeat(len(part), 1, 1, 1, 1), part.flatten(0, 1))[0] for part in parts]
    return evidence_of(lambda *same: torch.cat(same), *looks)


def _video_loss(model: GFNet, step_logits: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
    """Of all steps; of the last alone under both-way shift, where no other is one."""
    steps = step_logits if model.config.temporal == "causal" else step_logits[:, -1:]
    return stepwise_loss(steps, labels, weights)


def stepwise_loss(step_logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """Cross-entropy of logits (B,S,K) after each step, weighted by the step's number; weights (K,) of the classes."""
    b, s, _ = step_logits.shape
    each = _cross_entropy(step_logits.flatten(0, 1), labels.repeat_interleave(s), weights).view(b, s)
    turns = torch.arange(1, s + 1, device=each.device, dtype=each.dtype)
    return (each.mean(0) * turns).sum() / turns.sum()


def _cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
    """One loss a row, times its class's weight. The mean is then over rows, not over weights: a batch of one class
    keeps its weight."""
    each = F.cross_entropy(logits, labels, reduction="none")
    return each if weights is None else each * weights.to(each)[labels]
