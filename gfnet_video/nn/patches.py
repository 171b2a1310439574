"""Cutting the patch: whole pixels, always inside the image; with a gradient for the centre where one is wanted."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gfnet_video.errors import ConfigError


def crop_patches(images: Tensor, centres: Tensor, *, size: int) -> Tensor:
    """Cut one patch from each image.

    images: (N,C,H,W); centres: (N,2) as (y, x) in [0, 1]: 0 puts the patch at the top or left edge, 1 at the bottom
    or right, so its corner is floor(centre * (side - size)), as GFNet defines it (arXiv 2010.05300).
    Returns (N,C,size,size). Raises ConfigError where the patch is larger than the image.
    """
    _, _, h, w = images.shape
    if size > min(h, w):
        raise ConfigError(f"a patch of {size} pixels does not fit images of {h}x{w}; lower the patch side")
    room = centres.new_tensor([h - size, w - size])
    return _cut(images, (centres.detach().clamp(0, 1) * room).floor().long(), size)


def crop_between(images: Tensor, centres: Tensor, *, size: int) -> Tensor:
    """`crop_patches` without rounding the corner: pixels between pixels are bilinear, as AdaFocus V2 crops.

    Its affine grid (arXiv 2112.14238) samples at corner + (0, 1, ..., size - 1), which is one blend of neighbours for
    the whole patch. Gradients flow into the centres.
    """
    _, _, h, w = images.shape
    if size > min(h, w):
        raise ConfigError(f"a patch of {size} pixels does not fit images of {h}x{w}; lower the patch side")
    most = centres.new_tensor([h - size, w - size])
    corner = centres.clamp(0, 1) * most
    first = corner.detach().floor().minimum((most - 1).clamp(min=0)).long()
    y, x = (corner - first)[..., None, None, None].unbind(1)  # (N,1,1,1), parts of a pixel
    after = (first + 1).minimum(most.long())
    upper = _cut(images, first, size).lerp(_cut(images, torch.stack([first[:, 0], after[:, 1]], 1), size), x)
    lower = _cut(images, torch.stack([after[:, 0], first[:, 1]], 1), size).lerp(_cut(images, after, size), x)
    return upper.lerp(lower, y)


def crop_with_gradient(images: Tensor, centres: Tensor, *, size: int, reach: int = 2) -> Tensor:
    """`crop_patches`, from which a gradient flows into the centres (not into the images).

    AdaFocus V2 (arXiv 2112.14238) samples between pixels to make the crop differentiable; here the patch itself stays
    the one of inference, cut at whole pixels, and its gradient is what moving it by `reach` pixels would change: the
    central difference of the patches on either side.
    """
    patches: Tensor = _Crop.apply(images, centres, size, reach)
    return patches


class _Crop(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, centres: Tensor, size: int, reach: int) -> Tensor:
        ctx.save_for_backward(images, centres)
        ctx.size, ctx.reach = size, reach
        return crop_patches(images, centres, size=size)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor, None, None]:
        images, centres = ctx.saved_tensors
        size, reach = ctx.size, ctx.reach
        most = torch.tensor([images.shape[2] - size, images.shape[3] - size], device=images.device)
        corner = (centres.clamp(0, 1) * most).floor().long()
        slopes = []
        for axis in (0, 1):
            step = torch.zeros_like(most)
            step[axis] = reach
            high, low = (corner + step).minimum(most), (corner - step).clamp(min=0)
            apart = (high - low)[:, axis].clamp(min=1)
            slope = (gradient * (_cut(images, high, size) - _cut(images, low, size))).sum((1, 2, 3)) / apart
            slopes.append(slope * most[axis])
        return None, torch.stack(slopes, 1), None, None


def _cut(images: Tensor, corner: Tensor, size: int) -> Tensor:
    """Patches (N,C,size,size) whose upper left pixels are `corner` (N,2)."""
    n, reach = len(images), torch.arange(size, device=images.device)
    rows = (corner[:, :1] + reach)[:, :, None]  # (N,P,1)
    cols = (corner[:, 1:] + reach)[:, None, :]  # (N,1,P)
    which = torch.arange(n, device=images.device)[:, None, None]
    return images[which, :, rows, cols].permute(0, 3, 1, 2)  # (N,C,P,P), channels last in memory


def place_to_centre(places: Tensor, *, room: float) -> Tensor:
    """Centres (...,2) of the patches whose middle is at `places` (...,2), (y, x) as parts of the frame.

    room: (frame_side - patch_side) / frame_side. Beyond [0, 1] where a place is nearer to an edge than half a patch.
    """
    return (places - 0.5) / room + 0.5


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
