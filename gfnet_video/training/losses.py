"""What supervised stages minimise: cross-entropy after every step, and of each kind of look."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from gfnet_video.model import GFNet


def supervised_loss(
    model: GFNet,
    frames: Tensor,
    labels: Tensor,
    centres: Tensor | None,
    *,
    glance_frames: Tensor | None = None,
    auxiliary: float = 0.5,
) -> Tensor:
    """Loss of one batch, a scalar. frames (B,T,3,H,W), labels (B,), centres (M,B,T,2): M tracks a clip; None: no focus.
    glance_frames (B,T',3,H,W): what the glance sees where that is not what the focus sees.

    Steps weigh in proportion to their number: the first frames cannot know a motion. Beside the loss of both kinds of
    evidence together stand, times `auxiliary`, those of the glances alone, of the focus looks alone and of each patch
    alone: they keep each network discriminative by itself (GFNet's regularisation, arXiv 2010.05300; AdaFocus V2's,
    arXiv 2112.14238), also where the other has learned the training clips by heart.
    """
    seen, _ = model.glance(frames if glance_frames is None else glance_frames)
    if centres is None:
        _, video = model.aggregate(None, glance=seen.logits)
        return _video_loss(model, video, labels)
    m, _, t = centres.shape[:3]
    flat, many = centres.flatten(0, 1), labels.repeat(m)
    patch, _ = model.focus(frames.repeat(m, 1, 1, 1, 1), flat)
    glance = seen.logits.repeat(m, 1, 1)
    if model.glances_first:
        evidence, _ = model.aggregate(None, glance=glance)
        _, video = model.aggregate(evidence, focus=patch.logits, centres=flat)
    else:
        _, video = model.aggregate(None, glance=glance, focus=patch.logits, centres=flat)
    _, focused = model.aggregate(None, focus=patch.logits, centres=flat)
    each_patch = F.cross_entropy(patch.logits.flatten(0, 1), many.repeat_interleave(t))
    alone = F.cross_entropy(seen.logits.mean(1), labels) + _video_loss(model, focused, many) + each_patch
    return _video_loss(model, video, many) + auxiliary * alone


def _video_loss(model: GFNet, step_logits: Tensor, labels: Tensor) -> Tensor:
    """Of all steps; of the last alone under both-way shift, where no other is one."""
    return stepwise_loss(step_logits if model.config.temporal == "causal" else step_logits[:, -1:], labels)


def stepwise_loss(step_logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of logits (B,S,K) after each step, weighted by the step's number."""
    b, s, _ = step_logits.shape
    each = F.cross_entropy(step_logits.flatten(0, 1), labels.repeat_interleave(s), reduction="none").view(b, s)
    weights = torch.arange(1, s + 1, device=each.device, dtype=each.dtype)
    return (each.mean(0) * weights).sum() / weights.sum()
