"""Measure a model on a split: all looks taken, then the exits executed, failed clips counted as wrong."""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gfnet_video.checkpoint import Recogniser
from gfnet_video.datasets.clips import Clips
from gfnet_video.datasets.frame_cache import Progress
from gfnet_video.engines.macs import costs_of
from gfnet_video.errors import DataError
from gfnet_video.evaluation.metrics import (
    StepLogits,
    accuracy,
    as_seen,
    forced_centres,
    mean_average_precision,
    readable,
    step_accuracies,
    step_logits_of,
    truth_of,
)
from gfnet_video.inference.batch import run_batch
from gfnet_video.nn.exit_rule import ExitRule


@dataclass(frozen=True)
class Evaluation:
    """A `summary` of plain numbers, one of `rows` per clip, and the tensors behind them."""

    summary: dict[str, Any]
    rows: list[dict[str, Any]]
    steps: StepLogits
    exits: Tensor
    exit_logits: Tensor


def evaluate(
    model: Recogniser,
    clips: Clips,
    rule: ExitRule,
    *,
    batch: int = 16,
    progress: Progress = lambda done, total: None,
) -> Evaluation:
    """Top-1 and top-5 with and without exits, after each step, exit step, GMACs, seconds, peak memory.

    network_seconds are those of the networks with exits executed; wall_seconds are those of all, with decoding.
    map is the mean average precision, which counts all classes that are right for a video.

    A batch is decoded once: all looks are taken, for accuracy after each step, then its exits executed as it shrinks.
    Raises DataError for a split without clips.
    """
    if not len(clips):
        raise DataError(f"split {clips.manifest.split!r} holds no clip: there is nothing to measure")
    began = time.perf_counter()
    executed = _Executed(model, rule, clips)
    steps = step_logits_of(model, clips, batch=batch, also=executed.add, progress=progress)
    exits, exit_logits = executed.exits, executed.logits
    costs, good = costs_of(model), readable(steps.logits)
    per_clip = torch.tensor(costs)[exits]
    summary = {
        "clips": len(clips),
        "failed": len(steps.failed),
        "top1": accuracy(exit_logits, steps.labels),
        "top5": accuracy(exit_logits, steps.labels, top=5),
        "map": mean_average_precision(exit_logits.softmax(-1), truth_of(clips.manifest)),
        "top1_no_exit": accuracy(steps.logits[:, -1], steps.labels),
        "top5_no_exit": accuracy(steps.logits[:, -1], steps.labels, top=5),
        "top1_after_step": step_accuracies(steps.logits, steps.labels),
        "mean_exit_step": float(exits[good].float().mean()) + 1 if bool(good.any()) else None,
        "steps": model.steps,
        "gmacs": float(per_clip[good].mean()) if bool(good.any()) else None,
        "gmacs_no_exit": costs[-1],
        "network_seconds": round(executed.seconds, 3),
        "network_seconds_no_exit": round(steps.seconds, 3),
        "wall_seconds": round(time.perf_counter() - began, 3),
        "peak_memory_mb": peak_memory_mb(),
        "threads": torch.get_num_threads(),
        "batch": batch,
    }
    return Evaluation(
        summary, _rows(model, clips, steps, exits, exit_logits, rule, per_clip), steps, exits, exit_logits
    )


class _Executed:
    """Exits executed on one batch after another: exit steps (N,), the logits left with (N,K), the networks' seconds."""

    def __init__(self, model: Recogniser, rule: ExitRule, clips: Clips) -> None:
        self.model, self.rule, self.clips, self.seconds = model, rule, clips, 0.0
        self.exits = torch.full((len(clips),), model.steps - 1)
        self.logits = torch.full((len(clips), model.config.classes), float("nan"))

    def add(self, good: list[int], pixels: Tensor) -> None:
        began = time.perf_counter()
        frames, glanced = as_seen(self.model, pixels)
        forced = forced_centres(self.model, self.clips, good)
        left = run_batch(self.model, frames, self.rule, glance_frames=glanced, centres=forced)
        self.seconds += time.perf_counter() - began
        self.exits[good], self.logits[good] = left.steps, left.logits


def _rows(
    model: Recogniser, clips: Clips, steps: StepLogits, exits: Tensor, logits: Tensor, rule: ExitRule, gmacs: Tensor
) -> list[dict[str, Any]]:
    names, rows = model.card.classes, []
    for i, label in enumerate(clips.manifest.labels.tolist()):
        row: dict[str, Any] = {"id": clips.manifest.id(i), "label": names[label]}
        if i in steps.failed:
            rows.append(row | {"error": steps.failed[i], "correct": False})
            continue
        step = int(exits[i])
        score, best = rule.probabilities(logits[i : i + 1], step)[0].max(-1)
        rows.append(
            row
            | {"prediction": names[int(best)], "score": round(float(score), 4), "correct": int(best) == label}
            | {"exit_step": step + 1, "gmacs": round(float(gmacs[i]), 4)}
        )
    return rows


def peak_memory_mb() -> float:
    """The process's largest resident size so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20, 1)
