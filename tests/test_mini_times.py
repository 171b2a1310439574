"""What is made of milliseconds: warm-up left out, ratios between neighbours, times of recipes that still hold."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from gfnet_video.engines.macs import LookMacs
from gfnet_video.engines.torch_engine import TorchEngine
from tests import models
from tests.engines.walks import recogniser
from tools import reading_speed
from tools.mini_runs import recipe_of
from tools.mini_times import beside, earlier_times, in_turns, timed


def test_the_first_round_warms_up() -> None:
    ms: Iterator[float] = iter(range(100))
    rounds = in_turns([lambda: next(ms), lambda: -1.0])
    assert [r[0] for r in rounds] == list(range(1, len(rounds) + 1)) and {r[1] for r in rounds} == {-1.0}


def test_a_ratio_is_that_of_a_round() -> None:
    """The machine is twice as slow in the second round, and in one a neighbour's work fell on one of both."""
    (found,) = beside(["full", "gfnet"], "mobilenetv2", [[4.0, 2.0], [8.0, 4.0], [4.0, 6.0]])
    assert (found["key"], found["full_ms"], found["gfnet_ms"], found["ratio"]) == ("gfnet", 4.0, 4.0, 0.5)


def test_times_stay_until_the_recipe_or_the_engine_is_timed_anew() -> None:
    base = {"family": "mobilenetv2", "key": "gfnet", "recipe": recipe_of("gfnet", "mobilenetv2", 0)}
    old = [base | {"engine": "torch"}, base | {"engine": "openvino"}, base | {"engine": "x", "recipe": "another"}, base]
    now = [base | {"engine": "torch", "ratio": 0.5}]
    assert earlier_times(now, {"times": old}) == [*now, old[1]]


@pytest.mark.parametrize("changes", [{}, {"focus": None}], ids=str)
def test_each_clip_is_looked_at(changes: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    looks = TorchEngine(recogniser(models.config("resnet10t", **changes)), LookMacs(0.0, 0.0, 0.0, 0.0))
    seen, glance = list[int](), looks.model.glance
    monkeypatch.setattr(looks.model, "glance", lambda f, *a: (seen.append(f.shape[0] * f.shape[1]), glance(f, *a))[1])
    clips = np.zeros((3, models.FRAMES, 3, models.SIDE, models.SIDE), np.uint8)
    assert timed(looks, clips) > 0 and sum(seen) == 3 * models.FRAMES


def test_readers_are_timed_on_the_same_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["reading_speed", str(tmp_path), "--clips", "1", "--rounds", "1", "--side", "48", "--frames", "2"]
    monkeypatch.setattr(sys, "argv", words)
    reading_speed.main()
    lines = capsys.readouterr().out.splitlines()
    assert [line[:16].strip() for line in lines] == [*reading_speed.WAYS, "apart"]
    assert 0 < float(lines[-1].split()[1]) < 2
    (path,) = tmp_path.glob("*.webm")
    decord, pyav, small = (reading_speed.working_frames(path, way, 2, 48) for way in reading_speed.WAYS)
    assert np.array_equal(decord, pyav) and decord.shape == small.shape and not np.array_equal(pyav, small)
