"""`gfnet-video train` killed at random points and resumed writes the bytes of the run that was left alone."""

from __future__ import annotations

import os
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from tests.cli.test_train import SMALL

ROOT = Path(__file__).parents[2]
KILLS = 4


def every_kind() -> dict[str, Any]:
    """Every kind of stage and both optimisers, with dropout and all that is drawn at random."""
    config: dict[str, Any] = deepcopy(SMALL)
    for look in ("glance", "focus"):
        config["model"][look]["dropout"] = 0.3
    glance = {"name": "glance", "epochs": 1, "lr": 0.001, "train": ["glance", "aggregator"], "optimiser": "sgd"}
    tune = {"name": "tune", "epochs": 1, "lr": 0.001, "patches": "policy", "tracks": 2}
    stages = [glance, *config["train"]["stages"], tune]
    drawn = {"flip": True, "randaugment": "n1m5", "translate": 0.1, "saturation": 0.2}
    config["train"] |= drawn | {"stages": [{"batch": 4} | stage for stage in stages]}
    return config


def test_killed_at_random_and_resumed_is_uninterrupted(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(every_kind()))
    train = ["--dataset", "sthv2", "--config", "small.yaml", "--data", str(tree), "--device", "cpu"]
    command = [sys.executable, "-m", "tests.training.killed", "whole", "broken", str(KILLS), "0", *train]
    quiet = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ | quiet, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) >= 3, "hardly ever killed"
    whole, broken = (tmp_path / run / "model/model.safetensors" for run in ("whole", "broken"))
    assert whole.read_bytes() == broken.read_bytes()
    assert not list((tmp_path / "broken").glob(".last.pt.*")), "halves of states were left behind"
