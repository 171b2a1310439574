"""Calibration of a checkpoint folder, from data to the thresholds written back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from gfnet_video.checkpoint import find, load, rewrite_card
from gfnet_video.datasets.clips import open_clips
from gfnet_video.datasets.source import Source
from gfnet_video.evaluation.calibration import calibrate, exited_logits
from gfnet_video.evaluation.metrics import accuracy, step_logits_of


def calibrate_folder(folder: Path, source: Source, split: str, *, max_drop: float) -> dict[str, Any]:
    """Find the exit rule on a split and store it, with what it is valid for. Raises DataError, CheckpointError.

    A clip that cannot be read is left out and counted.
    """
    folder = find(folder)
    model = load(folder)
    manifest = source.manifest(split, model.card.classes)
    steps = step_logits_of(model, open_clips(manifest, model.config, None))
    good = ~steps.logits[:, -1].isnan().any(-1)
    logits, labels = steps.logits[good], steps.labels[good]
    rule = calibrate(logits, labels, max_drop=max_drop)
    valid = {
        "dataset": source.name,
        "split": split,
        "clips": len(labels),
        "failed": len(steps.failed),
        "digest": manifest.digest(),
        "sampler": model.config.sampler,
        "frames": model.config.frames,
        "order": model.config.order,
        "chunk": 1,
        "precision": "float32",
        "max_drop": max_drop,
    }
    rewrite_card(folder, replace(model.card, rule=rule, valid_for=valid))
    half = len(labels) // 2
    return {
        "temperatures": rule.temperatures,
        "thresholds": rule.thresholds,
        "top1_no_exit": accuracy(logits[half:, -1], labels[half:]),
        "top1": accuracy(exited_logits(rule, logits[half:]), labels[half:]),
        "mean_exit_step": float(rule.exits(logits[half:]).float().mean()) + 1,
        "valid_for": valid,
    }
