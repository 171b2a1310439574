"""`metrics.step_logits_of` for any engine: all looks of a split's clips, several side by side."""

from __future__ import annotations

import math
import time

import torch

from gfnet_video.datasets.clips import Clips
from gfnet_video.datasets.frame_cache import Progress
from gfnet_video.engines.engine import Engine
from gfnet_video.errors import VideoError
from gfnet_video.evaluation.metrics import StepLogits
from gfnet_video.inference.steps import Clip, clip_of, turns_of


def engine_step_logits(
    engine: Engine, clips: Clips, *, batch: int = 16, progress: Progress = lambda done, total: None
) -> StepLogits:
    """Run every look on every clip, frame by frame as `infer` does, no exit; a clip that cannot be read is NaN."""
    config, n = engine.about.config, len(clips)
    logits = torch.full((n, config.steps, config.classes), math.nan)
    centres = torch.full((n, config.looks, 2), math.nan)
    failed: dict[int, str] = {}
    seconds = 0.0
    for start in range(0, n, batch):
        progress(start, n)
        read = _read(clips, range(start, min(start + batch, n)), engine, failed)
        if not read:
            continue
        began = time.perf_counter()
        turns = turns_of(engine, list(read.values()))
        seconds += time.perf_counter() - began
        good, where = list(read), [torch.from_numpy(t.centre.copy()) for t in turns if t.centre is not None]
        logits[good] = torch.stack([torch.from_numpy(t.logits) for t in turns], 1)
        if where:
            centres[good, : len(where)] = torch.stack(where, 1)
    return StepLogits(logits, torch.from_numpy(clips.manifest.labels), centres, failed, seconds)


def _read(clips: Clips, indices: range, engine: Engine, failed: dict[int, str]) -> dict[int, Clip]:
    found = {}
    for i in indices:
        try:
            found[i] = clip_of(clips, i, engine.about.config)
        except VideoError as error:
            failed[i] = error.reason
    return found
