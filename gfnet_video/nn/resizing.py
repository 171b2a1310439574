"""Frames at another side: the antialiased resize of a fixed side to a fixed side, as matrices on either axis."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

BAND = 16  # new cells computed at once: fewer are many operations, more are many weights of zero
Bands = tuple[tuple[slice, Tensor], ...]


def resized(frames: Tensor, side: int, how: str = "antialias") -> Tensor:
    """frames (B,k,3,S,S) at another side, each frame on its own; how: as ModelConfig.resize says.

    "antialias" is torch's antialiased bilinear up to rounding, in half its time on a CPU, and in float32 at least, also
    under autocast.
    """
    if frames.shape[-1] == side:
        return frames
    flat = frames.flatten(0, 1)
    if how == "antialias":
        wide = torch.promote_types(flat.dtype, torch.float32)
        with _as_it_is(flat.device.type):
            small = by_bands(flat, _bands_like(flat.shape[-1], side, wide, flat.device)).to(flat.dtype)
    else:
        small = F.interpolate(flat, size=(side, side), mode=how, align_corners=None if how == "nearest" else True)
    resized: Tensor = small.unflatten(0, frames.shape[:2])
    return resized


def by_bands(x: Tensor, bands: Bands) -> Tensor:
    """x (...,S,S) with its rows and columns made of its own as `bands` say: (...,side,side). Lines first: whole ones
    are cut out, while they are bytes if x is."""
    x = torch.cat([weights @ x[..., old, :].to(weights) for old, weights in bands], -2)
    return torch.cat([x[..., old] @ weights.T for old, weights in bands], -1)


def bands_of(side: int, to: int, dtype: torch.dtype = torch.float32) -> Bands:
    """Which old cells some new ones come from, and with which weights (new,old), which sum to 1 for each new cell.

    The matrix is zero but near its diagonal: in bands of so many cells most of it is left out. At least two bands:
    openvino 2026.4 fails to fuse a lone matrix product with the multiplication after it.
    """
    whole = torch.eye(side, dtype=dtype, device="cpu")[None, None]
    smaller = F.interpolate(whole, size=(to, side), mode="bilinear", antialias=True, align_corners=False)
    bands = []
    for rows in smaller[0, 0].chunk(max(2, -(-to // BAND))):  # (new,side)
        used = rows.abs().sum(0).nonzero()
        old = slice(int(used[0]), int(used[-1]) + 1)
        bands.append((old, rows[:, old].clone()))
    return tuple(bands)


def _as_it_is(device: str) -> AbstractContextManager[object]:
    """No autocast, on devices that have one; meta has none."""
    return torch.autocast(device, enabled=False) if torch.amp.is_autocast_available(device) else nullcontext()


@lru_cache(maxsize=32)
def _bands_like(side: int, to: int, dtype: torch.dtype, device: torch.device) -> Bands:
    with torch.inference_mode(False):  # kept, and used in training too
        return tuple((old, weights.to(device)) for old, weights in bands_of(side, to, dtype))
