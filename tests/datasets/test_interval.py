"""The interval a model remembers of its training clips."""

from __future__ import annotations

from pathlib import Path

import pytest

from gfnet_video.datasets.interval import frame_interval
from gfnet_video.datasets.manifest import Manifest
from tests import models
from tests.clips import encode


def test_it_is_the_median_clips_length_by_the_frames_of_a_clip(tmp_path: Path) -> None:
    """At 25 frames a second; the fourth file is missing and says nothing, the fifth is a part of a file."""
    names = [encode(tmp_path / f"{n}.mp4", n).name for n in (30, 75, 150)] + ["none.mp4", "150.mp4"]
    nan = float("nan")
    spans = [(nan, nan)] * 4 + [(1.0, 5.8)]
    clips = Manifest.of("train", ("a",), tmp_path, names, names, [0] * 5, spans=spans)
    seconds = sorted([30 / 25, 75 / 25, 150 / 25, 4.8])
    expected = (seconds[1] + seconds[2]) / 2 / models.FRAMES
    assert frame_interval(clips, models.config()) == pytest.approx(expected, abs=1e-4)
    dense = models.config(sampler="dense")
    assert frame_interval(clips, dense) == pytest.approx(64 / 25 / models.FRAMES, abs=1e-4)


def test_pictures_come_at_the_published_rate_or_none(tmp_path: Path) -> None:
    folder = tmp_path / "clip"
    folder.mkdir()
    for n in range(1, 37):
        (folder / f"{n:05d}.jpg").touch()
    clips = Manifest.of("train", ("a",), tmp_path, ["clip"], ["clip"], [0], frames=[36], template="%05d.jpg")
    assert frame_interval(clips, models.config(), "jester") == pytest.approx(36 / 12 / models.FRAMES)
    assert frame_interval(clips, models.config(), "my_clips") == 0.0
