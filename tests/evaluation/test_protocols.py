"""Published protocols: which frames and which squares a view sees, and the mean over views."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from gfnet_video.checkpoint import Card, Recogniser
from gfnet_video.config import Config, TrainConfig
from gfnet_video.datasets.clips import View, open_clips
from gfnet_video.datasets.manifest import Manifest
from gfnet_video.engines.macs import count_macs
from gfnet_video.errors import ConfigError
from gfnet_video.evaluation.metrics import step_logits_of
from gfnet_video.evaluation.protocols import PROTOCOLS, at_full_resolution, evaluate_views
from gfnet_video.nn.exit_rule import ExitRule
from gfnet_video.video.transforms import resize_crop
from tests import models
from tests.clips import encode, number

WIDE = {"short_side": 80}


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    names = [encode(tmp_path / f"{n}.mp4", 20 + 10 * n).name for n in range(3)]
    return Manifest.of("test", "abcde", tmp_path, names, names, [0, 1, 2])


def recogniser(**changes: object) -> Recogniser:
    model = models.model(**changes)
    found = Recogniser(
        Card(Config("sthv2", model.config, TrainConfig(())), tuple("abcde"), ExitRule.never(model.steps))
    )
    found.load_state_dict(model.state_dict())
    return found.eval()


def seen(manifest: Manifest, view: View, **changes: object) -> list[int]:
    """The numbers painted into the frames that a view reads of the last clip."""
    frames = open_clips(manifest, models.config(**changes), None, view=view).read(2)
    return [number(f.permute(1, 2, 0).numpy()) for f in frames]


def test_the_second_clip_takes_the_starts_of_the_segments(manifest: Manifest) -> None:
    assert seen(manifest, View(0)) == [3, 10, 16, 23, 30, 36]
    assert seen(manifest, View(1)) == [0, 6, 13, 20, 26, 33]


def test_the_focus_own_frames_come_behind_the_glances(manifest: Manifest) -> None:
    own = {"focus_frames": 4, "patch": "shared", "order": "glance_first"}
    assert seen(manifest, View(0), **own) == [3, 10, 16, 23, 30, 36, 5, 15, 25, 35]
    clips = open_clips(manifest, models.config(**own), None)
    clips.jitter = True
    frames = [number(f.permute(1, 2, 0).numpy()) for f in clips.read(2)]
    assert frames[:6] == sorted(frames[:6]) and frames[6:] == sorted(frames[6:])


def test_places_are_left_middle_and_right_of_the_longer_side() -> None:
    wide = np.arange(90, dtype=np.uint8)[None, None, :, None].repeat(60, 1).repeat(3, 3)
    columns = [resize_crop(wide, frame_side=60, place=(p, p))[0, 0, 0, 0].item() for p in (0.0, 0.5, 1.0)]
    assert columns == [0, 15, 30]
    middle = resize_crop(wide, frame_side=40, short_side=60)
    assert (middle[0, 0, 0, 0].item(), middle.shape[-1]) == (25, 40)
    with pytest.raises(ConfigError, match="short_side is 50; a square of 60 is cut from it"):
        resize_crop(wide, frame_side=60, short_side=50)


def test_full_resolution_keeps_the_weights_and_widens_the_frames() -> None:
    model = recogniser(**WIDE)
    wider = at_full_resolution(model)
    assert (wider.config.frame_side, wider.config.short_side, wider.config.glance.side) == (80, 0, 60)
    assert wider.config.focus == model.config.focus
    assert all(torch.equal(v, model.state_dict()[k]) for k, v in wider.state_dict().items())


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_logits_are_averaged_over_the_views(manifest: Manifest, protocol: str) -> None:
    model = recogniser(focus=None, **WIDE)
    found = evaluate_views(model, manifest, protocol)
    used = at_full_resolution(model) if protocol == "full" else model
    each = [step_logits_of(used, open_clips(manifest, used.config, None, view=v)).logits for v in PROTOCOLS[protocol]]
    mean = torch.stack([logits[:, -1] for logits in each]).mean(0)
    assert found["top1"] == pytest.approx(float((mean.argmax(-1) == torch.tensor([0, 1, 2])).double().mean()))
    assert (found["views"], found["clips"], found["failed"]) == (len(each), 3, 0)
    assert found["gmacs"] == pytest.approx(len(each) * models.FRAMES * count_macs(used).glance)


def test_a_clip_that_fails_in_a_view_has_failed(manifest: Manifest) -> None:
    manifest.path(1).write_bytes(b"no video")
    found = evaluate_views(recogniser(focus=None), manifest, "full")
    assert found["failed"] == 1 and list(found["failures"]) == ["1.mp4"]


def test_a_cache_has_no_squares_off_the_centre(manifest: Manifest, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a view is off the centre, but the cache keeps centre squares"):
        open_clips(manifest, models.config(), tmp_path / "cache", view=View(0, (0.0, 0.0)))


def test_cached_short_sides_are_the_files(manifest: Manifest, tmp_path: Path) -> None:
    config = replace(models.config(), **WIDE)
    direct, cached = (open_clips(manifest, config, cache) for cache in (None, tmp_path / "cache"))
    assert all(torch.equal(direct.read(i), cached.read(i)) for i in range(3))
    assert not torch.equal(direct.read(0), open_clips(manifest, models.config(), tmp_path / "cache").read(0))
