"""What exits save in milliseconds: the exit loop executed on clips, never a time worked out from multiply-adds.

Settings and batch sizes take turns, so that whatever else the machine does falls on all of them alike.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gfnet_video.datasets.clips import Clips
from gfnet_video.errors import DataError, VideoError
from gfnet_video.evaluation.curve import AllLooks, at_rule
from gfnet_video.evaluation.metrics import as_seen, forced_centres
from gfnet_video.inference.batch import run_batch
from gfnet_video.model import GFNet
from gfnet_video.nn.device import device_of
from gfnet_video.nn.exit_rule import ExitRule

CONFIDENCES = (0.5, 0.7, 0.8, 0.9, 0.95, 0.99)
BATCHES = (1, 16)
ROUNDS, FEWEST = 5, 3  # rounds: fewer where SECONDS are over
MOST, LEAST, SECONDS = 128, 16, 120.0  # clips timed: as many as the rounds are thought to manage in so many seconds


@dataclass(frozen=True)
class Setting:
    """One exit rule to time; confidence: the one for all steps, None where there is none; run: the evaluation's own."""

    name: str
    confidence: float | None
    rule: ExitRule
    run: bool = False


@dataclass(frozen=True)
class Timed:
    """A setting at a batch size: milliseconds a clip in each round, and where the clips stopped (n,), 0-based."""

    setting: Setting
    batch: int
    ms: tuple[float, ...]
    exits: Tensor


@dataclass(frozen=True)
class Timing:
    """All that was timed on the clips at `places`, and the milliseconds that decoding each of them took."""

    places: tuple[int, ...]
    rows: tuple[Timed, ...]
    decode_ms: tuple[float, ...]


def settings_of(rule: ExitRule) -> list[Setting]:
    """The run's rule, one confidence for all steps, and no exit; none twice."""
    rules: list[tuple[str, float | None, ExitRule]] = [(f"confidence {c:g}", c, rule.at(c)) for c in CONFIDENCES]
    rules.append(("no exit", None, ExitRule.never(len(rule.thresholds), rule.temperatures)))
    if all(other != rule for _, _, other in rules):
        rules.insert(0, ("thresholds of this run", None, rule))
    return [Setting(name, c, other, other == rule) for name, c, other in rules]


def time_exits(model: GFNet, clips: Clips, rule: ExitRule) -> Timing:
    """Execute the exits of every setting at every batch size, in ROUNDS rounds after one that warms up.

    The clips are drawn with a fixed seed, from those that can be read; whole batches of them where there are enough.
    Times are those of the networks; decoding and normalising are not in them. Raises DataError where no clip can be
    read.
    """
    settings = settings_of(rule)
    places, pixels, decode = _read(clips, LEAST)
    forced = forced_centres(model, clips, places)
    per_clip = sum(time_round(model, pixels, forced, settings[-1].rule, batch)[0] for batch in BATCHES) / 1000
    affordable = int(SECONDS / (per_clip * (ROUNDS + 1) * len(settings))) // LEAST * LEAST
    if affordable > LEAST and len(places) == LEAST:
        places, pixels, decode = _read(clips, min(MOST, affordable))
    kept = len(places) // LEAST * LEAST or len(places)
    forced = forced_centres(model, clips, places[:kept])
    rows = _rounds(model, pixels[:kept], forced, settings)
    return Timing(tuple(places[:kept]), tuple(rows), tuple(decode[:kept]))


def _read(clips: Clips, count: int) -> tuple[list[int], Tensor, list[float]]:
    """Places, pixels and milliseconds of decoding of up to `count` clips that can be read, drawn with a fixed seed."""
    places: list[int] = []
    pixels: list[Tensor] = []
    decode: list[float] = []
    for place in np.random.default_rng(0).permutation(len(clips)).tolist():
        began = time.perf_counter()
        try:
            pixels.append(clips.read(place))
        except VideoError:
            continue
        decode.append(1000 * (time.perf_counter() - began))
        places.append(place)
        if len(places) == count:
            break
    if not places:
        raise DataError(f"no clip of split {clips.manifest.split!r} could be read: there is nothing to time")
    return places, torch.stack(pixels), decode


def _rounds(model: GFNet, pixels: Tensor, forced: Tensor | None, settings: Sequence[Setting]) -> list[Timed]:
    pairs = [(setting, batch) for batch in BATCHES for setting in settings]
    ms: list[list[float]] = [[] for _ in pairs]
    exits = [torch.empty(0)] * len(pairs)
    began = time.perf_counter()
    for number in range(ROUNDS + 1):
        if number > FEWEST and time.perf_counter() - began > SECONDS:
            break
        for i, (setting, batch) in enumerate(pairs):
            taken, exits[i] = time_round(model, pixels, forced, setting.rule, batch)
            if number:  # the first round warms up
                ms[i].append(taken)
    return [Timed(s, b, tuple(m), e) for (s, b), m, e in zip(pairs, ms, exits, strict=True)]


def time_round(model: GFNet, pixels: Tensor, forced: Tensor | None, rule: ExitRule, batch: int) -> tuple[float, Tensor]:
    """Milliseconds a clip and the exits (n,) of clips (n,T,3,H,W) uint8, `batch` of them at a time."""
    frames, glanced = as_seen(model, pixels)
    _settle(model)
    began = time.perf_counter()
    exits = run_batch(model, frames, rule, glance_frames=glanced, centres=forced, seats=batch).steps
    return 1000 * (time.perf_counter() - began) / len(pixels), exits  # which are on the CPU: nothing is pending


def _settle(model: GFNet) -> None:
    if device_of(model).type == "cuda":
        torch.cuda.synchronize(device_of(model))


def timing_report(timing: Timing, looks: AllLooks) -> dict[str, Any]:
    """Plain data: milliseconds a clip, and beside them what the same rule gives on the whole split.

    mean_exit_step_timed is that of the timed clips; exits_that_differ counts those which stopped elsewhere than all
    looks of the split say, as rounding between batch sizes may have it.
    """
    return {
        "clips": len(timing.places),
        "rounds": len(timing.rows[0].ms),
        "decode_ms": statistics.median(timing.decode_ms),
        "network": [_plain(row, list(timing.places), looks) for row in timing.rows],
    }


def _plain(row: Timed, places: list[int], looks: AllLooks) -> dict[str, Any]:
    setting = row.setting
    return {
        "setting": setting.name,
        "confidence": setting.confidence,
        "this_run": setting.run,
        "batch": min(row.batch, len(places)),
        "ms": statistics.median(row.ms),
        "ms_rounds": list(row.ms),
        **at_rule(setting.rule, looks),
        "mean_exit_step_timed": float(row.exits.double().mean()) + 1,
        "exits_that_differ": int((setting.rule.exits(looks.logits[places]) != row.exits).sum()),
    }
