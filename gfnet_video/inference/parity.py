"""Whether an engine says what torch says, on real clips: first where it looks, then what it makes of the same looks.

A patch is cut at whole pixels: where a centre lies on the edge between two of them, rounding alone moves the patch by
one, and the logits by more than any tolerance. So centres are compared first, and logits with the same patches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gfnet_video.engines.engine import Engine, Turn
from gfnet_video.errors import CheckpointError, printable
from gfnet_video.inference.steps import read_clip, turns_of

PIXELS, LOGITS = 0.01, 1e-4  # how far apart centres, and logits in parts of the largest of the clip, may be
TOGETHER = (3, 8)  # clips, and frames of each, that are computed at once beside one by one


@dataclass(frozen=True)
class Parity:
    """The largest differences from torch: centres in pixels, logits in parts of the largest of a clip.

    moved: clips whose patches rounding moved by a pixel; their centres were within tolerance.
    """

    clips: int
    pixels: float
    logits: float
    moved: tuple[str, ...]


def compare(torch: Engine, other: Engine, paths: Sequence[Path]) -> Parity:
    """Run both on every clip, and the other on several clips and frames at once too. Raises CheckpointError where they
    are further apart than PIXELS or LOGITS, naming the clip."""
    clips = [read_clip(torch, path) for path in paths]
    told = [turns_of(torch, [clip]) for clip in clips]
    pixels, logits, moved = 0.0, 0.0, list[str]()
    for clip, reference in zip(clips, told, strict=True):
        apart, jumped = _centres_apart(torch, reference, turns_of(other, [clip]))
        pixels, moved = _worse(pixels, apart), moved + [clip.path] * jumped
        logits = _worse(logits, _logits_apart([reference], turns_of(other, [clip], _centres([reference]))))
        _check(other, clip.path, pixels, logits)
    for many in TOGETHER:
        rows = [i % len(clips) for i in range(many)]
        references = [told[i] for i in rows]
        found = turns_of(other, [clips[i] for i in rows], _centres(references), chunk=many)
        logits = _worse(logits, _logits_apart(references, found))
        _check(other, f"{many} clips at once", pixels, logits)
    return Parity(len(clips), pixels, logits, tuple(moved))


def _worse(a: float, b: float) -> float:
    """The larger of two differences; what is no number is worst of all, where `max` would pass it over."""
    return float(np.maximum(a, b))


def _check(other: Engine, where: str, pixels: float, logits: float) -> None:
    if not (pixels <= PIXELS and logits <= LOGITS):
        raise CheckpointError(
            f"{printable(where)}: {other.name} and torch differ, centres by {pixels:.2g} pixels, logits by "
            f"{logits:.2g} of the largest; expected at most {PIXELS} and {LOGITS}; take another engine or torch itself"
        )


def _centres(runs: list[list[Turn]]) -> np.ndarray | None:
    """Where the looks of several runs were (B,F,2); None without a focus."""
    rows = [[turn.centre for turn in turns if turn.centre is not None] for turns in runs]
    return np.concatenate([np.stack(row, 1) for row in rows]) if rows[0] else None


def _centres_apart(engine: Engine, a: list[Turn], b: list[Turn]) -> tuple[float, bool]:
    """The largest difference in pixels, and whether a patch's corner is another."""
    config = engine.about.config
    if config.focus is None:
        return 0.0, False
    room = config.frame_side - config.focus.side
    one, two = (np.stack([t.centre for t in turns if t.centre is not None]) * room for turns in (a, b))
    return float(np.abs(one - two).max(initial=0)), bool((np.floor(one) != np.floor(two)).any())


def _logits_apart(references: list[list[Turn]], found: list[Turn]) -> float:
    """The largest difference, over steps and clips, in parts of the clip's largest logit."""
    worst = 0.0
    for row, reference in enumerate(references):
        one, two = np.stack([t.logits[0] for t in reference]), np.stack([t.logits[row] for t in found])
        worst = _worse(worst, float(np.abs(one - two).max() / np.abs(one).max()))
    return worst
