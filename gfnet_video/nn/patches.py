"""Cutting the patch: whole pixels, always inside the image."""

from __future__ import annotations

import torch
from torch import Tensor

from gfnet_video.errors import ConfigError


def crop_patches(images: Tensor, centres: Tensor, *, size: int) -> Tensor:
    """Cut one patch from each image.

    images: (N,C,H,W); centres: (N,2) as (y, x) in [0, 1]: 0 puts the patch at the top or left edge, 1 at the bottom
    or right, so its corner is floor(centre * (side - size)), as GFNet defines it (arXiv 2010.05300).
    Returns (N,C,size,size). Raises ConfigError where the patch is larger than the image.
    """
    n, _, h, w = images.shape
    if size > min(h, w):
        raise ConfigError(f"a patch of {size} pixels does not fit images of {h}x{w}; lower the patch side")
    room = centres.new_tensor([h - size, w - size])
    corner = (centres.detach().clamp(0, 1) * room).floor().long()  # (N,2)
    reach = torch.arange(size, device=images.device)
    rows = (corner[:, :1] + reach)[:, :, None]  # (N,P,1)
    cols = (corner[:, 1:] + reach)[:, None, :]  # (N,1,P)
    which = torch.arange(n, device=images.device)[:, None, None]
    return images[which, :, rows, cols].permute(0, 3, 1, 2)  # (N,C,P,P), channels last in memory


def smooth_tracks(videos: int, frames: int, generator: torch.Generator) -> Tensor:
    """Random patch tracks for warm-up: a uniform start and a steady drift that turns back at the edges.

    A patch that jumped independently in each frame would break the alignment the temporal shift relies on.
    Returns centres (videos,frames,2) in [0, 1].
    """
    start = torch.rand(videos, 1, 2, generator=generator)
    drift = (torch.rand(videos, 1, 2, generator=generator) - 0.5) * 1.6 / max(frames, 1)
    path = start + drift * torch.arange(frames)[None, :, None]
    folded = path.remainder(2.0)
    return torch.where(folded > 1, 2 - folded, folded)
