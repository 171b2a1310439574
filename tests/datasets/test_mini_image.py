"""The embedded pictures: the same pixels every time, one digit at its true place, read as clips of one frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("skimage")
pytest.importorskip("sklearn")

from gfnet_video.datasets import mini, mini_material, mini_render
from gfnet_video.datasets.annotations import read_manifest
from gfnet_video.datasets.catalog import dataset
from gfnet_video.datasets.clips import Clips
from gfnet_video.datasets.mini_kinds import MINI_IMAGE
from gfnet_video.datasets.truth import true_places
from gfnet_video.errors import DataError

COUNTS = {"train": 12, "test": 5}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    root = tmp_path_factory.mktemp("mini_image")
    return root, mini.generate(root, kind=MINI_IMAGE, clips=COUNTS, workers=1)


def test_same_seed_same_files(tree: tuple[Path, str], tmp_path: Path) -> None:
    assert mini.generate(tmp_path, kind=MINI_IMAGE, clips=COUNTS, workers=1) == tree[1]
    first, second = (root / MINI_IMAGE.folder for root in (tree[0], tmp_path))
    assert all((second / p.name).read_bytes() == p.read_bytes() for p in first.iterdir())


def test_a_tree_of_clips_is_not_one_of_pictures(tree: tuple[Path, str], tmp_path: Path) -> None:
    assert mini.generate(tree[0], kind=MINI_IMAGE, clips=COUNTS) == tree[1]  # complete: kept
    before = (tree[0] / "labels" / "labels.json").read_bytes()
    with pytest.raises(DataError, match="holds another data set; give mini a folder of its own"):
        mini.generate(tree[0], clips={"test": 1}, workers=1)
    assert (tree[0] / "labels" / "labels.json").read_bytes() == before
    with pytest.raises(DataError, match=r"mini-image; make it with: .*--kind mini-image"):
        read_manifest(dataset("mini-image"), tmp_path, "train")


def test_pictures_are_clips_of_one_frame(tree: tuple[Path, str]) -> None:
    manifest = read_manifest(dataset("mini-image"), tree[0], "train")
    assert manifest.classes == mini_render.PICTURE_CLASSES and len(manifest) == COUNTS["train"]
    clips = Clips(manifest, 1, 224)
    assert all(clips.read(i).shape == (1, 3, 224, 224) for i in range(len(clips)))
    assert true_places(manifest).shape == (len(manifest), 1, 2)


def test_the_digit_is_of_the_label_and_where_the_truth_says(tree: tuple[Path, str]) -> None:
    """Without the digit the same dice give the same scene: pixels differ around the place and nowhere else."""
    with np.load(tree[0] / "labels" / "truth.npz") as truth:
        assert (mini_material.digits()[1][truth["instance"]] == truth["label"]).all()
        assert (truth["distractor_instance"] == -1).all()
    manifest = read_manifest(dataset("mini-image"), tree[0], "test")
    for i, place in enumerate(true_places(manifest)[:, 0]):
        plan = mini_render.plan_picture(0, "test", i, int(manifest.labels[i]))
        with Image.open(manifest.path(i)) as picture:
            seen = np.asarray(picture, np.float32)
        away = np.abs(np.stack(np.mgrid[:240, :240], -1) / 240 - place).max(-1) > plan.height / 2 + 0.02
        blank = mini_render.render(_elsewhere(plan), 0)[0].astype(np.float32)
        apart = np.abs(seen - blank).mean(-1)
        other = np.abs(np.stack(np.mgrid[:240, :240], -1) / 240 - (1 - place)).max(-1) > plan.height / 2 + 0.02
        assert apart[away & other].mean() < 6 < apart[~away].mean()


def _elsewhere(plan: mini_render.Plan) -> mini_render.Plan:
    """The same picture with its digit at the place opposite the centre."""
    from dataclasses import replace

    return replace(plan, paths=replace(plan.paths, mover=1 - plan.paths.mover))


def test_places_are_uniform_and_tell_no_class() -> None:
    plans = [mini_render.plan_picture(0, "train", n, n % 10) for n in range(3000)]
    height = np.array([p.height for p in plans])[:, None]
    part = (np.concatenate([p.paths.mover for p in plans]) - height / 2) / (1 - height)
    assert part.min() >= 0 and part.max() <= 1  # wholly visible
    assert all(np.abs(np.histogram(part[:, axis], 10, (0, 1))[0] / 3000 - 0.1).max() < 0.03 for axis in (0, 1))
    cells, labels = (part * 5).clip(0, 4.99).astype(int) @ (5, 1), np.arange(3000) % 10
    counts = np.zeros((25, 10))
    np.add.at(counts, (cells[:1500], labels[:1500]), 1)
    assert (counts.argmax(1)[cells[1500:]] == labels[1500:]).mean() < 0.15
