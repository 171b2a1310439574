"""Several files at once: what each says alone, a bad one in its place, and nothing left behind."""

from __future__ import annotations

import multiprocessing
import shutil
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import gfnet_video as gf
from gfnet_video.engines.engine import Engine
from gfnet_video.engines.macs import LookMacs
from gfnet_video.engines.torch_engine import TorchEngine
from gfnet_video.errors import ConfigError, VideoError
from gfnet_video.inference import together
from gfnet_video.inference.many import predict_many
from gfnet_video.inference.report import Outcome
from gfnet_video.inference.runner import Options
from gfnet_video.inference.seat import Seat
from gfnet_video.inference.together import Load, predict_together
from gfnet_video.records import Prediction
from gfnet_video.video.worker import Limits
from tests import models
from tests.clips import cut, encode, paint
from tests.engines.walks import recogniser
from tests.video.worker_calls import hostile_reading


def engine(changes: dict[str, object]) -> TorchEngine:
    return TorchEngine(recogniser(models.config("resnet10t", **changes)), LookMacs(0.0, 0.0, 0.0, 0.0))


def same(a: Outcome, b: Outcome) -> None:
    """All but seconds and frames decoded in vain is equal, up to the rounding of a batch."""
    if isinstance(a, VideoError) or isinstance(b, VideoError):
        assert isinstance(a, VideoError) and isinstance(b, VideoError) and (a.path, a.reason) == (b.path, b.reason)
        return
    assert a.score == pytest.approx(b.score, abs=1e-4) and a.step_scores == pytest.approx(b.step_scores, abs=1e-4)
    assert np.allclose(a.patches, b.patches, atol=1e-4) and b.frames_decoded - len(b.frame_indices) in (0, 1)
    floats = {"score": 0.0, "step_scores": (), "patches": (), "top5": (), "seconds": {}, "frames_decoded": 0}
    assert replace(a, **floats) == replace(b, **floats)  # type: ignore[arg-type]


def test_together_is_each_alone(checkpoint: Path, clip: Path, liar: Path, tmp_path: Path) -> None:
    looks, picture = TorchEngine(gf.load(checkpoint)), tmp_path / "a.png"
    Image.fromarray(paint(3)).save(picture)
    paths = [
        liar,
        clip,
        cut(clip, 0.6, tmp_path / "cut.webm"),
        tmp_path / "gone.mp4",
        picture,
        tmp_path / f"{'x' * 300}.mp4",
    ]
    paths += [encode(tmp_path / "short.mp4", 3), encode(tmp_path / "b.mp4", 9)]
    for options in (Options(), Options(confidence=0.9, reader="pyav")):
        load = Load()
        found = list(predict_many(looks, paths, options, jobs=3, load=load))
        for one, other in zip(predict_many(looks, paths, options), found, strict=True):
            same(one, other)
        alone = [p for p in found if isinstance(p, Prediction) and p.path != str(picture)]
        assert load.looked >= sum(p.exit_step for p in alone) > load.steps > 0
        assert 0 < load.wait + load.networks <= load.total
    assert not multiprocessing.active_children()


def test_a_decoder_that_hangs_or_crashes_costs_its_file(
    checkpoint: Path, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "reading", hostile_reading)
    paths = [Path(shutil.copyfile(clip, tmp_path / f"{name}.webm")) for name in ("a", "hang", "b", "crash", "c")]
    looks = TorchEngine(gf.load(checkpoint))
    found = list(predict_together(looks, paths, Options(), Limits(seconds=5.0), jobs=2, load=Load()))
    for place in (0, 2, 4):
        same(gf.predict(looks, paths[place]), found[place])
    assert isinstance(found[1], VideoError) and found[1].reason == "takes longer than 5 s"
    assert isinstance(found[3], VideoError) and "SIGSEGV" in found[3].reason
    with closing(predict_together(looks, paths[::2], Options(), Limits(), jobs=2, load=Load())) as begun:
        next(begun)  # type: ignore[call-overload]
        assert multiprocessing.active_children()
    assert not multiprocessing.active_children()


