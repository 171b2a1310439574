"""Training: the stages of the config in order, resumable at any batch.

All randomness is drawn from (seed, stage, epoch, batch or clip), so a resumed run sees what it would have seen.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gfnet_video.config import Config, StageConfig
from gfnet_video.datasets.clips import Clips
from gfnet_video.errors import CheckpointError, ConfigError, DataError
from gfnet_video.files import whole
from gfnet_video.model import GFNet, parted
from gfnet_video.nn.device import device_of
from gfnet_video.nn.patches import smooth_tracks
from gfnet_video.training.augment import augment
from gfnet_video.training.loading import Loader
from gfnet_video.training.losses import class_weights, supervised_loss
from gfnet_video.training.optim import clip, learning_rate, make_optimiser, open_parts, set_rate
from gfnet_video.training.policy_gradient import policy_loss
from gfnet_video.video.transforms import normalise

SAVE_EVERY = 120.0  # seconds between checkpoints within an epoch


@dataclass(frozen=True)
class Place:
    """Where a run stands: stage, epoch in the stage, batch in the epoch; all 0-based, the next to do."""

    stage: int = 0
    epoch: int = 0
    batch: int = 0


@dataclass(frozen=True)
class Report:
    """One batch's account, for whoever shows progress.

    bad: how many clips of the epoch so far could not be read; lost: what is wrong with those since the report before.
    """

    stage: str
    epoch: int
    epochs: int
    batch: int
    batches: int
    loss: float
    reward: float | None
    rate: float
    seconds: float
    waiting: float
    bad: int
    lost: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Seen:
    """A batch where the model is, augmented: frames (B,T,3,H,W) normalised, labels (B,), places (B,T,2) of the object,
    (B,0,2) where nobody knows them."""

    frames: Tensor
    labels: Tensor
    places: Tensor


Listen = Callable[[Report], None]
AfterEpoch = Callable[[GFNet, StageConfig, int], None]


def train(
    model: GFNet,
    clips: Clips,
    config: Config,
    run: Path,
    *,
    resume: bool = False,
    listen: Listen = lambda report: None,
    after_epoch: AfterEpoch = lambda model, stage, epoch: None,
) -> None:
    """Run all stages, saving the state in `run`/last.pt.

    Raises DataError when too many clips are bad or too few make a batch, ConfigError when the loss is not finite,
    CheckpointError when the state to resume from is none or of other clips.
    """
    digest, loader = clips.manifest.digest(), Loader(clips, config.train.workers)
    state = _load(run / "last.pt", digest) if resume else None
    place = Place(**state["place"]) if state else Place()
    if state:
        model.load_state_dict(state["model"])
    for number, stage in enumerate(config.train.stages):
        if number < place.stage:
            continue
        open_parts(model, stage)
        optimiser = make_optimiser(model, stage, config.train.weight_decay)
        if state and number == place.stage and state["optimiser"]:
            optimiser.load_state_dict(state["optimiser"])
        start = place if number == place.stage else Place(number)
        for epoch in range(start.epoch, stage.epochs):
            first = start.batch if epoch == start.epoch else 0
            here = Place(number, epoch, first)
            _epoch(model, clips, loader, config, here, optimiser, run, listen)
            after_epoch(model, stage, epoch)
            open_parts(model, stage)
            _save(run / "last.pt", model, optimiser, Place(number, epoch + 1), digest)
        _save(run / "last.pt", model, None, Place(number + 1), digest)


def _epoch(
    model: GFNet,
    clips: Clips,
    loader: Loader,
    config: Config,
    place: Place,
    optimiser: torch.optim.Optimizer,
    run: Path,
    listen: Listen,
) -> None:
    stage, seed = config.train.stages[place.stage], config.train.seed
    order = np.random.default_rng([seed, place.stage, place.epoch]).permutation(len(clips))
    batches = [order[i : i + stage.batch] for i in range(0, len(order) - stage.batch + 1, stage.batch)]
    if not batches:
        raise DataError(
            f"{len(clips)} training clips make no batch of {stage.batch}, the batch of stage {stage.name!r}"
        )
    labelled = clips.manifest.labels.tolist()
    weights = class_weights(labelled, config.model.classes) if config.train.balance == "loss" else None
    saved, bad, told, device = time.monotonic(), list[str](), 0, device_of(model)
    epoch = 1000 * place.stage + place.epoch
    for number, batch in enumerate(loader.epoch(epoch, batches[place.batch :]), place.batch):
        began = time.monotonic()
        bad += batch.lost
        if len(bad) > config.train.max_bad * len(clips):
            allowed = f"allowed are {config.train.max_bad:.0%} (train.max_bad)"
            raise DataError(f"{len(bad)} of {len(clips)} training clips cannot be read; {allowed}; first: {bad[0]}")
        if not len(batch.labels):
            continue
        done = place.epoch * len(batches) + number
        total = stage.epochs * len(batches)
        rate = learning_rate(done, total, peak=stage.lr, warmup=stage.warmup, schedule=stage.schedule)
        set_rate(optimiser, rate)
        progress = done / total
        generator = torch.Generator().manual_seed(_mixed(seed, place.stage, done))
        torch.manual_seed(_mixed(seed, place.stage, done))  # dropout
        frames = normalise(batch.pixels.to(device), config.model.mean, config.model.std)
        frames, places = augment(frames, batch.places.to(device), config.train, generator)
        seen = _Seen(frames, batch.labels.to(device), places)
        loss, reward = _loss(model, stage, seen, weights, progress, generator)
        if not bool(loss.isfinite()):
            raise ConfigError(
                f"the loss is {loss.item()} in stage {stage.name!r}, epoch {place.epoch + 1}, batch {number + 1}; "
                "lower the stage's lr"
            )
        optimiser.zero_grad()
        loss.backward()
        clip(model.parameters(), config.train.clip_grad)
        optimiser.step()
        seconds = time.monotonic() - began
        listen(
            Report(
                stage.name,
                place.epoch,
                stage.epochs,
                number + 1,
                len(batches),
                float(loss.detach()),
                reward,
                rate,
                seconds,
                batch.waiting,
                len(bad),
                tuple(bad[told:]),
            )
        )
        told = len(bad)
        if time.monotonic() - saved > SAVE_EVERY:
            _save(run / "last.pt", model, optimiser, replace(place, batch=number + 1), clips.manifest.digest())
            saved = time.monotonic()


def _loss(
    model: GFNet,
    stage: StageConfig,
    seen: _Seen,
    weights: Tensor | None,
    progress: float,
    generator: torch.Generator,
) -> tuple[Tensor, float | None]:
    """A batch's loss and, where the policy learns, its reward: that is compared within a clip, so it has no weights."""
    labels = seen.labels
    frames, glanced = parted(seen.frames, model.config)
    if stage.patches == "sampled":
        sigma = _sigma(stage, progress)
        loss, reward = policy_loss(
            model, frames, labels, sigma=sigma, tracks=stage.tracks, generator=generator, glance_frames=glanced
        )
        return loss, float(reward)
    centres = _centres(model, stage, seen, progress, generator)
    loss = supervised_loss(
        model, frames, labels, centres, glance_frames=glanced, auxiliary=stage.auxiliary, weights=weights
    )
    return loss, None


