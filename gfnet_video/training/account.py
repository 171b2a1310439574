"""What a run says of itself: the rows of its log, what its model was made of, whether it may go on."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from gfnet_video.config import Config, load_config
from gfnet_video.datasets.manifest import Manifest
from gfnet_video.errors import ConfigError
from gfnet_video.evaluation.metrics import answers


def check_resumable(run: Path, config: Config, resume: bool) -> None:
from gfnet_video.strict import differences, to_dict

SHOWN = 3  # fields of a config that differ; of more, their number is said
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
