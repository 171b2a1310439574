"""A small model, exported once for the tests of this folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import models, trees


def python(*args: object) -> subprocess.CompletedProcess[str]:
    """A process of its own: neither onnxruntime nor openvino is loaded into that of the tests."""
    return subprocess.run([sys.executable, *map(str, args)], capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In the place of the other tests' model: one of few operations, which is exported in half the time, and a GRU."""
    return models.saved(tmp_path_factory.mktemp("model") / "model", trees.CLASSES, "resnet10t", aggregator="gru")


@pytest.fixture(scope="session")
def exported(checkpoint: Path, clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "new" / "exported"
    done = python("-m", "gfnet_video", "export", checkpoint, folder, "--clips", clip)
    assert done.returncode == 0, done.stderr
    assert "onnxruntime says what torch says on 1 clips" in done.stderr
    return folder
