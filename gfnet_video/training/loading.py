"""Batches of clips: read here or by worker processes that live as long as the training does.

What a batch holds follows from the seed, the epoch and the clips' places alone, whatever the number of workers.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gfnet_video.config import Config
from gfnet_video.datasets.catalog import dataset
from gfnet_video.datasets.clips import Clips
from gfnet_video.errors import DataError
from gfnet_video.video.augment import Recipe, recipe_of

Item = tuple[Tensor, int, str, Tensor]
Key = tuple[int, int]  # epoch and place: a worker learns with each clip which epoch it is


@dataclass(frozen=True)
class Batch:
    """pixels (b,T,3,H,W) uint8, labels (b,), and of each clip that is missing what is wrong with which file.

    waiting: seconds from asking to having. places (b,T,2): where the object is, (b,0,2) for clips without truth.
    """

    pixels: Tensor
    labels: Tensor
    lost: list[str]
    waiting: float
    places: Tensor


def training_recipe(config: Config, classes: Sequence[str]) -> Recipe:
    """What the config lets happen to a training clip; mirrored classes are those of its data set's catalog row.

    Raises ConfigError where flip is on and the class names are not the catalog's.
    """
    pairs = dataset(config.dataset).flip_pairs if config.train.flip else ()
    return recipe_of(config.train, classes, pairs)


class Loader:
    """Loads batches of `clips`, with `workers` processes (0: in this one), started once, by spawn."""

    def __init__(self, clips: Clips, workers: int) -> None:
        self._plan = _Plan()
        self._batches = torch.utils.data.DataLoader(
            _Dated(clips),
            batch_sampler=self._plan,
            num_workers=workers,
            collate_fn=collate,
            multiprocessing_context="spawn" if workers else None,
            persistent_workers=workers > 0,
            generator=torch.Generator(),  # unused, but torch would take its number from the training's dice
        )

    def epoch(self, number: int, batches: Sequence[np.ndarray]) -> Iterator[Batch]:
        """The clips at the places that each of `batches` names, as they are in epoch `number`.

        Raises DataError where a worker process dies: a clip that cannot be read is only named in `lost`.
        """
        self._plan.epoch, self._plan.batches = number, batches
        asked = time.monotonic()
        try:
            for pixels, labels, lost, places in self._batches:
                waited = time.monotonic() - asked
                yield Batch(pixels, labels, lost, waited, places)
                asked = time.monotonic()
        except RuntimeError as error:
            if "DataLoader worker (pid" not in str(error):  # torch's words for a process that is gone
                raise
            raise DataError(
                f"a process that reads clips died ({str(error).splitlines()[0]}): of a file that crashes its decoder "
                "(gfnet-video check FOLDER finds it) or of too little memory (lower train.workers)"
            ) from error


class _Plan:
    """The keys of each batch, written down one batch at a time; torch asks anew for each epoch."""

    def __init__(self) -> None:
        self.epoch = 0
        self.batches: Sequence[np.ndarray] = ()

    def __iter__(self) -> Iterator[list[Key]]:
        for places in self.batches:
            yield [(self.epoch, int(i)) for i in places]

    def __len__(self) -> int:
        return len(self.batches)


class _Dated(torch.utils.data.Dataset[Item]):
    """Clips by epoch and place: a worker's copy is not told otherwise that an epoch has begun."""

    def __init__(self, clips: Clips) -> None:
        self.clips = clips

    def __getitem__(self, key: Key) -> Item:
        self.clips.epoch, place = key
        where = torch.empty(0, 2) if self.clips.truth is None else self.clips.true_places(place)
        return *self.clips[place], where


def collate(items: list[Item]) -> tuple[Tensor, Tensor, list[str], Tensor]:
    """Stack the readable clips, their labels and places; the third value says of each other one what is wrong."""
    good = [(x, y, where) for x, y, wrong, where in items if not wrong]
    lost = [wrong for _, _, wrong, _ in items if wrong]
    pixels = torch.stack([x for x, _, _ in good]) if good else torch.empty(0)
    places = torch.stack([where for _, _, where in good]) if good else torch.empty(0)
    return pixels, torch.tensor([y for _, y, _ in good], dtype=torch.long), lost, places
