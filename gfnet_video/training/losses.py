"""What supervised stages minimise: cross-entropy after every step, and of each kind of look."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from gfnet_video.model import GFNet


def supervised_loss(model: GFNet, frames: Tensor, labels: Tensor, centres: Tensor | None) -> Tensor:
    """Loss of one batch, a scalar. frames (B,T,3,H,W), labels (B,), centres (B,T,2) or None without focus.

    Steps weigh in proportion to their number: the first frames cannot know a motion. The terms for the mean glance and
    the mean focus keep both networks discriminative on their own (GFNet's regularisation, arXiv 2010.05300).
    """
    seen, _ = model.glance(frames)
    if centres is None:
        _, video = model.aggregate(None, glance=seen.logits)
        return stepwise_loss(video, labels)
    patch, _ = model.focus(frames, centres)
    _, video = model.aggregate(None, glance=seen.logits, focus=patch.logits, centres=centres)
    alone = F.cross_entropy(seen.logits.mean(1), labels) + F.cross_entropy(patch.logits.mean(1), labels)
    return stepwise_loss(video, labels) + 0.5 * alone


def stepwise_loss(step_logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of logits (B,S,K) after each step, weighted by the step's number."""
    b, s, _ = step_logits.shape
    each = F.cross_entropy(step_logits.flatten(0, 1), labels.repeat_interleave(s), reduction="none").view(b, s)
    weights = torch.arange(1, s + 1, device=each.device, dtype=each.dtype)
    return (each.mean(0) * weights).sum() / weights.sum()
