"""What the exit loop adds to the looks it takes, in batches where a clip that exits gives its place to the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gfnet_video.checkpoint import Recogniser
from gfnet_video.config import ModelConfig
from gfnet_video.inference.batch import run_batch
from gfnet_video.inference.reading import in_order
from gfnet_video.inference.runner import claimed_frames, indices_of, open_video
from gfnet_video.nn.folding import folded
from gfnet_video.video.pixels import cut_frame
from gfnet_video.video.transforms import normalise

LOOKS = ("glance", "locate", "focus", "aggregate")
MANY = 16  # times each clip, so that there is always one that waits


def beside_its_looks(
    model: Recogniser, paths: Sequence[Path], seats: int, rounds: int
) -> tuple[np.ndarray, np.ndarray]:
    """Milliseconds a clip (rounds,) of a model with its exits, `seats` clips at a time, and what part of the time of
    the looks in it that is (rounds,), 1 or more. After a round that warms up."""
    model, spent = folded(model), [0.0]
    clips = torch.stack([_normalised(path, model.config) for path in paths] * MANY)
    for look in LOOKS:
        setattr(model, look, _timed(getattr(model, look), spent))
    found = np.empty((rounds + 1, 2))
    for number in range(rounds + 1):
        spent[0], began = 0.0, perf_counter()
        run_batch(model, clips, model.card.rule, seats=seats)
        total = perf_counter() - began
        found[number] = 1000 * total / len(clips), total / spent[0]
    return found[1:, 0], found[1:, 1]


def _normalised(path: Path, config: ModelConfig) -> Tensor:
    """A clip's frames (T,3,S,S) as the networks see them."""
    with open_video(path) as video:
        frames = in_order(video, indices_of(config, claimed_frames(video))[0])
        cut = [cut_frame(f, frame_side=config.frame_side, short_side=config.short_side) for f in frames]
    return normalise(torch.from_numpy(np.stack(cut)), config.mean, config.std)


def _timed(look: Callable[..., Any], spent: list[float]) -> Callable[..., Any]:
    def timed(*args: Any, **kwargs: Any) -> Any:
        began = perf_counter()
        found = look(*args, **kwargs)
        spent[0] += perf_counter() - began
        return found

    return timed
