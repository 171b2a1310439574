"""Milliseconds of the networks of `mini`, beside each other on this machine, on this day."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

import torch

from gfnet_video.checkpoint import Recogniser, load
from gfnet_video.datasets.clips import open_clips
from gfnet_video.datasets.manifest import Manifest
from gfnet_video.evaluation.exit_timing import time_round
from gfnet_video.evaluation.machine import processor
from gfnet_video.nn.folding import folded
from tools.mini_runs import FAMILIES, model_of, recipe_of

TIMED, BATCH, ROUNDS = 128, 16, 9
WITH_EXITS = ("gfnet", "gfnet_tiny")  # what is timed beside the full-frame network


def times(test: Manifest, cache: Path) -> list[dict[str, Any]]:
    """Milliseconds a clip of each family's full-frame TSM and of its GFNets with exits executed, taking turns.

    Eager float32 in batches, networks alone; each ratio is between neighbours in time.
    """
    found = []
    for family in FAMILIES:
        keys = [k for k in ("full", *WITH_EXITS) if (model_of(k, family, 0) / "config.json").is_file()]
        if keys[:1] != ["full"] or len(keys) < 2:
            continue
        models = [folded(load(model_of(key, family, 0))) for key in keys]
        clips = open_clips(test, models[0].config, cache)
        pixels = torch.stack([clips.read(i) for i in range(min(TIMED, len(clips)))])
        rounds = in_turns(models, pixels, BATCH)
        for i, key in enumerate(keys[1:], 1):
            pairs = [[r[0], r[i]] for r in rounds]
            full, gfnet = (statistics.median(p[side] for p in pairs) for side in (0, 1))
            of = {"family": family, "key": key, "recipe": recipe_of(key, family, 0), "date": today(), **machine()}
            timed = {"full_ms": full, "gfnet_ms": gfnet, "ratio": statistics.median(g / f for f, g in pairs)}
            found.append(of | {"clips": len(pixels), "batch": BATCH, **timed, "rounds": pairs})
    return found


def in_turns(models: list[Recogniser], pixels: torch.Tensor, batch: int) -> list[list[float]]:
    """Milliseconds a clip of each model with its exits executed, `batch` at a time, round by round."""
    turns = range(ROUNDS + 1)
    _, *rounds = [[time_round(m, pixels, None, m.card.rule, batch)[0] for m in models] for _ in turns]  # 0 warms up
    return rounds


def earlier_times(now: list[dict[str, Any]], earlier: dict[str, Any]) -> list[dict[str, Any]]:
    """Times of an earlier docs/mini.json, of networks not timed anew and recipes that still hold."""
    known = {(t["family"], t["key"]) for t in now}
    old = (t for t in earlier.get("times", []) if (t["family"], t.get("key")) not in known)
    return now + [t for t in old if "key" in t and t["recipe"] == recipe_of(t["key"], t["family"], 0)]


def machine() -> dict[str, Any]:
    return {"cpu": processor(), "threads": torch.get_num_threads(), "torch": torch.__version__}


def today() -> str:
    return time.strftime("%Y-%m-%d", time.gmtime())
