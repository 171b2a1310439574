"""`resize_crop` without torch: the same integers, pixel for pixel, for engines that load no torch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from gfnet_video.errors import ConfigError

BLOCK = 16  # new cells in one product: fewer are many calls, more are many weights of zero
STRIP = 1 << 17  # bytes of the frame at a time, so that they and their floats stay in the processor's cache


def cut_frame(pixels: np.ndarray, *, frame_side: int, short_side: int = 0) -> np.ndarray:
    """A decoded frame (H,W,3) uint8 as the working frame (3,frame_side,frame_side): `transforms.resize_crop` of it.

    Raises ConfigError for another shape or type.
    """
    if pixels.ndim != 3 or pixels.shape[-1] != 3 or pixels.dtype != np.uint8:
        raise ConfigError(f"a frame is (H,W,3) uint8, not {pixels.shape} {pixels.dtype}")
    to, (height, width) = short_side or frame_side, pixels.shape[:2]
    short = min(height, width)
    size = [max(to, round(x * to / short)) for x in (height, width)]
    top, left = (int(0.5 * (x - frame_side)) for x in size)
    if short == to:
        cut = pixels[top : top + frame_side, left : left + frame_side]
        return np.ascontiguousarray(cut.transpose(2, 0, 1))
    rows = _bands(height, size[0], top, top + frame_side)
    columns = _bands(width, size[1], left, left + frame_side)
    return _down(_across(pixels[rows.span], columns), rows)  # width first, as torch does


@dataclass(frozen=True)
class Bands:
    """How some new cells of an axis come from the old ones in `span`: for each BLOCK of them (old cells, counted in the
    span; new cells; weights (old,new)), in floats that sum bytes without rounding, in whatever order."""

    span: slice
    blocks: tuple[tuple[slice, slice, np.ndarray], ...]
    floats: Any
    cells: int


def _across(pixels: np.ndarray, columns: Bands) -> np.ndarray:
    """Lines (N,W,3) uint8 with `columns` in the place of theirs: (3,N,cells) of whole numbers."""
    across = np.empty((3, len(pixels), columns.cells), columns.floats)
    pixels = pixels[:, columns.span]
    step = max(1, STRIP // (3 * pixels.shape[1]))
    for at in range(0, len(pixels), step):
        planes = np.ascontiguousarray(pixels[at : at + step].transpose(2, 0, 1)).astype(columns.floats)
        lines = across[:, at : at + step]
        for old, new, weights in columns.blocks:
            np.matmul(planes[:, :, old], weights, out=lines[:, :, new])
        lines += 0.5
        np.floor(lines, out=lines)
    return across


def _down(across: np.ndarray, rows: Bands) -> np.ndarray:
    """Planes (3,N,M) of whole numbers with `rows` in the place of theirs: (3,cells,M) uint8."""
    across = across.astype(rows.floats, copy=False)
    down = np.empty((3, rows.cells, across.shape[-1]), rows.floats)
    for old, new, weights in rows.blocks:
        np.matmul(weights.T, across[:, old], out=down[:, new])
    down += 0.5
    return down.astype(np.uint8)


@lru_cache(maxsize=32)
def _bands(size: int, to: int, first: int, end: int) -> Bands:
    """The cells first to end of an axis of `size` resized to `to`; of what is cut away nothing is computed.

    A byte times a weight of 2**-bits sums up below 2**8: at 16 bits float32, which holds 24, is exact.
    """
    cells, weights, bits = _taps(size, to)
    floats = np.float32 if bits <= 16 else np.float64
    span = slice(int(cells[0, first]), int(cells[-1, end - 1]) + 1)
    blocks = []
    for at in range(first, end, BLOCK):
        new = np.arange(at, min(at + BLOCK, end))
        old = slice(int(cells[0, at]), int(cells[-1, new[-1]]) + 1)
        band = np.zeros((old.stop - old.start, len(new)), floats)
        np.add.at(band, (cells[:, new] - old.start, new - at), weights[:, new] / (1 << bits))
        counted = slice(old.start - span.start, old.stop - span.start)
        blocks.append((counted, slice(at - first, new[-1] + 1 - first), band))
    return Bands(span, tuple(blocks), floats, end - first)


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