def test_what_pictures_and_the_caller_take_is_no_decoders_time(
    checkpoint: Path, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each holds the loop for an hour, by a clock that is put forward; between two pictures the decoders are heard."""
    now, slept, turns = time.monotonic, [0.0], list[str]()
    alone, hear = together._alone, together._hear

    def sleeping(*args: Any) -> Outcome:
        turns.append("picture")
        slept[0] += 3600
        return alone(*args)

    monkeypatch.setattr(time, "monotonic", lambda: now() + slept[0])
    monkeypatch.setattr(together, "_alone", sleeping)
    monkeypatch.setattr(together, "_hear", lambda *a, **k: (turns.append("hear"), hear(*a, **k)))
    Image.fromarray(paint(3)).save(tmp_path / "a.png")
    paths = [clip, tmp_path / "a.png", tmp_path / "a.png", clip, clip]
    for found in predict_together(TorchEngine(gf.load(checkpoint)), paths, Options(), Limits(), jobs=2, load=Load()):
        assert isinstance(found, Prediction), found
        slept[0] += 3600
    assert turns[:4] == ["picture", "hear", "picture", "hear"]


def test_there_are_no_more_processes_than_files(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seats, looks = list[Seat](), TorchEngine(gf.load(checkpoint))
    monkeypatch.setattr(together, "Seat", lambda *args: (seats.append(Seat(*args)), seats[-1])[1])
    gone = [tmp_path / "a.png", tmp_path / "b.png"]
    assert len(list(predict_together(looks, gone, Options(), Limits(), jobs=300_000, load=Load()))) == len(seats) == 2


def walked(looks: Engine, clip: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Logits (T,K) and centres (T,2) of one clip (T,3,S,S)."""
    turns = list(looks.walk(iter(clip[:, None])))
    where = [t.centre for t in turns if t.centre is not None]
    return np.concatenate([t.logits for t in turns]), np.concatenate(where) if where else None


def staggered(looks: Engine, clips: Sequence[np.ndarray]) -> None:
    """Clips that begin one step after the other and share their looks say what each says alone."""
    count, memories, said = len(clips[0]), [None] * len(clips), [list[np.ndarray]() for _ in clips]
    for step in range(count + len(clips) - 1):
        who = [i for i in range(len(clips)) if 0 <= step - i < count]
        frames = np.stack([clips[i][step - i] for i in who])
        renewed, logits, centres = looks.look(frames, [memories[i] for i in who])
        for row, i in enumerate(who):
            memories[i] = renewed[row]
            told = [] if centres is None else [centres[row]]
            said[i].append(np.concatenate([logits[row], *told]))
    for clip, found in zip(clips, said, strict=True):
        logits, centres = walked(looks, clip)
        whole = logits if centres is None else np.concatenate([logits, centres], 1)
        assert np.allclose(whole, found, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("changes", [{}, {"where": "centre"}, {"aggregator": "gru"}, {"focus": None}])
def test_clips_that_are_differently_far_share_looks(changes: dict[str, object]) -> None:
    looks = engine(changes)
    size = (3, models.FRAMES, 3, models.SIDE, models.SIDE)
    staggered(looks, list(np.random.default_rng(0).integers(0, 256, size, np.uint8)))


def test_what_cannot_share_is_refused(tmp_path: Path) -> None:
    for changes, options, words in (
        ({"order": "glance_first", "temporal": "both", "patch": "shared"}, Options(), "looks at whole clips"),
        ({"order": "glance_first", "patch": "shared"}, Options(), "looks at whole clips"),
        ({"order": "glance_first", "looks_per_frame": 2}, Options(), "at a frame several times"),
        ({"looks_per_frame": 2}, Options(), "at a frame several times"),
        ({}, Options(chunk=2), "chunk is 2"),
    ):
        with pytest.raises(ConfigError, match=words):
            looks = engine(changes)
            list(predict_together(looks, [tmp_path], options, Limits(), jobs=2, load=Load()))


@pytest.mark.parametrize("sees", ["clip", "past"])
def test_clips_glanced_at_first_are_each_alone_and_exits_save_looks(
    sees: str, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = engine({"order": "glance_first", "policy_sees": sees})
    paths = [clip, tmp_path / "gone.mp4", *(encode(tmp_path / f"{n}.mp4", n) for n in (9, 20, 3))]
    focused, focus = list[int](), looks.model.focus
    monkeypatch.setattr(looks.model, "focus", lambda f, *a, **k: (focused.append(len(f)), focus(f, *a, **k))[1])
    sure = min(p.step_scores[0] for p in predict_many(looks, paths, Options()) if isinstance(p, Prediction)) + 1e-3
    for options in (Options(), Options(confidence=sure), Options(confidence=0.01)):
        alone = list(predict_many(looks, paths, options))
        focused.clear()
        found = list(predict_together(looks, paths, options, Limits(), jobs=2, load=Load()))
        for one, other in zip(alone, found, strict=True):
            same(one, other)
        said = [p for p in found if isinstance(p, Prediction)]
        assert len(said) == len(paths) - 1 and sum(focused) == sum(p.exit_step - 1 for p in said)
