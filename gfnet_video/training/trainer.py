"""Training: the stages of the config in order, resumable at any batch.

All randomness is drawn from (seed, stage, epoch, batch or clip), so a resumed run sees what it would have seen, and
several processes see together what one would (training/distributed.py).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gfnet_video.config import Config, StageConfig
from gfnet_video.datasets.clips import Clips
from gfnet_video.errors import ConfigError, DataError
from gfnet_video.model import GFNet
from gfnet_video.nn.device import device_of
from gfnet_video.training.augment import augment
from gfnet_video.training.dice import Dice
from gfnet_video.training.distributed import (
    agree,
    check_batches,
    here,
    shared_out,
    spread,
    summed,
    synchronise,
)
from gfnet_video.training.forward import fast_forwards, replaced, shared_dropouts
from gfnet_video.training.learning import Learning, start_learning
from gfnet_video.training.loading import Loader
from gfnet_video.training.losses import class_weights
from gfnet_video.training.optim import learning_rate, open_parts, set_rate
from gfnet_video.training.plan import check_full
from gfnet_video.training.saved import Place, load_state, save_state, sweep
from gfnet_video.training.step import Seen, Turn, losses
from gfnet_video.video.transforms import normalise

SAVE_EVERY = 120.0  # seconds between checkpoints within an epoch


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
    """Run all stages, saving the state in `run`/last.pt; of several processes, every one calls this.

    Raises DataError when too many clips are bad or too few make a batch, ConfigError when the loss is not finite or
    the processes cannot part a batch, CheckpointError when the state to resume from is none or of other clips,
    ProcessError when another process ends.
    """
    check_batches(config.train.stages)
    check_full(len(clips), config.train.stages)
    digest, loader = clips.manifest.digest(), Loader(clips, config.train.workers)
    state = load_state(run / "last.pt", digest) if resume else None
    place = Place(**state["place"]) if state else Place()
    agree("config, clips and state to resume from", (config, digest, place))
    if here().first:
        sweep(run / "last.pt")
    if state:
        model.load_state_dict(state["model"])
    if config.train.sync_batchnorm:
        synchronise(model)
    spread(model.state_dict().values())
    for number, stage in enumerate(config.train.stages):
        if number < place.stage:
            continue
        open_parts(model, stage)
        learning = start_learning(model, stage, config.train.weight_decay, _mixed(config.train.seed, number))
        if state and number == place.stage and state["optimiser"]:
            learning.restore(state)
        start = place if number == place.stage else Place(number)
        for epoch in range(start.epoch, stage.epochs):
            first = start.batch if epoch == start.epoch else 0
            now = Place(number, epoch, first)
            lost = list(state["lost"]) if state and now == place else []
            _epoch(learning, clips, loader, config, now, run, listen, lost)
            spread(model.buffers())
            after_epoch(model, stage, epoch)
            open_parts(model, stage)
            _save(run, model, learning, Place(number, epoch + 1), digest)
        _save(run, model, None, Place(number + 1), digest)


def _save(
    run: Path, model: GFNet, learning: Learning | None, place: Place, digest: str, lost: list[str] | None = None
) -> None:
    if here().first:
        save_state(run / "last.pt", model, learning, place, digest, lost)


def _epoch(
    learning: Learning,
    clips: Clips,
    loader: Loader,
    config: Config,
    place: Place,
    run: Path,
    listen: Listen,
    bad: list[str],
) -> None:
    """The rest of an epoch; bad: what was wrong with its clips before `place`."""
    model, stage, seed = learning.model, config.train.stages[place.stage], config.train.seed
    order = np.random.default_rng([seed, place.stage, place.epoch]).permutation(len(clips))
    batches = [order[i : i + stage.batch] for i in range(0, len(order) - stage.batch + 1, stage.batch)]
    labelled = clips.manifest.labels.tolist()
    weights = class_weights(labelled, config.model.classes) if config.train.balance == "loss" else None
    saved, told, device = time.monotonic(), len(bad), device_of(model)
    mine, fast = here().part(stage.batch), fast_forwards(model, config.train)
    epoch = 1000 * place.stage + place.epoch
    for number, batch in enumerate(loader.epoch(epoch, [b[mine] for b in batches[place.batch :]]), place.batch):
        began = time.monotonic()
        share, lost = shared_out(len(batch.labels), batch.lost)
        bad += lost
        check_bad(bad, len(clips), config.train.max_bad)
        if share is None:
            continue
        done = place.epoch * len(batches) + number
        total = stage.epochs * len(batches)
        rate = learning_rate(done, total, peak=stage.lr, warmup=stage.warmup, schedule=stage.schedule)
        set_rate(learning.optimiser, rate)
        generator = Dice.seeded(_mixed(seed, place.stage, done), share)
        torch.manual_seed(_mixed(seed, place.stage, done))  # dropout
        frames = normalise(batch.pixels.to(device), config.model.mean, config.model.std)
        frames, places = augment(frames, batch.places.to(device), config.train, generator)
        seen = Seen(frames, batch.labels.to(device), places)
        turn = Turn(stage, done / total, weights, generator)
        part, mean, reward = share.count / share.whole, math.nan, None  # losses are means over clips
        with replaced({**fast, **shared_dropouts(model, share)}):
            for loss, reward in losses(learning, turn, seen):
                mean, reward = _means(loss * part, reward, part)
                if not math.isfinite(mean):
                    raise ConfigError(
                        f"the loss is {mean} in stage {stage.name!r}, epoch {place.epoch + 1}, batch {number + 1}; "
                        "lower the stage's lr"
                    )
                learning.step(loss * part, config.train.clip_grad)
        seconds = time.monotonic() - began
        listen(
            Report(
                stage.name,
                place.epoch,
                stage.epochs,
                number + 1,
                len(batches),
                mean,
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
            _save(run, model, learning, replace(place, batch=number + 1), clips.manifest.digest(), bad)
            saved = time.monotonic()


def check_bad(bad: Sequence[str], clips: int, most: float) -> None:
    """Raise DataError where more than the share `most` of the training clips cannot be read; bad: what is wrong."""
    if len(bad) > most * clips:
        raise DataError(
            f"{len(bad)} of {clips} training clips cannot be read; allowed are {most:.0%} (train.max_bad); "
            f"first: {bad[0]}; list them by gfnet-video check DIR --quarantine, DIR being the folder of the clips, "
            "and train with a new --run, which leaves them out"
        )


def _means(loss: Tensor, reward: float | None, part: float) -> tuple[float, float | None]:
    """Loss and reward of the whole batch. loss: times `part` already, the part of the batch that is here."""
    total = summed(torch.stack([loss.detach().double(), loss.new_tensor(part * (reward or 0.0), dtype=torch.double)]))
    return float(total[0]), None if reward is None else float(total[1])


def _mixed(*numbers: int) -> int:
    return int(np.random.SeedSequence(list(numbers)).generate_state(1)[0])
