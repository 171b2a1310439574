"""What happens to a batch of normalised clips: every draw is one clip's, the same for all its frames."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from gfnet_video.config import TrainConfig
from gfnet_video.training.dice import uniform

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


def augment(frames: Tensor, how: TrainConfig, generator: torch.Generator) -> Tensor:
    """One affine map, one brightness, contrast and saturation for all frames of a clip (B,T,3,H,W); never a flip."""
    if how.translate or how.scale or how.degrees:
        frames = warp(frames, how, generator)
    if how.brightness:
        drawn = uniform(2, len(frames), 1, 1, 1, 1, clips=1, generator=generator).to(frames)
        scale, shift = (drawn - 0.5) * 2 * how.brightness
        frames = frames * (1 + scale) + shift
    if how.saturation:
        drawn = uniform(len(frames), 1, 1, 1, 1, clips=0, generator=generator).to(frames)
        grey = (frames * frames.new_tensor(LUMA)[:, None, None]).sum(-3, keepdim=True)
        frames = grey + (frames - grey) * (1 + (drawn - 0.5) * 2 * how.saturation)
    return frames


def warp(frames: Tensor, how: TrainConfig, generator: torch.Generator) -> Tensor:
    """Each clip of (B,T,3,H,W) moved, scaled and turned by draws within the limits of `how`, about its middle.

    Bilinear; what the map uncovers repeats the nearest border.
    """
    b = len(frames)
    drawn = uniform(4, b, clips=1, generator=generator).to(frames) * 2 - 1
    angle, zoom = drawn[0] * math.radians(how.degrees), (drawn[1] * math.log1p(how.scale)).exp()
    height, width = frames.shape[-2:]
    cos, sin = angle.cos() / zoom, angle.sin() / zoom
    rows = [cos, -sin * height / width, 2 * how.translate * drawn[2], sin * width / height, cos]
    theta = torch.stack([*rows, 2 * how.translate * drawn[3]], 1).view(b, 2, 3)
    stacked = frames.flatten(1, 2)
    grid = F.affine_grid(theta, list(stacked.shape), align_corners=False)
    return F.grid_sample(stacked, grid, padding_mode="border", align_corners=False).view(frames.shape)