def _centres(
    model: GFNet, stage: StageConfig, seen: _Seen, progress: float, generator: torch.Generator
) -> Tensor | None:
    """The tracks (M,B,F,2) of a supervised stage; None where it has no focus."""
    if stage.patches == "none":
        return None
    b, t = len(seen.frames), model.config.looks
    if stage.patches == "random":
        looks = 1 if model.config.patch == "shared" else t
        tracks = _random(model, stage.tracks * b, looks, generator).to(seen.frames)
        spread: Tensor = tracks.expand(-1, t, -1).unflatten(0, (stage.tracks, b))
        return spread
    chosen = _chosen(model, stage, seen)
    chosen = chosen[:, -1:] if model.config.patch == "shared" else chosen
    return around(chosen, stage, progress, generator).expand(-1, -1, t, -1)


def _random(model: GFNet, tracks: int, looks: int, generator: torch.Generator) -> Tensor:
    """Tracks (tracks,looks,2) of random places: smooth ones, but as the model itself draws them where it does.

    Several looks at a frame take a smooth track each, or they would all be at one place.
    """
    if model.config.where == "random":
        return torch.rand(tracks, looks, 2, generator=generator)
    each = model.config.looks_per_frame
    smooth = smooth_tracks(tracks * each, looks // each, generator)  # (tracks*each,frames,2)
    side_by_side: Tensor = smooth.unflatten(0, (tracks, each)).transpose(1, 2).flatten(1, 2)
    return side_by_side


def _chosen(model: GFNet, stage: StageConfig, seen: _Seen) -> Tensor:
    """The centres (B,F,2) or (B,1,2) of a stage whose patches are not random."""
    if stage.patches == "oracle":
        return model.aim(seen.places)
    if stage.patches == "centre":
        return seen.frames.new_full((len(seen.frames), model.config.looks, 2), 0.5)
    frames, glanced = parted(seen.frames, model.config)
    with torch.no_grad():
        return model.locate(model.repeated(model.glance(frames if glanced is None else glanced)[0].map))[0]


def around(centres: Tensor, stage: StageConfig, progress: float, generator: torch.Generator) -> Tensor:
    """The policy's centres (B,T,2) and, for the stage's other tracks, places drawn around them: (M,B,T,2)."""
    noise = torch.randn(stage.tracks - 1, *centres.shape, generator=generator).to(centres)
    drawn = (centres + _sigma(stage, progress) * noise).clamp(0, 1)
    return torch.cat([centres[None], drawn])


def _sigma(stage: StageConfig, progress: float) -> float:
    """The width of the draw at that share of the stage."""
    return stage.sigma[0] + progress * (stage.sigma[1] - stage.sigma[0])


def _mixed(*numbers: int) -> int:
    return int(np.random.SeedSequence(list(numbers)).generate_state(1)[0])


def _save(path: Path, model: GFNet, optimiser: torch.optim.Optimizer | None, place: Place, digest: str) -> None:
    held = optimiser.state_dict() if optimiser else None
    state = {"model": model.state_dict(), "optimiser": held, "place": vars(place), "data": digest}
    with whole(path) as temporary:
        torch.save(state, temporary)


def _load(path: Path, digest: str) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # weights_only refuses with many kinds
        raise CheckpointError(f"{path}: cannot be resumed from: {error}") from error
    if not isinstance(state, dict) or not state.keys() >= {"model", "optimiser", "place", "data"}:
        raise CheckpointError(f"{path}: cannot be resumed from: it does not hold a run's state")
    if state["data"] != digest:
        raise CheckpointError(f"{path}: was trained on other clips than those now listed; name another run folder")
    return state
