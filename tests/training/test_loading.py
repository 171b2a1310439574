"""The same batches whatever the number of workers; a bad clip costs itself, a dead worker is a sentence."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from torch import Tensor

from gfnet_video.config import Config, TrainConfig
from gfnet_video.datasets.clips import Clips
from gfnet_video.datasets.manifest import Manifest
from gfnet_video.errors import ConfigError, DataError, VideoError
from gfnet_video.training.loading import Batch, Loader, training_recipe
from gfnet_video.video.augment import Recipe
from tests import models
from tests.clips import encode

FRAMES, SIDE = 3, 32
EPOCHS = ((0, [[5, 1, 3], [0, 2, 4]]), (7, [[4, 2, 5], [3, 0, 1]]))


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Six clips, of which clip 2 is text and clip 4 absent."""
    root = tmp_path_factory.mktemp("videos")
    for i in (0, 1, 3, 5):
        encode(root / f"{i}.mp4", 12 + i)
    (root / "2.mp4").write_text("no video")
    names = [f"{i}.mp4" for i in range(6)]
    return Manifest.of("train", ("left", "right"), root, names, names, [i % 2 for i in range(6)])


def everything(videos: Manifest, workers: int) -> list[Batch]:
    recipe = Recipe("multi_scale", mirror=(1, 0))
    loader = Loader(Clips(videos, FRAMES, SIDE, jitter=True, seed=4, recipe=recipe), workers)
    return [b for number, places in EPOCHS for b in loader.epoch(number, [np.array(p) for p in places])]


def test_any_number_of_workers_gives_the_same_batches_and_bad_clips_cost_themselves_alone(videos: Manifest) -> None:
    plain = everything(videos, 0)
    assert [len(b.labels) for b in plain] == [3, 1, 1, 3]
    assert [[w.split(":")[0][-5:] for w in b.lost] for b in plain] == [[], ["2.mp4", "4.mp4"], ["4.mp4", "2.mp4"], []]
    for workers in (1, 2):
        for one, other in zip(plain, everything(videos, workers), strict=True):
            assert torch.equal(one.pixels, other.pixels) and torch.equal(one.labels, other.labels)
            assert one.lost == other.lost


def test_an_epoch_is_another_draw_and_the_same_epoch_the_same(videos: Manifest) -> None:
    loader = Loader(Clips(videos, FRAMES, SIDE, jitter=True, recipe=Recipe("multi_scale")), 0)
    first, second, again = (next(loader.epoch(n, [np.array([0, 1, 3, 5])])).pixels for n in (0, 1, 0))
    assert torch.equal(first, again) and not torch.equal(first, second)


def test_loading_leaves_the_trainings_dice_alone(videos: Manifest) -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    next(Loader(Clips(videos, FRAMES, SIDE, recipe=Recipe(randaugment=(2, 9))), 0).epoch(0, [np.array([0])]))
    assert torch.equal(torch.rand(2), expected)


class DyingClips(Clips):
    """Clip 1 takes its process with it, as a decoder does that crashes; so does nothing else."""

    def read(self, index: int) -> Tensor:
        if index == 1:
            os._exit(139)
        raise VideoError(self.manifest.path(index), "is broken")


def test_a_worker_that_dies_is_a_sentence(videos: Manifest) -> None:
    loader = Loader(DyingClips(videos, FRAMES, SIDE), 1)
    with pytest.raises(DataError, match=r"a process that reads clips died .*gfnet-video check FOLDER"):
        list(loader.epoch(0, [np.array([0]), np.array([1]), np.array([3])]))


def test_other_errors_are_not_taken_for_a_dead_worker(videos: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: Clips, index: int) -> Tensor:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(Clips, "read", fails)
    with pytest.raises(RuntimeError, match="a mistake of ours"):
        list(Loader(Clips(videos, FRAMES, SIDE), 0).epoch(0, [np.array([0])]))


def config(name: str, **train: object) -> Config:
    return Config(name, models.config(), TrainConfig((), **train))  # type: ignore[arg-type]


def test_a_recipe_takes_its_pairs_from_the_data_sets_row(monkeypatch: pytest.MonkeyPatch) -> None:
    row = type("Row", (), {"flip_pairs": (("left", "right"),)})()
    monkeypatch.setattr("gfnet_video.training.loading.dataset", lambda name: row)
    assert training_recipe(config("sthv2", flip=True), ("right", "stop", "left")) == Recipe(mirror=(2, 1, 0))
    assert training_recipe(config("sthv2"), ("right", "stop", "left")) == Recipe()
    with pytest.raises(ConfigError, match="none of the classes that mirror each other"):
        training_recipe(config("sthv2", flip=True), ("Right", "Left"))


def test_without_pairs_a_flip_that_is_asked_for_keeps_the_label() -> None:
    assert training_recipe(config("mini", flip=True), ("a", "b")) == Recipe(mirror=(0, 1))
