"""Accuracy from video-level logits, and the pass over a split that collects them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gfnet_video.datasets.clips import Clips
from gfnet_video.datasets.frame_cache import Progress
from gfnet_video.datasets.manifest import Manifest
from gfnet_video.errors import VideoError
from gfnet_video.model import GFNet, parted
from gfnet_video.nn.controls import random_centres
from gfnet_video.nn.device import device_of
from gfnet_video.video.transforms import normalise


@dataclass(frozen=True)
class StepLogits:
    """All looks of a split: `logits` (N,S,K), `labels` (N,), `centres` (N,F,2), `failed` {clip index: reason}.

    A failed clip's logits are NaN, so that it can be right nowhere. `seconds` is the network's time.
    """

    logits: Tensor
    labels: Tensor
    centres: Tensor
    failed: dict[int, str]
    seconds: float


def answers(logits: Tensor) -> Tensor:
    """The class (N,) of the highest of the logits (N,K), -1 for a row with NaN: a failed clip is right nowhere."""
    return logits.argmax(-1).masked_fill(logits.isnan().any(-1), -1)


def readable(step_logits: Tensor) -> Tensor:
    """(N,) bool: the clips that did not fail, from (N,S,K)."""
    return ~step_logits[:, -1].isnan().any(-1)


def accuracy(logits: Tensor, labels: Tensor, top: int = 1) -> float:
    """The part of videos whose class is among the `top` highest logits (N,K); rows with NaN count as wrong."""
    best = logits.nan_to_num(-math.inf).topk(min(top, logits.shape[-1]), -1).indices
    right = (best == labels[:, None]).any(-1) & ~logits.isnan().any(-1)
    return float(right.double().mean())


def mean_average_precision(scores: Tensor, truth: Tensor) -> float:
    """Mean over classes of average precision (area under precision-recall, as the mean precision at each hit).

    scores (N,K), rows with NaN last; truth (N,K) bool. Classes that no video has are left out.
    """
    order = scores.nan_to_num(-math.inf).argsort(dim=0, descending=True, stable=True)  # (N,K)
    hits = truth.gather(0, order).double()
    precision = hits.cumsum(0) / torch.arange(1, len(hits) + 1, dtype=torch.double)[:, None]
    present = hits.sum(0) > 0
    average = (precision * hits).sum(0)[present] / hits.sum(0)[present]
    return float(average.mean())


def truth_of(manifest: Manifest) -> Tensor:
    """(N,K) bool: which classes are right for each clip."""
    truth = torch.zeros(len(manifest), len(manifest.classes), dtype=torch.bool)
    truth[torch.arange(len(manifest)), torch.from_numpy(manifest.labels)] = True
    truth[manifest.further[:, 0], manifest.further[:, 1]] = True
    return truth


def step_accuracies(logits: Tensor, labels: Tensor) -> list[float]:
    """Top-1 after each step, from (N,S,K)."""
    return [accuracy(logits[:, s], labels) for s in range(logits.shape[1])]


@torch.inference_mode()
def step_logits_of(
    model: GFNet,
    clips: Clips,
    *,
    batch: int = 16,
    shuffle_frames: int | None = None,
    places: range | None = None,
    also: Callable[[list[int], Tensor], None] | None = None,
    progress: Progress = lambda done, total: None,
) -> StepLogits:
    """Run every look on every clip, no exit. shuffle_frames: a seed; each clip's frames take an order of its own.

    places: only those clips; the rows of all others stay NaN. also: is given what was decoded too, batch by batch: the
    clips' places and their pixels (b,T,3,H,W) uint8. progress: is told how many clips are done, and of how many.
    """
    model.eval()
    config, n = model.config, len(clips)
    logits = torch.full((n, model.steps, config.classes), math.nan)
    looks = 0 if model.focus_net is None else model.steps - model.glances_first
    centres = torch.full((n, looks, 2), math.nan)
    failed: dict[int, str] = {}
    seconds = 0.0
    places = range(n) if places is None else places
    for start in range(0, len(places), batch):
        progress(start, len(places))
        good, pixels = read_batch(clips, places[start : start + batch], failed)
        if not good:
            continue
        forced = forced_centres(model, clips, good)
        if shuffle_frames is not None:
            pixels = torch.stack([_shuffled(p, shuffle_frames, i) for i, p in zip(good, pixels, strict=True)])
            if forced is not None:  # a place goes with its frame
                forced = torch.stack([_shuffled(c, shuffle_frames, i) for i, c in zip(good, forced, strict=True)])
        began = time.perf_counter()
        frames, glanced = as_seen(model, pixels)
        found = model(frames, glance_frames=glanced, centres=forced)
        seconds += time.perf_counter() - began
        logits[good], centres[good] = found.step_logits.cpu(), found.centres.cpu()
        if also is not None:
            also(good, pixels)
    return StepLogits(logits, torch.from_numpy(clips.manifest.labels), centres, failed, seconds)


def as_seen(model: GFNet, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
    """Pixels (b,T,3,H,W) uint8 as `forward` takes them: normalised, where the model is, the glance's frames apart."""
    config = model.config
    return parted(normalise(pixels.to(device_of(model)), config.mean, config.std), config)


def forced_centres(model: GFNet, clips: Clips, indices: Sequence[int]) -> Tensor | None:
    """The centres (b,F,2) of patches that no map tells: random ones by the clips' names, an oracle's by their truth;
    None where the model finds its own. Raises DataError where an oracle's clips came without truth."""
    if model.config.where == "random":
        looks = range(model.config.looks)
        found = torch.stack([random_centres(clips.manifest.id(i), looks) for i in indices])
    elif model.config.where == "oracle":
        found = model.aim(torch.stack([clips.true_places(i) for i in indices]))
    else:
        return None
    return found.to(device_of(model))


def _shuffled(rows: Tensor, seed: int, index: int) -> Tensor:
    order = np.random.default_rng([seed, index]).permutation(len(rows))
    return rows[torch.from_numpy(order).to(rows.device)]


def read_batch(clips: Clips, indices: range, failed: dict[int, str]) -> tuple[list[int], Tensor]:
    """The readable clips among `indices` and their pixels (b,T,3,H,W) uint8; the others go into `failed` by reason."""

    good: list[int] = []
    pixels: list[Tensor] = []
    for i in indices:
        try:
            pixels.append(clips.read(i))
            good.append(i)
        except VideoError as error:
            failed[i] = error.reason
    return good, torch.stack(pixels) if pixels else torch.empty(0)
