"""Files that are broken, lie about themselves or are no videos: a clear error or the right frames, and no noise."""

from __future__ import annotations

import os
import pickle
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from gfnet_video.errors import VideoError
from gfnet_video.video.reader import READERS, VideoEnded, VideoReader, open_clip, read_clip
from gfnet_video.video.samplers import uniform_indices
from tests.clips import cut, encode, encode_sound, number

every_reader = pytest.mark.parametrize("reader", READERS)


@pytest.fixture(autouse=True)
def silence(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Whatever happens, decoders print nothing."""
    yield
    assert tuple(capfd.readouterr()) == ("", "")


def eight(frames: int) -> list[int]:
    return uniform_indices(frames, 8)


@pytest.mark.parametrize("reader", ["auto", "pyav"])
def test_a_header_that_claims_too_much_is_sampled_once_more(liar: Path, reader: str) -> None:
    with VideoReader(liar, reader=reader) as video:
        true = video.count()
        assert video.header_frames == 80 and 40 < true < 80
        with pytest.raises(VideoEnded, match=f"liar.mp4: decoding ends after {true} frames") as ended:
            list(video.read(eight(80)))
        assert ended.value.frames == true
        assert len(list(video.read(range(true)))) == true
    calls: list[int] = []
    clip = read_clip(liar, lambda n: calls.append(n) or eight(n), reader=reader)
    assert calls == [80, true]
    assert (clip.resampled, clip.true_frames, clip.header_frames) == (True, true, 80)
    assert [number(f) for f in clip.frames] == clip.indices == eight(true)


def test_a_lazy_clip_hands_out_what_it_can_and_then_says_where_it_ended(liar: Path) -> None:
    lazy, seen = open_clip(liar, eight), []
    with pytest.raises(VideoEnded) as ended:
        for frame in lazy:
            seen.append(number(frame))
    assert seen and seen == lazy.indices[: len(seen)]
    assert read_clip(liar, eight).true_frames == ended.value.frames


def test_long_clips_that_end_early_too(tmp_path: Path) -> None:
    whole = encode(tmp_path / "whole.mp4", 600, keyframe_every=20, options={"movflags": "faststart"})
    clip = read_clip(cut(whole, 0.85, tmp_path / "cut.mp4"), eight)
    assert clip.resampled and clip.true_frames is not None and 300 < clip.true_frames < 600
    assert [number(f) for f in clip.frames] == eight(clip.true_frames)


@every_reader
def test_a_truncated_webm_gives_the_frames_it_still_has(tmp_path: Path, reader: str) -> None:
    whole = encode(tmp_path / "whole.webm", 80, "vp9_webm")
    clip = read_clip(cut(whole, 0.6, tmp_path / "cut.webm"), eight, reader=reader)
    assert clip.resampled and clip.true_frames is not None and clip.true_frames < 80
    assert [number(f) for f in clip.frames] == eight(clip.true_frames)


@every_reader
def test_frames_that_decord_makes_up_are_not_counted(tmp_path: Path, reader: str) -> None:
    """Decord repeats the nearest frame where it cannot decode; the hole here takes whole frames away."""
    path = encode(tmp_path / "hole.avi", 80, "x264_avi")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 600] = bytes(600)
    path.write_bytes(data)
    with VideoReader(path, reader="pyav") as video:
        true = [number(f) for f in video.read(range(video.count()))]
    assert len(true) < 80
    with VideoReader(path, reader=reader) as video, pytest.raises(VideoEnded) as ended:
        got = []
        for frame in video.read(range(80)):
            got.append(number(frame))
    assert (got, ended.value.frames) == (true, len(true))


@every_reader
def test_a_broken_matrix_turns_nothing(tmp_path: Path, reader: str) -> None:
    """Its angle is no number, which libav hands over as a huge one."""
    path = encode(tmp_path / "matrix.mp4", 8)
    data = bytearray(path.read_bytes())
    at = data.index(struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30), data.index(b"tkhd"))
    data[at : at + 16] = bytes(16)
    path.write_bytes(data)
    with VideoReader(path, reader=reader) as video:
        assert [number(f) for f in video.read(range(8))] == list(range(8))


def test_a_count_beyond_all_measure_ends_no_process(tmp_path: Path) -> None:
    """Decord makes a table of as many frames as the header claims, and aborts."""
    path = encode(tmp_path / "many.avi", 12, "mpeg4_avi")
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, data.index(b"strh") + 40, 2**32 - 1)
    path.write_bytes(data)
    clip = read_clip(path, eight)
    assert clip.true_frames == 12 and [number(f) for f in clip.frames] == eight(12)


@every_reader
def test_no_frame_at_all(tmp_path: Path, reader: str) -> None:
    path = encode(tmp_path / "none.mp4", 20, options={"movflags": "faststart"})
    data = path.read_bytes()
    start = data.index(b"mdat") + 4
    path.write_bytes(data[:start] + bytes(len(data) - start))
    for read in (lambda: read_clip(path, eight, reader=reader), lambda: list(open_clip(path, eight, reader=reader))):
        with pytest.raises(VideoError, match=r"none\.mp4: "):
            read()


def _write(content: bytes):  # type: ignore[no-untyped-def]
    return lambda path: path.write_bytes(content)


def _without_index(path: Path) -> None:
    cut(encode(path, 40), 0.5, path)


NOT_VIDEOS = {
    "missing": (lambda path: None, "no such file"),
    "empty": (_write(b""), r"is empty \(0 bytes\)"),
    "folder": (Path.mkdir, "is a folder, not a video file"),
    "pipe": (os.mkfifo, "is not a regular file"),
    "text": (_write(b"this is not a video\n" * 99), "is not a video that can be opened"),
    "truncated": (_without_index, "is not a video that can be opened"),
    "sound": (encode_sound, "holds no video stream"),
    "playlist": (_write(b"#EXTM3U\n#EXTINF:9,\nhttp://127.0.0.1:9/x.ts\n"), "is not a video that can be opened"),
    "script": (
        _write(b"ffconcat version 1.0\nfile other.mp4\n"),
        r"is not a video that can be opened \(its format is not one of video\)",
    ),
}


@every_reader
@pytest.mark.parametrize("kind", NOT_VIDEOS)
def test_what_is_no_video_is_named_with_the_reason(tmp_path: Path, kind: str, reader: str) -> None:
    make, reason = NOT_VIDEOS[kind]
    path = tmp_path / f"{kind}.mp4"
    make(path)
    with pytest.raises(VideoError, match=rf"{kind}\.mp4: {reason}") as raised:
        read_clip(path, eight, reader=reader)
    assert raised.value.path == str(path)


def test_a_file_one_may_not_read(tmp_path: Path) -> None:
    path = encode(tmp_path / "private.mp4", 4)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(VideoError, match="Permission denied"):
        VideoReader(path)


HOSTILE = ['it\'s "q".mp4', "new\nline.mp4", "-rf.mp4", "http:x.mp4", "concat:a|b.mp4", "%03d.mp4", "日本 x.mp4"]


@every_reader
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_only_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, reader: str) -> None:
    encode(tmp_path / "plain.mp4", 12).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    for path in (name, tmp_path / name):  # as typed on a command line, and whole
        assert [number(f) for f in read_clip(path, lambda n: [0, 11], reader=reader).frames] == [0, 11]


def test_names_that_are_not_text_go_to_pyav(tmp_path: Path) -> None:
    path = os.path.join(os.fsencode(tmp_path), b"bad\xff\xfe.mp4")
    try:
        os.rename(encode(tmp_path / "plain.mp4", 12), path)
    except OSError:
        pytest.skip("this file system takes only text")
    with VideoReader(os.fsdecode(path)) as video:
        assert [number(f) for f in video.read([0, 11])] == [0, 11]
        assert video.reader == "pyav"
    with pytest.raises(VideoError, match=r"bad\\udcff\\udcfe.mp4: Decord cannot read it"):
        read_clip(os.fsdecode(path), eight, reader="decord")
    with pytest.raises(VideoError, match="null"):
        VideoReader("a\0b.mp4")


def test_where_it_ended_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(VideoEnded("a.mp4", 7)))
    assert (error.frames, str(error)) == (7, "a.mp4: decoding ends after 7 frames")


def test_no_file_stays_open(liar: Path) -> None:
    before = set(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else set()
    if not before:
        pytest.skip("needs /proc")
    frames = VideoReader(liar, reader="pyav").read([0, 1, 2])
    assert isinstance(next(frames), np.ndarray)
    del frames
    assert len(os.listdir("/proc/self/fd")) == len(before)
