"""Milliseconds of the networks of `mini`, beside each other on this machine, on this day."""

from __future__ import annotations

import statistics
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from gfnet_video.checkpoint import Recogniser, load
from gfnet_video.datasets.clips import open_clips
from gfnet_video.datasets.manifest import Manifest
from gfnet_video.engines.engine import Engine
from gfnet_video.engines.sessions import EXTRAS, installed
from gfnet_video.engines.torch_engine import TorchEngine
from gfnet_video.evaluation.bench_models import Ways, on_engines
from gfnet_video.evaluation.exit_timing import time_round
from gfnet_video.evaluation.machine import processor
from gfnet_video.inference.under_way import from_memory, in_seats
from tools.mini_runs import FAMILIES, model_of, recipe_of

TIMED, BATCH, ROUNDS = 128, 16, 9
WITH_EXITS = ("gfnet", "gfnet_48", "gfnet_long", "gfnet_tiny")  # what is timed beside the full-frame network
Round = Callable[[], float]  # runs all clips; milliseconds a clip


def times(test: Manifest, cache: Path) -> list[dict[str, Any]]:
    """Milliseconds a clip of each family's full-frame TSM and of its GFNets with exits executed, taking turns, on each
    engine that is installed.

    Float32 in batches, networks alone, frames in memory; each ratio is between neighbours in time.
    """
    found = []
    for family in FAMILIES:
        keys = [k for k in ("full", *WITH_EXITS) if (model_of(k, family, 0) / "config.json").is_file()]
        if keys[:1] != ["full"] or len(keys) < 2:
            continue
        with TemporaryDirectory() as scratch:
            for engine, rounds in _engines(keys, family, test, cache, Path(scratch)).items():
                of = {"family": family, "engine": engine, "date": today(), **machine()}
                found += [of | one for one in beside(keys, family, in_turns(rounds))]
    return found


def _engines(keys: list[str], family: str, test: Manifest, cache: Path, scratch: Path) -> dict[str, list[Round]]:
    """By engine, how each network is timed."""
    able = [name for name in ("torch", *EXTRAS) if installed(name)]
    rounds: dict[str, list[Round]] = {}
    for key in keys:
        model = load(model_of(key, family, 0))
        clips = open_clips(test, model.config, cache)
        pixels = torch.stack([clips.read(i) for i in range(TIMED)])
        ways = Ways(able, torch.get_num_threads(), [test.path(0)], lambda _: None)
        for engine in on_engines(model, scratch / key, ways):
            if isinstance(engine, TorchEngine):  # whose exits need not leave torch
                run: Round = partial(eager, engine.model, pixels, BATCH)
            else:
                run = partial(timed, engine, pixels.numpy())
            rounds.setdefault(engine.name, []).append(run)
    return rounds


def eager(model: Recogniser, pixels: torch.Tensor, batch: int) -> float:
    """Milliseconds a clip (n,T,3,H,W) of a model with its exits executed, `batch` at a time."""
    return time_round(model, pixels, None, model.card.rule, batch)[0]


def timed(engine: Engine, pixels: np.ndarray) -> float:
    """Clips (n,T,3,S,S): so many under way at a time, or where there is no focus whole clips."""
    about, began = engine.about, time.perf_counter()
    if about.config.focus is None:
        for start in range(0, len(pixels), BATCH):
            together = pixels[start : start + BATCH].swapaxes(0, 1)
            deque(engine.walk(iter(together), chunk=about.config.frames), maxlen=0)
    else:
        deque(in_seats(engine, from_memory(about, pixels), BATCH), maxlen=0)
    return 1000 * (time.perf_counter() - began) / len(pixels)


def in_turns(runs: list[Round]) -> list[list[float]]:
    """Milliseconds a clip of each network, round by round, after one that warms up."""
    _, *rounds = [[run() for run in runs] for _ in range(ROUNDS + 1)]
    return rounds


def beside(keys: list[str], family: str, rounds: list[list[float]]) -> list[dict[str, Any]]:
    """Each network with exits beside the first, the full-frame one."""
    found = []
    for i, key in enumerate(keys[1:], 1):
        pairs = [[r[0], r[i]] for r in rounds]
        full, gfnet = (statistics.median(p[side] for p in pairs) for side in (0, 1))
        ms = {"full_ms": full, "gfnet_ms": gfnet, "ratio": statistics.median(g / f for f, g in pairs)}
        of = {"key": key, "recipe": recipe_of(key, family, 0), "clips": TIMED, "batch": BATCH}
        found.append(of | ms | {"rounds": pairs})
    return found


def earlier_times(now: list[dict[str, Any]], earlier: dict[str, Any]) -> list[dict[str, Any]]:
    """Times of an earlier docs/mini.json, of networks not timed anew and recipes that still hold."""
    known = {(t["family"], t["engine"], t["key"]) for t in now}
    old = (t for t in earlier.get("times", []) if (t["family"], t.get("engine"), t.get("key")) not in known)
    return now + [t for t in old if "engine" in t and t["recipe"] == recipe_of(t["key"], t["family"], 0)]


def machine() -> dict[str, Any]:
    return {"cpu": processor(), "threads": torch.get_num_threads(), "torch": torch.__version__}


def today() -> str:
    return time.strftime("%Y-%m-%d", time.gmtime())
