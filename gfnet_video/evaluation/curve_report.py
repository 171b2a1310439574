"""One evaluation, in all its figures: a folder of a JSON, a table of confusions and pictures."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gfnet_video.checkpoint import Recogniser
from gfnet_video.datasets.clips import Clips
from gfnet_video.datasets.difficulty import difficulties
from gfnet_video.datasets.manifest import Manifest
from gfnet_video.datasets.truth import TRUTH
from gfnet_video.engines.macs import costs_of
from gfnet_video.errors import DataError
from gfnet_video.evaluation.breakdown import (
    by_difficulty,
    confusion,
    confusion_csv,
    exit_counts,
    first_step_rank,
    worst_clips,
)
from gfnet_video.evaluation.curve import AllLooks, anytime, at_rule, over_confidences
from gfnet_video.evaluation.evaluate import Evaluation
from gfnet_video.evaluation.exit_timing import time_exits, timing_report
from gfnet_video.evaluation.machine import machine_of
from gfnet_video.evaluation.metrics import answers
from gfnet_video.evaluation.per_class import per_class
from gfnet_video.evaluation.pictures import check_matplotlib, draw
from gfnet_video.evaluation.reliability import calibration_report
from gfnet_video.files import write_text
from gfnet_video.inference.report import encodable
from gfnet_video.nn.exit_rule import ExitRule

JSON, TABLE = "curve.json", "confusion.csv"
NOTES = (
    "top1: a failed clip counts as wrong; gmacs, exit steps, ECE and difficulty: of the clips that were read",
    "thresholds: one confidence for all steps on the model's temperatures, from the logits of all looks",
    "time: ms of the networks a clip, exits executed; decoding apart; top1 beside it is that of the whole split",
    "per_class, confusion, difficulty, worst: as the rule of this run left the clips",
)


def check_ready(folder: Path, manifest: Manifest) -> None:
    """All that could fail at the end of a long evaluation fails here: before it begins.

    The folder is made. Raises DependencyError without matplotlib, OSError where the folder cannot be written to,
    DataError where the data set's own difficulties cannot be read.
    """
    check_matplotlib()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass
    difficulties(manifest)


def write_curve(
    folder: Path, model: Recogniser, clips: Clips, rule: ExitRule, found: Evaluation, about: dict[str, Any]
) -> None:
    """Write JSON, csv and pictures of an evaluation of `model` on `clips` by `rule`, each whole; the JSON comes last.

    The exits are timed for it. about: what to call model, data set, split and exits. Raises DataError where no clip
    was read.
    """
    looks = AllLooks(found.steps.logits, found.steps.labels, costs_of(model))
    if not bool(looks.good.any()):
        raise DataError(f"no clip of split {clips.manifest.split!r} could be read: there is no curve to draw")
    report = about | curve_report(model, clips, rule, found, looks)
    counts = confusion(answers(found.exit_logits), looks.labels, model.config.classes)
    write_text(folder / TABLE, confusion_csv(counts, model.card.classes))
    draw(report, counts, folder)
    write_text(folder / JSON, json.dumps(report, indent=1, allow_nan=False) + "\n")


def curve_report(model: Recogniser, clips: Clips, rule: ExitRule, found: Evaluation, looks: AllLooks) -> dict[str, Any]:
    """All figures of an evaluation as plain data, times among them, which are measured here."""
    good, exits, manifest = looks.good, found.exits, clips.manifest
    timed = timing_report(time_exits(model, clips, rule), looks)
    return {
        "digest": manifest.digest(),
        "clips": len(clips),
        "failed": len(found.steps.failed),
        "notes": NOTES,
        "machine": machine_of(model),
        "rule": asdict(rule),
        "this_run": at_rule(rule, looks) | _executed(rule, looks, exits, manifest),
        "anytime": anytime(looks),
        "thresholds": over_confidences(rule, looks),
        "time": {"decoded_from": "files" if clips.cache is None else "cache"} | timed,
        "calibration": calibration_report(rule, looks.logits[good], looks.labels[good], exits[good]),
        "per_class": [asdict(r) for r in per_class(answers(found.exit_logits), looks.labels, manifest.classes)],
        "difficulty": difficulty_report(rule, looks, found, manifest),
        "worst": worst_clips(found.rows, manifest),
    }


def _executed(rule: ExitRule, looks: AllLooks, exits: Tensor, manifest: Manifest) -> dict[str, Any]:
    """How many clips stopped after each step, and those that stopped elsewhere than the logits of all looks say.

    Rounding differs between batches of different sizes: a clip at the edge of a threshold or of a pixel may.
    """
    apart = ((looks.exits(rule) != exits) & looks.good).nonzero().flatten().tolist()
    return {
        "exit_steps": exit_counts(exits[looks.good], len(looks.costs)),
        "exits_that_differ": [encodable(manifest.id(i)) for i in apart],
    }


def difficulty_report(rule: ExitRule, looks: AllLooks, found: Evaluation, manifest: Manifest) -> dict[str, Any]:
    """Accuracy and exits by fifths of difficulty: the data set's own, else how unsure the first step is."""
    good, last = looks.good, looks.logits[:, -1]
    known = difficulties(manifest)
    if known is not None:
        source, hard = f"{TRUTH} of the data set", torch.from_numpy(known)[good]
    else:
        source = "rank of the first step's confidence, surest first: the data set knows no difficulty"
        hard = first_step_rank(rule.probabilities(looks.logits[good, 0], 0).amax(-1))
    right, right_all = ((answers(logits) == looks.labels)[good] for logits in (found.exit_logits, last))
    groups = by_difficulty(hard, right, right_all, found.exits[good], len(looks.costs))
    return {"source": source, "known": known is not None, "groups": groups}
