"""A run that was killed and resumed is the run that was not; bad clips are skipped, counted and capped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from gfnet_video.config import Config, StageConfig, TrainConfig
from gfnet_video.datasets.clips import Clips
from gfnet_video.datasets.manifest import Manifest
from gfnet_video.errors import CheckpointError, DataError, VideoError
from gfnet_video.model import GFNet
from gfnet_video.training import trainer
from gfnet_video.training.trainer import Report, train
from tests import models

CLIPS = 12


class NoiseClips(Clips):
    """Seeded noise in the place of files; clips in `bad` cannot be read."""

    def __init__(self, bad: tuple[int, ...] = ()) -> None:
        ids = tuple(str(i) for i in range(CLIPS))
        labels = tuple(i % models.CLASSES for i in range(CLIPS))
        manifest = Manifest("train", tuple("abcde"), ids, tuple(Path(i) for i in ids), labels)
        super().__init__(manifest, models.FRAMES, models.SIDE, jitter=True)
        self.bad = bad

    def read(self, index: int) -> Tensor:
        if index in self.bad:
            raise VideoError(f"{index}.webm", "is broken")
        rng = np.random.default_rng([self.epoch, index])
        return torch.from_numpy(rng.integers(0, 256, (models.FRAMES, 3, models.SIDE, models.SIDE), np.uint8))


def config(**changes: object) -> Config:
    stages = (
        StageConfig("warm-up", 2, 1e-3, patches="random", batch=4),
        StageConfig("policy", 1, 1e-3, patches="sampled", train=("policy",), batch=4, tracks=2),
        StageConfig("fine-tune", 1, 1e-3, patches="policy", batch=4),
    )
    return Config("mini", models.config(), TrainConfig(stages, **changes))  # type: ignore[arg-type]


def fresh() -> GFNet:
    torch.manual_seed(0)
    return GFNet(models.config())


class KilledError(Exception):
    """Raised in the middle of a run."""


def trained(run: Path, kill_at: tuple[int, ...] = ()) -> GFNet:
    """Train, dying after each of the batches in `kill_at` (counted over the whole run) and resuming."""
    for attempt, end in enumerate((*kill_at, None)):
        model, seen = fresh(), 0

        def listen(report: Report, end: int | None = end) -> None:
            nonlocal seen
            seen += 1
            if end is not None and seen == end:
                raise KilledError

        try:
            train(model, NoiseClips(), config(), run, resume=attempt > 0, listen=listen)
        except KilledError:
            continue
    return model


@pytest.mark.parametrize("every", [0.0, 1e9], ids=["saved at every batch", "saved at epochs"])
def test_killed_and_resumed_is_uninterrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: float) -> None:
    monkeypatch.setattr(trainer, "SAVE_EVERY", every)
    whole = trained(tmp_path / "whole")
    broken = trained(tmp_path / "broken", kill_at=(2, 4, 5))
    for name, value in whole.state_dict().items():
        assert torch.equal(value, broken.state_dict()[name]), name


def test_training_moves_every_part(tmp_path: Path) -> None:
    before, after = fresh().state_dict(), trained(tmp_path).state_dict()
    changed = {k.split(".")[0] for k in before if not torch.equal(before[k], after[k])}
    assert changed == {"glance_net", "focus_net", "policy", "aggregator"}


def test_bad_clips_are_skipped_and_counted(tmp_path: Path) -> None:
    reports: list[Report] = []
    train(fresh(), NoiseClips(bad=(3,)), config(max_bad=0.1), tmp_path, listen=reports.append)
    last = [r for r in reports if r.batch == r.batches]
    assert [r.bad for r in last] == [1] * 4


def test_too_many_bad_clips_end_the_run(tmp_path: Path) -> None:
    words = r"2 of 12 training clips cannot be read; allowed are 10% \(train.max_bad\); first: [34]\.webm: is broken"
    with pytest.raises(DataError, match=words):
        train(fresh(), NoiseClips(bad=(3, 4)), config(max_bad=0.1), tmp_path)


def test_a_batch_of_bad_clips_alone_is_counted_and_left_out(tmp_path: Path) -> None:
    reports: list[Report] = []
    bad = tuple(range(CLIPS))[:11]
    train(fresh(), NoiseClips(bad=bad), config(max_bad=1.0), tmp_path, listen=reports.append)
    assert len(reports) == 4 and {r.bad for r in reports} <= {3, 7, 11}


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path) -> None:
    import os
    import pickle

    class Payload:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "executed"),)

    (tmp_path / "last.pt").write_bytes(pickle.dumps(Payload()))
    with pytest.raises(CheckpointError, match="cannot be resumed from"):
        train(fresh(), NoiseClips(), config(), tmp_path, resume=True)
    assert not (tmp_path / "executed").exists()
