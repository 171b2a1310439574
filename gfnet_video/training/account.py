"""What a run says of itself: the rows of its log, what its model was made of, whether it may go on."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shlex
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from gfnet_video.config import Config, load_config
from gfnet_video.datasets.manifest import Manifest
from gfnet_video.datasets.source import CatalogSource, Source
from gfnet_video.errors import ConfigError, DataError
from gfnet_video.evaluation.calibration import Risk, least_drop
from gfnet_video.evaluation.metrics import answers
from gfnet_video.strict import differences, to_dict

SHOWN = 3  # fields of a config that differ; of more, their number is said


def check_resumable(run: Path, config: Config, resume: bool) -> None:
    """Raise ConfigError unless `run` may go on under this config; how frames are loaded may change."""
    if not resume:
        raise ConfigError(f"{run} holds a run already; go on with --resume, or name another folder with --run")
    before = load_config(run / "config.yaml")
    loading = replace(before.train, workers=config.train.workers, cache=config.train.cache)
    if apart := differences(to_dict(replace(before, train=loading)), to_dict(config)):
        more = [f"and {len(apart) - SHOWN} more"] if len(apart) > SHOWN else []
        raise ConfigError(
            f"{run}/config.yaml is another configuration: {', '.join(apart[:SHOWN] + more)}; resume with that one, or "
            "name another folder with --run"
        )


def next_steps(source: Source, run: Path, steps: int) -> list[str]:
    """What to type once `run` has its model: to recognise with it, and how to let its looks end early, of which it has
    `steps` and no thresholds yet."""
    model = shlex.quote(str(run / "model"))
    lines = [f"$ gfnet-video infer VIDEO --model {model}"]
    if steps == 1:
        return lines
    drop = least_drop(_to_calibrate(source), Risk().confidence)
    if not drop:
        return [*lines, "it takes all looks; to exit once it is sure: infer --confidence 0.9"]
    data = ["--dataset", source.name, "--data", str(source.root)] if isinstance(source, CatalogSource) else [str(run)]
    return [
        *lines,
        "it takes all looks until its exits are calibrated (or with infer --confidence 0.9):",
        f"$ gfnet-video calibrate {model} {shlex.join(data)} --max-drop {max(drop, 100 * Risk().max_drop):g}%",
    ]


def _to_calibrate(source: Source) -> int:
    """How many clips are set apart to calibrate on."""
    try:
        return len(source.manifest("calibration")) if "calibration" in source.splits else 0
    except DataError:  # of a split in which no clip is whole
        return 0


def epochs_of(run: Path) -> list[dict[str, Any]]:
    """The rows of a run's log.jsonl; a line that a kill left unfinished is passed over."""
    log, rows = run / "log.jsonl", []
    for line in log.read_text(encoding="utf-8").splitlines() if log.is_file() else ():
        with contextlib.suppress(json.JSONDecodeError):
            rows.append(json.loads(line))
    return rows


def factor_accuracies(logits: torch.Tensor, labels: torch.Tensor, factors: tuple[int, ...]) -> list[float]:
    """Accuracy of each factor of the predicted class on its own; empty without factors."""
    found: list[float] = []
    guess = answers(logits)
    for size in reversed(factors):
        found.append(float(((guess % size == labels % size) & (guess >= 0)).double().mean()))
        guess, labels = guess.div(size, rounding_mode="floor"), labels // size
    return found[::-1]


def provenance(name: str, manifest: Manifest, run: Path) -> dict[str, object]:
    """What the model was made of. Minutes are those of its logged batches, measuring on dev left out."""
    return {
        "dataset": name,
        "train_clips": len(manifest),
        "train_digest": manifest.digest(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "training_minutes": round(sum(e["seconds"] for e in epochs_of(run)) / 60, 1),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "torch": torch.__version__,
    }
