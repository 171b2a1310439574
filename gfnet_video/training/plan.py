"""How a config is fitted to a number of clips, for data whose size no file can know."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

from gfnet_video.config import Config, StageConfig, load_config
from gfnet_video.datasets.clip_file import open_source
from gfnet_video.datasets.manifest import Manifest
from gfnet_video.datasets.source import OwnSource
from gfnet_video.errors import ConfigError, DataError, VideoError, printable

STEPS = 240  # optimiser steps a stage should have at least: fewer do not move a new head far enough
MOST_EPOCHS = 60
MOST_CACHE = 4 << 30  # bytes of decoded frames that may be kept on disk without being asked
SAMPLED = 16  # clips whose headers are read to guess how long all are


def fitted(clips: int, *, batch: int, epochs: int) -> tuple[int, int]:
    """Batch and epochs of a stage for so many training clips, from those of its config.

    The batch is at most a quarter of the clips, so that an epoch has four steps at least; epochs grow until the stage
    has STEPS of them, to MOST_EPOCHS.

    >>> [fitted(n, batch=16, epochs=8) for n in (14, 40, 140, 3500)]
    [(3, 60), (10, 60), (16, 30), (16, 8)]
    """
    batch = max(1, min(batch, clips // 4))
    steps = max(1, clips // batch)
    return batch, max(epochs, min(MOST_EPOCHS, math.ceil(STEPS / steps)))


def overrides_for(config: Config, manifest: Manifest, name: str) -> tuple[str, ...]:
    """What fits a shipped config to clips of one's own, as `--set` would say it; what a user sets comes after."""
    found = [f"name={json.dumps(printable(name))}", f"model.classes={len(manifest.classes)}"]
    for i, stage in enumerate(config.train.stages):
        batch, epochs = fitted(len(manifest), batch=stage.batch, epochs=stage.epochs)
        found += [f"train.stages.{i}.batch={batch}", f"train.stages.{i}.epochs={epochs}"]
    if not manifest.template and cache_bytes(manifest, config.model.frame_side) <= MOST_CACHE:
        found += ["train.cache=true", "train.workers=0"]
    return tuple(found)


def cache_bytes(manifest: Manifest, side: int) -> float:
    """About how many bytes all decoded frames would take, from the headers of some clips spread over the split."""
    rows = range(0, len(manifest), max(1, len(manifest) // SAMPLED))
    counts = [n for n in (_claimed(manifest, i) for i in rows) if n is not None]
    mean = sum(counts) / len(counts) if counts else 0.0
    return mean * len(manifest) * side * side * 3


def check_fits(manifest: Manifest, config: Config, name: str) -> None:
    """Raise ConfigError where the model has other classes than the data set `name`, DataError as `check_full`."""
    if len(manifest.classes) != config.model.classes:
        raise ConfigError(
            f"model.classes is {config.model.classes}; {name} has {len(manifest.classes)}; "
            f"--set model.classes={len(manifest.classes)}"
        )
    check_full(len(manifest), config.train.stages)


def check_full(clips: int, stages: Sequence[StageConfig]) -> None:
    """Raise DataError where so many clips do not make one batch of every stage."""
    small = [i for i, stage in enumerate(stages) if stage.batch > clips]
    if small:
        stage, batch = stages[small[0]], max(1, clips // 4)
        hint = " ".join(f"--set train.stages.{i}.batch={batch}" for i in small)
        raise DataError(
            f"{clips} training clips make no batch of {stage.batch}, the batch of stage {stage.name!r}; give more "
            f"clips, or {hint}"
        )


def _claimed(manifest: Manifest, index: int) -> int | None:
    try:
        with open_source(manifest, index) as video:
            return video.header_frames
    except VideoError:  # said later, by whoever wants its frames
        return None


def plan_own(opened: OwnSource, config: Path, overrides: tuple[str, ...], *, fit: bool) -> Config:
    """The config for clips of one's own; fit: it is a shipped one, to be fitted to them before `overrides` come.

    Raises ConfigError.
    """
    if not fit:
        return load_config(config, overrides)
    fitting = overrides_for(load_config(config), opened.manifest("train"), opened.name)
    return load_config(config, (*fitting, *overrides))
