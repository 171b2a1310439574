"""What a focus network that sees whole frames draws its answer from: a reward for places that asks for no patch.

Letters: B videos, F focus looks, M tracks, A decisions a clip, C channels and h w cells of the network's last map.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from gfnet_video.model import GFNet
from gfnet_video.nn.backbone import Backbone
from gfnet_video.nn.folding import folded
from gfnet_video.nn.resizing import resized
from gfnet_video.parts import Look
from gfnet_video.training.rewards import Glanced, log_odds

# Of a frame's side, for finer cells. Of the frames of 80 clips of mini's dev the peak lay more than 14 of 96 pixels off
# in 22 % at 1, in 13 % at 1.5 and in 17 % at 2.
ENLARGED = 1.5
PIXELS = 600_000  # of a pass: no more stay in a cache


def activation(model: GFNet, seen: Glanced) -> Tensor:
    """How much each cell of a whole frame speaks for the clip's own class and against the others, (B,F,h,w), log-odds.

    The focus network sees the frames in turn, whole and enlarged. Gradient times activation of its last map (HiResCAM,
    arXiv 2011.08891), of the true class's log-odds. Frames of which it is unsure have little of it, and are worth
    little: there it also mistakes the place.
    """
    assert model.focus_net is not None and model.config.focus is not None
    net, stride = folded(model.focus_net), model.config.focus.stride
    assert isinstance(net.backbone, Backbone)  # a network of whole clips is refused by the config
    side = max(1, round(ENLARGED * model.config.frame_side / stride)) * stride
    few = max(1, PIXELS // (seen.frames.shape[1] * side**2))
    parts = zip(seen.frames.split(few), seen.labels.split(few), strict=True)
    return torch.cat([_of_few(net, net.backbone, resized(frames, side), labels) for frames, labels in parts])


def _of_few(net: Look, backbone: Backbone, frames: Tensor, labels: Tensor) -> Tensor:
    with torch.no_grad():
        last = backbone(frames)[1]
    with torch.enable_grad():
        last = last.requires_grad_()
        logits = net.classifier(backbone.pooled(last.flatten(0, 1)).unflatten(0, last.shape[:2]))
        (slope,) = torch.autograd.grad(log_odds(logits[None], labels).sum(), last)
    said: Tensor = (slope * last.detach()).sum(2)
    return said


def activation_at(model: GFNet, seen: Glanced, centres: Tensor) -> Tensor:
    """The activation (M,B,A) in the middle of each patch, centres (M,B,A,2). Between cells it is bilinear; what speaks
    against the class counts as nothing."""
    looks = seen.frames.shape[1]
    maps = activation(model, seen).clamp(min=0)
    where = torch.stack([model.spread(track, looks) for track in centres], 2)  # (B,F,M,2)
    grid = ((where - 0.5) * model.room * 2).flip(-1)  # (x, y) from -1 to 1
    found: Tensor = F.grid_sample(
        maps.flatten(0, 1)[:, None], grid.flatten(0, 1)[:, :, None], align_corners=False, padding_mode="border"
    )
    found = found.flatten(1).unflatten(0, (-1, looks)).permute(2, 0, 1)  # (M,B,F)
    return found.mean(2, keepdim=True) if centres.shape[2] < looks else found
