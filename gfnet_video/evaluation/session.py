"""Calibration of a checkpoint folder, from data to the thresholds written back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gfnet_video.checkpoint import find, load, rewrite_card
from gfnet_video.datasets.clips import open_clips
from gfnet_video.datasets.source import Source
from gfnet_video.engines.macs import costs_of
from gfnet_video.engines.torch_engine import precision_of
from gfnet_video.evaluation.calibration import Budget, Risk, calibrate
from gfnet_video.evaluation.metrics import accuracy, readable, step_logits_of
from gfnet_video.inference.validity import conditions
from gfnet_video.nn.exit_rule import ExitRule


def calibrate_folder(
    folder: Path, source: Source, split: str, goal: Risk | Budget, side: int | None = None
) -> dict[str, Any]:
    """Find the exit rule on a split and store it, with what it is valid for; returns what was found, in plain numbers.

    side: of the patches, None for the focus' own; the rule then holds for that side.

    Measured on the clips that did not fit the temperatures: top1 with and without exits, mean exit step, GMACs, and
    how many exits harmed. A clip that cannot be read is left out and counted. Raises DataError, ConfigError,
    CheckpointError.
    """
    folder = find(folder)
    model = load(folder).at_side(side)
    manifest = source.manifest(split, model.card.classes)
    steps = step_logits_of(model, open_clips(manifest, model.config, None))
    good, gmacs = readable(steps.logits), costs_of(model)
    logits, labels = steps.logits[good], steps.labels[good]
    found = calibrate(logits, labels, goal, gmacs)
    valid = {
        "dataset": source.name,
        "split": split,
        "clips": len(labels),
        "failed": len(steps.failed),
        "digest": manifest.digest(),
        **conditions(model.config, precision_of(model)),
        "mode": type(goal).__name__.lower(),
        **asdict(goal),
        "fitted": len(found.fitted),
        "tested": len(found.tested),
    }
    rewrite_card(folder, replace(model.card, rule=found.rule, valid_for=valid))
    measured = measure(found.rule, logits[found.tested], labels[found.tested], gmacs)
    return {**asdict(found.rule), **measured, "valid_for": valid}


def measure(rule: ExitRule, logits: Tensor, labels: Tensor, gmacs: Sequence[float]) -> dict[str, Any]:
    """What a rule does on clips, from their logits (N,S,K), labels (N,) and each step's cost (S)."""
    exits = rule.exits(logits)
    left = logits[torch.arange(len(exits)), exits]
    harmed = (left.argmax(-1) != labels) & (logits[:, -1].argmax(-1) == labels)
    return {
        "top1_no_exit": accuracy(logits[:, -1], labels),
        "top1": accuracy(left, labels),
        "harmful_exits": int(harmed.sum()),
        "mean_exit_step": float(exits.double().mean()) + 1,
        "steps": logits.shape[1],
        "gmacs": float(torch.tensor(gmacs, dtype=torch.double)[exits].mean()),
        "gmacs_no_exit": gmacs[-1],
    }
