"""A run that was killed and resumed is the run that was not; bad clips are skipped, counted and capped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from gfnet_video.config import Config, ModelConfig, StageConfig, TrainConfig
from gfnet_video.datasets.clips import Clips
from gfnet_video.datasets.manifest import Manifest
from gfnet_video.errors import CheckpointError, ConfigError, DataError, VideoError
from gfnet_video.model import GFNet
from gfnet_video.training import trainer
from gfnet_video.training.augment import augment, draw_maps, warp, warp_places, with_stills
from gfnet_video.training.trainer import Report, train
from tests import models

CLIPS = 12


class NoiseClips(Clips):
    """Seeded noise in the place of files; clips in `bad` cannot be read."""

    def __init__(self, bad: tuple[int, ...] = (), frames: int = models.FRAMES) -> None:
        ids = [str(i) for i in range(CLIPS)]
        labels = [i % models.CLASSES for i in range(CLIPS)]
        manifest = Manifest.of("train", "abcde", Path(), ids, ids, labels)
        super().__init__(manifest, frames, models.SIDE, jitter=True)
        self.bad = bad

    def read(self, index: int) -> Tensor:
        if index in self.bad:
            raise VideoError(f"{index}.webm", "is broken")
        rng = np.random.default_rng([self.epoch, index])
        return torch.from_numpy(rng.integers(0, 256, (self.frames, 3, models.SIDE, models.SIDE), np.uint8))


def config(**changes: object) -> Config:
    stages = (
        StageConfig("warm-up", 2, 1e-3, patches="random", batch=4),
        StageConfig("policy", 1, 1e-3, patches="sampled", train=("policy",), batch=4, tracks=2),
        StageConfig("fine-tune", 1, 1e-3, patches="policy", batch=4),
    )
    return Config("mini", models.config("test_resnet"), TrainConfig(stages, **changes))  # type: ignore[arg-type]


def fresh(model: ModelConfig | None = None) -> GFNet:
    torch.manual_seed(0)
    return GFNet(model or models.config("test_resnet"))


class KilledError(Exception):
    """Raised in the middle of a run."""


def trained(
    run: Path,
    kill_at: tuple[int, ...] = (),
    how: Config | None = None,
    resuming: Callable[[], None] = lambda: None,
) -> GFNet:
    """Train, dying after each of `kill_at` (batches of its attempt) and resuming; `resuming` is called before that."""
    how = how or config()
    for attempt, end in enumerate((*kill_at, None)):
        model, seen = fresh(how.model), 0

        def listen(report: Report, end: int | None = end) -> None:
            nonlocal seen
            seen += 1
            if end is not None and seen == end:
                raise KilledError

        if attempt:
            resuming()
        try:
            train(model, NoiseClips(frames=how.model.frames), how, run, resume=attempt > 0, listen=listen)
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
    told = [words for r in reports for words in r.lost]  # once an epoch, whatever the number of reports
    assert told == ["3.webm: is broken"] * 4


def test_too_many_bad_clips_end_the_run(tmp_path: Path) -> None:
    words = r"2 of 12 training clips cannot be read; allowed are 10% \(train.max_bad\); first: [34]\.webm: is broken; "
    words += "list them by gfnet-video check DIR --quarantine, .*train with a new --run"
    with pytest.raises(DataError, match=words):
        train(fresh(), NoiseClips(bad=(3, 4)), config(max_bad=0.1), tmp_path)


def test_a_batch_of_bad_clips_alone_is_counted_and_left_out(tmp_path: Path) -> None:
    reports: list[Report] = []
    bad = tuple(range(CLIPS))[:11]
    train(fresh(), NoiseClips(bad=bad), config(max_bad=1.0), tmp_path, listen=reports.append)
    assert len(reports) == 4 and {r.bad for r in reports} <= {3, 7, 11}


def test_fewer_clips_than_a_batch_are_refused(tmp_path: Path) -> None:
    stages = (StageConfig("warm-up", 1, 1e-3, patches="random", batch=13),)
    with pytest.raises(
        DataError, match="12 training clips make no batch of 13, the batch of stage 'warm-up'"
    ) as refused:
        train(fresh(), NoiseClips(), Config("mini", models.config(), TrainConfig(stages)), tmp_path)
    assert "or --set train.stages.0.batch=3" in str(refused.value)
    assert not (tmp_path / "last.pt").exists()


def test_a_loss_that_is_not_finite_ends_the_run(tmp_path: Path) -> None:
    model = fresh()
    with torch.no_grad():
        model.glance_net.classifier.linear.bias.fill_(float("inf"))
    with pytest.raises(ConfigError, match="the loss is nan in stage 'warm-up', epoch 1, batch 1; lower the stage's lr"):
        train(model, NoiseClips(), config(), tmp_path)


def test_a_run_goes_on_with_its_own_clips_alone(tmp_path: Path) -> None:
    train(fresh(), NoiseClips(), config(), tmp_path)
    other = NoiseClips()
    other.manifest = other.manifest.head(11)
    with pytest.raises(CheckpointError, match=r"last\.pt: was trained on other clips"):
        train(fresh(), other, config(), tmp_path, resume=True)
    torch.save([1], tmp_path / "last.pt")
    with pytest.raises(CheckpointError, match="does not hold a run's state"):
        train(fresh(), NoiseClips(), config(), tmp_path, resume=True)


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


def test_nothing_drawn_is_nothing_changed() -> None:
    frames = torch.randn(2, 3, 3, 12, 16)
    still = TrainConfig((), brightness=0.0)
    places = torch.rand(2, 3, 2)
    same, there = augment(frames, places, still, torch.Generator())
    assert torch.equal(same, frames) and torch.equal(there, places)


@pytest.mark.parametrize(
    "how", [{"translate": 0.1}, {"scale": 0.2}, {"degrees": 15.0}, {"stretch": 0.2}, {"shear": 0.2}]
)
def test_a_warp_is_the_same_for_every_frame_and_differs_by_clip(how: dict[str, float]) -> None:
    frames = torch.randn(1, 1, 3, 12, 16).expand(3, 4, -1, -1, -1)
    warped = warp(frames, draw_maps(frames, TrainConfig((), **how), torch.Generator().manual_seed(1)))
    assert torch.equal(warped, warped[:, :1].expand_as(warped))
    assert not torch.allclose(warped[0], warped[1]) and not torch.allclose(warped[0], frames[0])


def test_a_warp_stays_within_its_limits() -> None:
    """A picture of its own coordinates tells where each pixel came from, away from the repeated border."""
    height, width = 32, 48
    y, x = torch.meshgrid(torch.arange(height) + 0.5 - height / 2, torch.arange(width) + 0.5 - width / 2, indexing="ij")
    frames = torch.stack([x, y, x], 0).expand(64, 1, 3, height, width)
    how = TrainConfig((), translate=0.1, scale=0.25, degrees=20.0)
    middle = warp(frames, draw_maps(frames, how, torch.Generator().manual_seed(0)))[:, 0, :2, 12:21, 18:31]
    moved = middle[:, :, 4, 6] - frames[:, 0, :2, 16, 24]  # the pixel half a step from the very middle
    slope = middle[:, :, 4, 7] - middle[:, :, 4, 6]  # one step along x, where it came from
    zoom, angle = slope.norm(dim=1), torch.atan2(slope[:, 1], slope[:, 0]).rad2deg().abs()
    assert 0.75 < zoom.min() < zoom.max() < 1.26 and zoom.min() >= 1 / 1.2501
    assert 10 < angle.max() <= 20.01
    assert (moved.abs() <= torch.tensor([0.1 * width + 0.5, 0.1 * height + 0.5])).all() and moved.abs().max() > 2


@pytest.mark.parametrize(
    "how",
    [
        {"translate": 0.1},
        {"scale": 0.3},
        {"degrees": 25.0},
        {"stretch": 0.2, "shear": 0.2},
        {"translate": 0.1, "scale": 0.3, "degrees": 25.0},
    ],
)
def test_a_dot_painted_at_a_place_stays_at_the_place(how: dict[str, float]) -> None:
    """In frames that are no squares, where a turn is no turn of shares of the sides."""
    height, width, places = 48, 80, 0.3 + 0.4 * torch.rand(16, 3, 2, generator=torch.Generator().manual_seed(2))
    y, x = (torch.arange(height) + 0.5)[:, None], (torch.arange(width) + 0.5)[None]
    apart = (y - height * places[..., :1, None]) ** 2 + (x - width * places[..., 1:, None]) ** 2
    frames = torch.exp(-apart / 8)[:, :, None].repeat(1, 1, 3, 1, 1)
    moved, there = augment(frames, places, TrainConfig((), brightness=0.0, **how), torch.Generator().manual_seed(1))
    mass = moved[:, :, 0] / moved[:, :, 0].sum((-1, -2), keepdim=True)
    seen = torch.stack([(mass.sum(-1) * y[:, 0]).sum(-1) / height, (mass.sum(-2) * x[0]).sum(-1) / width], -1)
    assert (there - places).abs().max() > 0.03
    assert (seen - there).abs().max() < 0.004  # a fifth of a pixel


def test_shapes_keep_their_area_and_their_limits() -> None:
    """Seen in the pixels' own units, in frames that are no squares."""
    frames = torch.zeros(256, 1, 3, 32, 48)
    maps = draw_maps(frames, TrainConfig((), stretch=0.25, shear=0.3), torch.Generator().manual_seed(0))
    assert not maps[:, :, 2].any() and not maps[:, 1, 0].any()  # nothing moves, lines that lay level still do
    wide, tall, aside = maps[:, 0, 0], maps[:, 1, 1], maps[:, 0, 1] * 48 / 32
    torch.testing.assert_close(wide * tall, torch.ones(256))
    assert 0.8 <= wide.min() < 0.81 and 1.24 < wide.max() <= 1.25
    assert -0.3 <= aside.min() < -0.29 and 0.29 < aside.max() <= 0.3


