"""One step ahead: the same answers and errors, no further than one, and nothing left behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

import gfnet_video as gf
from gfnet_video.errors import VideoError
from gfnet_video.inference.reading import one_ahead
from gfnet_video.inference.report import Outcome
from gfnet_video.inference.runner import Options
from gfnet_video.records import Prediction
from gfnet_video.video.reader import VideoReader
from tests.clips import cut


def said(model: gf.GFNet, path: Path, options: Options) -> Outcome | tuple[str, str]:
    """What must be equal: all but the seconds and what was decoded in vain."""
    try:
        found: Prediction = gf.predict(model, path, options=options)
    except VideoError as error:
        return error.path, error.reason
    assert 0 <= found.frames_decoded - len(found.frame_indices) <= options.ahead
    assert {"decode", "preprocess", "total"} <= found.seconds.keys() and ("wait" in found.seconds) == options.ahead
    return replace(found, seconds={}, frames_decoded=0)


def test_ahead_says_the_same(checkpoint: Path, clip: Path, liar: Path, tmp_path: Path) -> None:
    model, before = gf.load(checkpoint), threading.enumerate()
    paths = [clip, liar, cut(clip, 0.6, tmp_path / "cut.webm"), tmp_path / "gone.mp4"]
    for options in (Options(), Options(confidence=0.01, reader="pyav"), Options(confidence=0.01, chunk=2)):
        ahead = replace(options, ahead=True)
        assert [said(model, p, ahead) for p in paths] == [said(model, p, options) for p in paths]
    assert threading.enumerate() == before


def test_networks_that_fail_leave_no_thread(checkpoint: Path, clip: Path) -> None:
    model, before = gf.load(checkpoint), threading.enumerate()

    def fail(*_: object) -> None:
        raise RuntimeError("the network fails")

    model.glance_net.register_forward_hook(fail)
    with pytest.raises(RuntimeError, match="the network fails"):
        gf.predict(model, clip, options=Options(ahead=True))
    assert threading.enumerate() == before


def test_what_is_under_way_is_cut_short_and_no_more_is_begun() -> None:
    begun, under_way, stopped = list[int](), threading.Event(), threading.Event()

    def slow() -> Iterator[int]:
        for i in range(9):
            begun.append(i)
            if i == 2:
                under_way.set()
                stopped.wait(10)
            yield i

    with closing(one_ahead(slow(), stopped.set)) as items:
        assert (next(items), next(items)) == (0, 1)
        assert under_way.wait(10) and not stopped.is_set()
    assert stopped.is_set() and begun == [0, 1, 2]
    assert list(one_ahead(iter("abc"), stopped.clear)) == ["a", "b", "c"]
    assert stopped.is_set()  # at the end nothing is under way


@pytest.mark.parametrize("reader", ["decord", "pyav"])
def test_a_read_under_way_ends_where_the_reader_is_closed(clip: Path, reader: str) -> None:
    with VideoReader(clip, reader=reader) as video:
        frames = video.read([0, 30])
        next(frames)
        video.close()
        with pytest.raises(VideoError, match="the reader is closed"):
            next(frames)
        assert video.frames_decoded <= 2
