"""`resize_crop` without torch: the same integers, pixel for pixel, for engines that load no torch."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from gfnet_video.errors import ConfigError


def cut_frame(pixels: np.ndarray, *, frame_side: int, short_side: int = 0) -> np.ndarray:
    """A decoded frame (H,W,3) uint8 as the working frame (3,frame_side,frame_side): `transforms.resize_crop` of it.

    Raises ConfigError for another shape or type.
    """
    if pixels.ndim != 3 or pixels.shape[-1] != 3 or pixels.dtype != np.uint8:
        raise ConfigError(f"a frame is (H,W,3) uint8, not {pixels.shape} {pixels.dtype}")
    to, size = short_side or frame_side, list(pixels.shape[:2])
    short = min(size)
    if short != to:
        size = [max(to, round(x * to / short)) for x in size]
    for axis in (1, 0):  # width first, as torch does; of what is cut away nothing is computed
        first = int(0.5 * (size[axis] - frame_side))
        pixels = _along(pixels.swapaxes(0, axis), size[axis], first, first + frame_side).swapaxes(0, axis)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _along(pixels: np.ndarray, to: int, first: int, end: int) -> np.ndarray:
    """The cells first to end of (N,M,3) uint8 resized to (to,M,3), as torch resizes uint8: whole-number weights,
    rounded to uint8 after each axis."""
    if len(pixels) == to:
        return pixels[first:end]
    cells, weights, bits = _taps(len(pixels), to)
    lines = np.ascontiguousarray(pixels).reshape(len(pixels), -1)
    total = np.full((end - first, lines.shape[1]), 1 << (bits - 1), np.int32)
    part = np.empty_like(total)
    for cell, weight in zip(cells[:, first:end], weights[:, first:end, None], strict=True):
        total += np.multiply(lines[cell], weight, out=part)
    small: np.ndarray = (total >> bits).clip(0, 255).astype(np.uint8).reshape(end - first, -1, 3)
    return small


@lru_cache(maxsize=16)
def _taps(size: int, to: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Which cells (taps,to) go into each new one, with which weights (taps,to), int32 in units of 2**-bits.

    A triangle as wide as the step between new cells, and no narrower than one old cell: antialiased bilinear. The
    weights are rounded to as many bits as an int16 holds of the largest, at most 22 (after Pillow's `Resample.c`, as
    torch's `UpSampleKernel.cpp` has it).
    """
    step = size / to
    support = max(step, 1.0)
    middle = step * (np.arange(to) + 0.5)
    first = np.maximum((middle - support + 0.5).astype(int), 0)
    count = np.minimum((middle + support + 0.5).astype(int), size) - first
    tap = np.arange(count.max())[:, None]  # (taps,1)
    share = np.maximum(1 - np.abs((tap + first - middle + 0.5) / support), 0) * (tap < count)
    share /= share.sum(0)
    bits = 0
    while bits < 22 and int(0.5 + share.max() * (1 << (bits + 1))) < 1 << 15:
        bits += 1
    weights = (0.5 + share * (1 << bits)).astype(np.int32)
    return np.minimum(tap + first, size - 1), weights, bits