def test_a_still_is_one_frame_of_the_clip_before_and_the_same_in_all_frames() -> None:
    """A clip of its own number, give or take its frame's: what is added tells which clip and which frame it was."""
    clips, length, most = 40, 4, 0.4
    numbers = torch.arange(clips, dtype=torch.double)[:, None] + 0.1 + torch.arange(length) / 100
    frames = numbers[..., None, None, None].expand(-1, -1, 3, 6, 6)
    mixed = with_stills(frames, most, torch.Generator().manual_seed(3))
    assert torch.equal(mixed, mixed[..., :1, :1, :1].expand_as(mixed))
    mixed = mixed[:, :, 0, 0, 0]
    part = 1 - (mixed[:, -1] - mixed[:, 0]) / (numbers[:, -1] - numbers[:, 0])
    assert 0 <= part.min() < 0.05 and 0.35 < part.max() <= most + 1e-4
    stills = numbers + (mixed - numbers) / part[:, None]  # (clips,length), each of them the still
    sure = part > 0.1
    assert (stills[sure] - stills[sure, :1]).abs().max() < 1e-3
    clip, frame = stills[sure, 0].floor(), (100 * (stills[sure, 0] % 1) - 10).round()
    assert torch.equal(clip, ((torch.arange(clips) - 1) % clips)[sure].double())
    assert set(frame.tolist()) == {0.0, 1.0, 2.0, 3.0}


def test_no_places_are_moved_to_none() -> None:
    maps = draw_maps(torch.zeros(2, 3, 3, 8, 8), TrainConfig((), translate=0.1), torch.Generator())
    assert warp_places(torch.empty(2, 0, 2), maps).shape == (2, 0, 2)
