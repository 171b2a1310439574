"""Clips from files and from the cache of decoded frames: the same tensors, the same failures."""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from gfnet_video.datasets.annotations import read_manifest
from gfnet_video.datasets.catalog import dataset
from gfnet_video.datasets.clips import Clips, build_cache
from gfnet_video.datasets.manifest import Manifest
from gfnet_video.errors import DataError, VideoError
from gfnet_video.video.reader import VideoEnded
from tests import trees
from tests.clips import number

SIDE, FRAMES = 64, 4


@pytest.fixture
def damaged(own: Path, liar: Path) -> Manifest:
    """A train split whose clip 2 is text, clip 5 absent and clip 7's header claims too much."""
    (own / trees.FOLDER / "102.webm").write_text("no video")
    (own / trees.FOLDER / "105.webm").unlink()
    (own / trees.FOLDER / "107.webm").unlink()
    shutil.copyfile(liar, own / trees.FOLDER / "107.mp4")
    return read_manifest(dataset("sthv2"), own, "train")


def numbers(frames: torch.Tensor) -> list[int]:
    return [number(f.permute(1, 2, 0).numpy()) for f in frames]


@pytest.mark.parametrize("jitter", [False, True])
def test_cached_frames_are_the_files_frames(damaged: Manifest, tmp_path: Path, jitter: bool) -> None:
    cache = build_cache(damaged, SIDE, tmp_path / "cache")
    direct = Clips(damaged, FRAMES, SIDE, jitter=jitter, seed=3)
    cached = Clips(damaged, FRAMES, SIDE, jitter=jitter, seed=3, cache=cache)
    for i in range(len(damaged)):
        a, b = direct[i], cached[i]
        assert a[1:] == b[1:] and torch.equal(a[0], b[0]), damaged.id(i)
    assert sorted(cache.bad) == [2, 5]


def test_a_bad_clip_is_none_and_never_another(damaged: Manifest) -> None:
    clips = Clips(damaged, FRAMES, SIDE)
    for i in (2, 5, 7):
        pixels, label, wrong = clips[i]
        assert pixels.numel() == 0 and label == -1 and wrong.startswith(f"{damaged.path(i)}: ")
    with pytest.raises(VideoError, match=r"102\.webm: is not a video"):
        clips.read(2)
    with pytest.raises(VideoError, match=r"105\.webm: no such file"):
        clips.read(5)
    with pytest.raises(VideoEnded, match=r"107\.mp4: decoding ends after"):
        clips.read(7)


def test_training_samples_a_clip_that_ends_early_once_more(damaged: Manifest) -> None:
    clips = Clips(damaged, FRAMES, SIDE, jitter=True)
    seen = numbers(clips.read(7))
    assert seen == sorted(seen) and 40 < seen[-1] < 80 and clips[7][1:] == (7 % 5, "")


def test_jitter_depends_on_seed_epoch_and_clip_alone(damaged: Manifest) -> None:
    def seen(seed: int, epoch: int) -> list[list[int]]:
        clips = Clips(damaged, FRAMES, SIDE, jitter=True, seed=seed)
        clips.epoch = epoch
        return [numbers(clips.read(i)) for i in (0, 1, 3, 4, 6, 8, 9)]

    assert seen(0, 0) == seen(0, 0)
    assert seen(0, 0) != seen(0, 1) != seen(1, 1)


def test_cache_is_built_once_and_whole(damaged: Manifest, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    build_cache(damaged, SIDE, folder)
    before = {p.name: p.stat().st_mtime_ns for p in folder.iterdir()}
    calls: list[int] = []
    build_cache(damaged, SIDE, folder, lambda done, total: calls.append(done))
    assert calls == [] and {p.name: p.stat().st_mtime_ns for p in folder.iterdir()} == before
    assert not [n for n in os.listdir(folder) if n.endswith(".tmp")]


def test_cache_follows_the_files(damaged: Manifest, clip: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    assert sorted(build_cache(damaged, SIDE, folder).bad) == [2, 5]
    for i in (0, 5):  # one is replaced, one comes back
        shutil.copyfile(clip, damaged.path(i))
    cache = build_cache(damaged, SIDE, folder)
    assert sorted(cache.bad) == [2] and len(cache.clip(0)) == len(cache.clip(5)) == 36


def test_a_cache_without_any_frame(own: Path, tmp_path: Path) -> None:
    for path in (own / trees.FOLDER).iterdir():
        path.unlink()
    manifest = read_manifest(dataset("sthv2"), own, "train")
    cache = build_cache(manifest, SIDE, tmp_path / "cache")
    assert len(cache.bad) == len(manifest) == 10
    assert Clips(manifest, FRAMES, SIDE, cache=cache)[3][1] == -1


def test_a_cache_that_cannot_be_written_says_how_to_do_without(damaged: Manifest, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"cannot be written: .*--set train.cache=false \(train\), --no-cache"):
        build_cache(damaged, SIDE, tmp_path / "file" / "cache")


def test_a_worker_maps_the_cache_and_does_not_copy_it(damaged: Manifest, tmp_path: Path) -> None:
    cache = build_cache(damaged, SIDE, tmp_path / "cache")
    sent = pickle.dumps(cache)
    assert len(sent) < 1000 < cache.pixels.size
    assert np.array_equal(pickle.loads(sent).clip(9), cache.clip(9))


def test_killed_while_writing_starts_anew(damaged: Manifest, tmp_path: Path) -> None:
    folder = tmp_path / "cache"

    def kill(done: int, total: int) -> None:
        if done == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_cache(damaged, SIDE, folder, kill)
    assert numbers(torch.from_numpy(build_cache(damaged, SIDE, folder).clip(9).copy()).permute(0, 3, 1, 2)) == list(
        range(19)
    )
