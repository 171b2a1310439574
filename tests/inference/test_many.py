"""Many files are decoded in another process: the same answers, and a bad decoder costs its own file."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import gfnet_video as gf
from gfnet_video.errors import ConfigError, VideoError
from gfnet_video.inference import many
from gfnet_video.inference.many import predict_many
from gfnet_video.inference.report import Outcome
from gfnet_video.inference.runner import Options
from gfnet_video.records import Prediction
from gfnet_video.video import remote
from gfnet_video.video.reader import VideoEnded, VideoReader
from gfnet_video.video.remote import NEXT, ReadingWorker, RemoteReader, reading
from gfnet_video.video.worker import LIMITS, Limits
from tests.clips import cut, encode, number
from tests.video.worker_calls import hostile_reading


def untimed(outcome: Outcome) -> Prediction | tuple[str, str]:
    """What must be equal: all but the seconds."""
    if isinstance(outcome, VideoError):
        return outcome.path, outcome.reason
    return replace(outcome, seconds=dict.fromkeys(outcome.seconds, 0.0))


def alone(model: gf.GFNet, path: Path, options: Options) -> Outcome:
    try:
        return gf.predict(model, path, options=options)  # type: ignore[no-any-return]
    except VideoError as error:
        return error


def test_many_answer_as_each_does_alone(checkpoint: Path, clip: Path, liar: Path, tmp_path: Path) -> None:
    model = gf.load(checkpoint)
    paths = [clip, liar, cut(clip, 0.6, tmp_path / "cut.webm"), tmp_path / "gone.mp4", encode(tmp_path / "b.mp4", 9)]
    for options in (Options(), Options(confidence=0.01, reader="pyav")):
        found = [untimed(o) for o in predict_many(model, paths, options)]
        assert found == [untimed(alone(model, p, options)) for p in paths]
    assert isinstance(found[0], Prediction) and found[0].frames_decoded == 1


def test_one_file_stays_in_this_process_unless_it_is_limited(
    checkpoint: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = gf.load(checkpoint)
    (limited,) = predict_many(model, [clip], Options(), Limits(pixels=1))
    assert isinstance(limited, VideoError) and limited.reason == "has frames of 64x64; at most 1 pixels are allowed"
    monkeypatch.setattr(many, "ReadingWorker", lambda *_: pytest.fail("another process"))
    (found,) = predict_many(model, [clip], Options())
    assert untimed(found) == untimed(gf.predict(model, clip))


def test_a_decoder_that_hangs_or_crashes_costs_its_file(
    checkpoint: Path, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(many, "reading", hostile_reading)
    paths = [Path(shutil.copyfile(clip, tmp_path / f"{name}.webm")) for name in ("a", "hang", "b", "crash", "c")]
    model = gf.load(checkpoint)
    found = list(predict_many(model, paths, Options(), Limits(seconds=5.0)))
    assert [untimed(o) for o in found[::2]] == [untimed(gf.predict(model, p)) for p in paths[::2]]
    assert untimed(found[1]) == (str(paths[1]), "takes longer than 5 s")
    assert untimed(found[3]) == (str(paths[3]), "ends the process that decodes it (SIGSEGV)")


def test_the_far_side_decodes_a_frame_when_it_is_asked_for(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[VideoReader] = []

    class Spy(VideoReader):
        def __init__(self, path: str, *, reader: str, shrink: int) -> None:
            super().__init__(path, reader=reader, shrink=shrink)
            opened.append(self)

    monkeypatch.setattr(remote, "VideoReader", Spy)
    talk = reading((str(clip), "auto", 0, LIMITS))
    assert next(talk) == 36 and opened[0].frames_decoded == 0
    for asked, index in (([2, 9, 30], 2), (NEXT, 9), (NEXT, 30)):
        frame = talk.send(asked)  # type: ignore[arg-type]
        assert number(frame) == index and opened[0].frames_decoded == index + 1  # type: ignore[arg-type]


def test_a_remote_reader_raises_what_a_reader_does(liar: Path, clip: Path) -> None:
    worker = ReadingWorker(reading, Limits(frames=30))
    try:
        with VideoReader(liar) as near, RemoteReader(clip, worker=worker) as far:
            assert far.count() == far.header_frames == 36
            assert [number(f) for f in far.read([0, 0, 29])] == [0, 0, 29]
            with pytest.raises(VideoError, match="frame 30 is asked for; 30 may be walked"):
                list(far.read([30]))
            far = RemoteReader(liar, worker=worker)
            assert far.header_frames == near.header_frames == 80
        with pytest.raises(ConfigError, match="did you mean 'decord'"):
            RemoteReader(clip, worker=worker, reader="decrod")
    finally:
        worker.close()
    worker = ReadingWorker(reading)
    try:
        with pytest.raises(VideoEnded) as ended:
            list(RemoteReader(liar, worker=worker).read([0, 79]))
        assert ended.value.frames == VideoReader(liar).count()
    finally:
        worker.close()
