"""What many tests share: a small checkpoint on disk, numbered clips, a data set in Something-Something V2's form."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests import models, trees
from tests.clips import cut, encode


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A seeded model of five classes whose thresholds are never reached; `--confidence` makes it exit.

    Its temperatures fall from step to step, so that it grows surer.
    """
    return models.saved(tmp_path_factory.mktemp("model") / "model", trees.CLASSES)


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A VP9 webm of 36 numbered frames."""
    return encode(tmp_path_factory.mktemp("clip") / "clip.webm", 36, "vp9_webm")


@pytest.fixture(scope="session")
def liar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An mp4 whose header, at the front and whole, claims 80 frames; the end of the pictures is missing."""
    folder = tmp_path_factory.mktemp("liar")
    whole = encode(folder / "whole.mp4", 80, options={"movflags": "faststart"})
    return cut(whole, 0.85, folder / "liar.mp4")


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small, whole data set, which tests leave as it is."""
    return trees.plant(tmp_path_factory.mktemp("tree"))


@pytest.fixture
def own(tree: Path, tmp_path: Path) -> Path:
    """A copy of the tree that a test may damage or fill; without what other tests have cached in it."""
    return Path(shutil.copytree(tree, tmp_path / "own", ignore=shutil.ignore_patterns("cache")))
