"""Streams: on one clip what `predict` says, side by side what each says alone, through gaps and on for ever."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gfnet_video.checkpoint import CLIPS, Card, Recogniser, load
from gfnet_video.cli.infer import DEFAULT_MODEL
from gfnet_video.config import Config, TrainConfig
from gfnet_video.engines.engine import Turn
from gfnet_video.engines.torch_engine import TorchEngine
from gfnet_video.errors import ConfigError
from gfnet_video.inference.events import Ended, Event, Failed, Gap, Recognised
from gfnet_video.inference.live import watch
from gfnet_video.inference.runner import predict
from gfnet_video.inference.stream import Choices, Progress, check_streams, choices, stepped
from gfnet_video.nn.exit_rule import ExitRule
from gfnet_video.video.feed import Shot
from tests import models, trees
from tests.clips import encode


@pytest.fixture(scope="module")
def small(checkpoint: Path) -> TorchEngine:
    return TorchEngine(load(checkpoint))


@pytest.fixture(scope="module")
def bundled() -> TorchEngine:
    return TorchEngine(load(DEFAULT_MODEL))


def alike(events: Iterable[Event], source: object) -> list[Event]:
    """Those of one source, without what the clock says."""
    mine = [e for e in events if e.source == str(source)]
    return [replace(e, latency=0.0) if isinstance(e, Recognised) else e for e in mine]


def test_a_bundled_clip_streamed_is_recognised_as_infer_does(bundled: TorchEngine) -> None:
    """Its interval is stored, so the frames are the same, and the label, the confidence, the frame it is sure at."""
    clip = min(CLIPS.glob("*.webm"))
    (first, *_), plain = list(watch(bundled, [str(clip)], choices(bundled.about))), predict(bundled, clip)
    assert isinstance(first, Recognised)
    assert (first.label, first.frames) == (plain.label, plain.exit_step)
    assert first.confidence == pytest.approx(plain.score, abs=1e-5)


def test_a_source_that_ends_before_a_window_is_answered_from_what_there_was(small: TorchEngine, tmp_path: Path) -> None:
    clip = encode(tmp_path / "a.mp4", 50)  # two seconds, 4 of 6 frames
    label, end = list(watch(small, [str(clip)], choices(small.about, every=0.5, abstain=0.0)))
    assert isinstance(label, Recognised) and label.label in trees.CLASSES and label.frames == 4
    assert end == Ended(str(clip), pytest.approx(1.72), 4, 0, 0)


def test_two_sources_say_what_each_says_alone(small: TorchEngine, clip: Path, tmp_path: Path) -> None:
    other, broken = encode(tmp_path / "other.mp4", 90), tmp_path / "none.mp4"
    chosen = choices(small.about, every=0.1, abstain=0.0, confidence=0.9)
    both = list(watch(small, [str(clip), str(broken), str(other)], chosen))
    for source in (clip, other):
        alone = list(watch(small, [str(source)], chosen))
        assert alike(both, source) == alike(alone, source)
        assert isinstance(alone[0], Recognised) and isinstance(alone[-1], Ended)
    assert alike(both, broken) == [Failed(str(broken), "no such file")]


class Slow(TorchEngine):
    """Takes longer over a frame than the source does."""

    def slide(self, frame: np.ndarray, memory: Any = None, **how: Any) -> Any:
        time.sleep(0.12)
        return super().slide(frame, memory, **how)


def test_a_live_source_drops_and_counts_and_a_file_waits(small: TorchEngine, tmp_path: Path) -> None:
    """Every frame that was sampled is either looked at or counted: 3 s at 25 a second, of which 8 a second are seen."""
    clip, slow = encode(tmp_path / "a.mp4", 75), Slow(small.model)
    chosen = choices(small.about, every=0.04)
    *_, waited = watch(small, [str(clip)], chosen)
    *before, live = watch(slow, [str(clip)], chosen, live=True)
    assert isinstance(waited, Ended) and (waited.frames, waited.dropped) == (75, 0)
    assert isinstance(live, Ended) and live.frames + live.dropped == 75 and 10 < live.dropped < 75
    assert any(type(e).__name__ == "Dropped" for e in before)


def shots(times: Iterable[float], **seen: Any) -> list[Shot]:
    picture = np.zeros((models.SIDE, models.SIDE, 3), np.uint8)
    return [Shot(n, t, picture, time.monotonic(), **seen) for n, t in enumerate(times, 1)]


def run(engine: TorchEngine, chosen: Choices, given: Iterable[Shot]) -> tuple[Progress, list[Event]]:
    progress, said = Progress(), list[Event]()
    for shot in given:
        progress, events = stepped(engine, chosen, "s", progress, shot)
        said += events
    return progress, said


def test_a_gap_is_shown_and_one_longer_than_the_window_begins_anew(small: TorchEngine) -> None:
    chosen = choices(small.about, every=1.0)
    short = [*shots(range(4)), replace(shots([9])[0], number=5, gaps=1, lost=5.0)]
    progress, said = run(small, chosen, short)
    assert said[0] == Gap("s", 9, 5.0, restarted=False) and progress.turn and progress.turn.index == 4
    long = [*shots(range(4)), replace(shots([10])[0], number=5, gaps=1, lost=6.0)]
    progress, said = run(small, chosen, long)
    assert said[0] == Gap("s", 10, 6.0, restarted=True) and progress.turn and progress.turn.index == 0
    turned = [*shots(range(4)), replace(shots([4])[0], number=5, turns=1)]
    progress, said = run(small, chosen, turned)
    assert said[0] == Gap("s", 4, None, restarted=True) and progress.turn.index == 0


class Told(TorchEngine):
    """Says of its frames, in order, the classes it was told, each as surely as told."""

    odds: list[tuple[int, float]]

    def slide(self, frame: np.ndarray, memory: Any = None, **how: Any) -> tuple[int, Turn]:
        n = memory or 0
        label, sure = self.odds[n]
        shares = np.full((1, models.CLASSES), (1 - sure) / (models.CLASSES - 1), np.float32)
        shares[0, label] = sure
        return n + 1, Turn(min(n, models.FRAMES - 1), np.log(shares), None)


def test_an_event_is_a_change_and_a_window_that_is_unsure_says_nothing() -> None:
    """Sure of 1 at the third frame; a whole window of 2 that is likely enough; one that is not; 2 again, surely."""
    told = Told(recogniser(models.FRAMES))
    told.odds = [(0, 0.5), (1, 0.6), (1, 0.95), (0, 0.6), (0, 0.6), (2, 0.7), (2, 0.7), (2, 0.3), (3, 0.3), (2, 0.95)]
    chosen = Choices(1.0, ExitRule.never(models.FRAMES).at(0.9), abstain=0.5)
    _, said = run(told, chosen, shots(range(10)))
    labels = [(e.time, e.label, e.frames) for e in said if isinstance(e, Recognised)]
    names = trees.CLASSES
    assert labels == [(2, names[1], 3), (5, names[2], 6), (7, None, 6), (9, names[2], 6)]


def recogniser(frames: int = models.FRAMES, interval: float = 0.0, **changes: Any) -> Recogniser:
    config = models.config(**{"frames": frames, **changes})
    provenance = {"interval": interval} if interval else {}
    card = Card(Config("sthv2", config, TrainConfig(())), trees.CLASSES, ExitRule.never(config.steps), {}, provenance)
    torch.manual_seed(0)
    return Recogniser(card).eval()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"order": "glance_first"}, "order is glance_first: the first patch is picked after"),
        ({"temporal": "both", "order": "glance_first", "patch": "shared"}, "temporal is both: .* the frame after it"),
        ({}, "stores no interval .* --every SECONDS"),
    ],
)
def test_a_model_that_cannot_stream_says_why(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        choices(TorchEngine(recogniser(**changes)).about)


def test_image_mode_looks_at_pictures_and_not_at_streams() -> None:
    with pytest.raises(ConfigError, match="it looks at single pictures"):
        check_streams(models.image())


def test_the_interval_is_the_models_own_unless_another_is_asked_for() -> None:
    about = TorchEngine(recogniser(interval=0.25)).about
    assert choices(about).every == 0.25 and choices(about, every=0.5).every == 0.5
    for wrong in ({"every": 0.0}, {"every": float("nan")}, {"abstain": 1.5}, {"confidence": 0.0}):
        with pytest.raises(ConfigError):
            choices(about, **wrong)


def test_memory_stays_flat(small: TorchEngine) -> None:
    """As many tensors after 60 frames as after 20; ten thousand were run by hand."""
    chosen, progress = choices(small.about, every=1.0), Progress()
    counts = []
    for shot in shots(range(60)):
        progress, _ = stepped(small, chosen, "s", progress, shot)
        if shot.number in (20, 60):
            gc.collect()
            counts.append(sum(type(o) is torch.Tensor for o in gc.get_objects()))
    assert counts[0] == counts[1] > 0
