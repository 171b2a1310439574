"""Calibration of a checkpoint's or an exported model's folder, from data to the thresholds written back."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gfnet_video.checkpoint import find, rewrite_card
from gfnet_video.datasets.clips import Clips, open_clips
from gfnet_video.datasets.frame_cache import Progress
from gfnet_video.datasets.source import Source
from gfnet_video.engines.engine import About
from gfnet_video.engines.folder import Thresholds, exported, keep_thresholds
from gfnet_video.engines.macs import step_costs
from gfnet_video.engines.opening import open_engine
from gfnet_video.engines.torch_engine import TorchEngine
from gfnet_video.errors import ConfigError
from gfnet_video.evaluation.calibration import Budget, Risk, calibrate
from gfnet_video.evaluation.engine_steps import engine_step_logits
from gfnet_video.evaluation.held_out import check_unseen
from gfnet_video.evaluation.metrics import StepLogits, accuracy, readable, step_logits_of
from gfnet_video.inference.export import check_new, new_folder
from gfnet_video.inference.validity import conditions
from gfnet_video.nn.exit_rule import ExitRule


@dataclass(frozen=True)
class Subject:
    """What is calibrated. steps: all looks of clips, no exit; keep: stores a rule, and what it is valid for; engine:
    what the rule was found on, empty for torch."""

    about: About
    steps: Callable[[Clips], StepLogits]
    keep: Callable[[ExitRule, dict[str, Any]], None]
    engine: str = ""


def subject_of(
    folder: Path,
    engine: str = "auto",
    precision: str | None = None,
    side: int | None = None,
    progress: Progress = lambda done, total: None,
    *,
    out: Path | None = None,
) -> Subject:
    """A checkpoint behind torch, or an exported folder behind one of its engines, as `open_engine` opens it.

    side: of the patches, None for the focus' own; the rule then holds for that side. progress: as `step_logits_of`
    has it. out: a new folder, for a copy that keeps the rule in the place of this one.

    Raises ConfigError, CheckpointError, DependencyError.
    """
    folder = folder if exported(folder) else find(folder)
    if out is not None:
        check_new(out)
    opened = open_engine(folder, engine, side=side, precision=precision)

    def keep(rule: ExitRule, valid: dict[str, Any]) -> None:
        with nullcontext(folder) if out is None else new_folder(out) as held:
            for file in folder.iterdir() if out is not None else ():
                if file.is_file():
                    shutil.copyfile(file, held / file.name)  # not its rights: it may be for reading alone
            if isinstance(opened, TorchEngine):
                rewrite_card(held, replace(opened.model.card, rule=rule, valid_for=valid))
            else:
                keep_thresholds(held, Thresholds(opened.about.precision, rule, valid))

    if isinstance(opened, TorchEngine):
        return Subject(opened.about, partial(step_logits_of, opened.model, progress=progress), keep)
    return Subject(opened.about, partial(engine_step_logits, opened, progress=progress), keep, opened.name)


def calibrate_folder(folder: Path, source: Source, split: str, goal: Risk | Budget) -> dict[str, Any]:
    """`calibrated` on a checkpoint's folder, or an exported one behind the fastest engine as it is written."""
    return calibrated(subject_of(folder), source, split, goal)


def calibrated(subject: Subject, source: Source, split: str, goal: Risk | Budget, *, chunk: int = 1) -> dict[str, Any]:
    """Find the exit rule on a split and store it, with what it is valid for; returns what was found, in plain numbers.

    chunk: frames computed together, which the costs follow and `predict` takes by itself. Measured on the clips that
    did not fit the temperatures: top1 with and without exits, mean exit step, GMACs, and how many exits harmed. A clip
    that cannot be read is left out and counted. Raises DataError (also for the clips it was trained on), ConfigError,
    CheckpointError.
    """
    about = subject.about
    if chunk > 1 and not about.config.chunked:
        raise ConfigError(
            f"chunk is {chunk}; {about.model} looks at whole clips or at one picture, and has none: leave it out"
        )
    manifest = source.manifest(split, about.classes)
    check_unseen(manifest, about.parting, source.name)
    steps = subject.steps(open_clips(manifest, about.config, None))
    good, gmacs = readable(steps.logits), step_costs(about.config, about.macs, chunk)
    logits, labels = steps.logits[good], steps.labels[good]
    found = calibrate(logits, labels, goal, gmacs)
    valid = {
        "dataset": source.name,
        "split": split,
        "clips": len(labels),
        "failed": len(steps.failed),
        "digest": manifest.digest(),
        **conditions(about.config, about.precision, chunk=chunk, engine=subject.engine),
        "mode": type(goal).__name__.lower(),
        **asdict(goal),
        "fitted": len(found.fitted),
        "tested": len(found.tested),
    }
    subject.keep(found.rule, valid)
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
