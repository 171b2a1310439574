"""Pixels to the working frame: short side resized, centre cropped, normalised. Each frame is treated alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from gfnet_video.errors import ConfigError


def resize_crop(
    frames: np.ndarray | Tensor, *, frame_side: int, short_side: int = 0, place: tuple[float, float] = (0.5, 0.5)
) -> Tensor:
    """Resize the short side to `short_side`, or to `frame_side` (antialiased bilinear), and cut a square of it.

    frames: (T,H,W,3) uint8. place: where the square lies, down and right, from 0 to 1; the middle by itself. Returns
    (T,3,frame_side,frame_side) uint8, so that a cached frame equals a decoded one.
    Raises ConfigError for other shapes or types, for a side below 1 and a short side below that of the square.
    """
    pixels, to = check_frames(frames, frame_side), short_side or frame_side
    if to < frame_side:
        raise ConfigError(f"short_side is {to}; a square of {frame_side} is cut from it")
    short = min(pixels.shape[-2:])
    size = [max(to, round(x * to / short)) for x in pixels.shape[-2:]]
    pixels = resize(pixels, size) if short != to else pixels
    top, left = (int(part * (x - frame_side)) for part, x in zip(place, size, strict=True))
    return pixels[..., top : top + frame_side, left : left + frame_side]


def check_frames(frames: np.ndarray | Tensor, frame_side: int) -> Tensor:
    """(T,H,W,3) uint8 as (T,3,H,W), channels last in memory. Raises ConfigError as `resize_crop` does."""
    pixels = torch.as_tensor(frames)
    if pixels.ndim != 4 or pixels.shape[-1] != 3 or pixels.dtype != torch.uint8:
        raise ConfigError(f"frames are (T,H,W,3) uint8, not {tuple(pixels.shape)} {pixels.dtype}")
    if frame_side < 1:
        raise ConfigError(f"frame_side is {frame_side}; at least 1 is needed")
    return pixels.permute(0, 3, 1, 2)


def resize(pixels: Tensor, size: Sequence[int]) -> Tensor:
    """(T,3,H,W) uint8 to (height, width), antialiased bilinear.

    In uint8: a quarter of the memory, and each frame by the same integer arithmetic.
    """
    return functional.interpolate(pixels, list(size), mode="bilinear", antialias=True, align_corners=False)


def normalise(frames: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Scale 0..255 to 0..1, then (x - mean) / std per channel. frames: (...,3,H,W) of any type; returns floats."""
    floats = frames if frames.dtype == torch.float64 else frames.float()
    shift = floats.new_tensor(mean)[:, None, None]
    scale = floats.new_tensor(std)[:, None, None]
    return (floats / 255 - shift) / scale
