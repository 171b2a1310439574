"""Verdicts on real clips, whole, damaged and strange, each made here so that its truth is known."""

from __future__ import annotations

import os
import pickle
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from unittest.mock import Mock

import av
import pytest

from gfnet_video.errors import ConfigError
from gfnet_video.video import probe
from gfnet_video.video.extent import missing_bytes
from gfnet_video.video.probe import Rejected, Verdict, admit_file, examine, examine_many
from gfnet_video.video.reader import VideoReader
from gfnet_video.video.sandbox import Limits
from tests.clips import VARIANTS, cut, encode, encode_sound, paint, rotate
from tests.video.worker_calls import hanging_examine


def jumpy(path: Path) -> Path:
    """A webm whose frames come after 1, 2, 3, ... hundredths of a second."""
    with av.open(str(path), "w", format="webm") as container:
        stream = container.add_stream("libvpx-vp9", rate=25, options=VARIANTS["vp9_webm"][2])
        stream.width = stream.height = 64
        stream.codec_context.time_base = stream.time_base = Fraction(1, 1000)
        for i in range(12):
            picture = av.VideoFrame.from_ndarray(paint(i), format="rgb24")
            picture.pts, picture.time_base = 5 * i * (i + 1), Fraction(1, 1000)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def gif(path: Path, side: int, end: bytes = b";") -> Path:
    """A GIF of one frame in 60 bytes that claims to be `side` wide and high."""
    lzw = bytes.fromhex("02168c2d99872a1cdc33a00275ec95faa8de608c04914c0100")
    size = struct.pack("<HH", side, side)
    path.write_bytes(b"GIF89a" + size + b"\x91\0\0" + bytes(12) + b",\0\0\0\0" + size + b"\0" + lzw + end)
    return path


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_whole_clip_is_ok(tmp_path: Path, variant: str) -> None:
    path = encode(tmp_path / f"clip.{VARIANTS[variant][0]}", 30, variant, height=48)
    assert examine(path) == Verdict(str(path), "ok", "", "", 30, 25.0, 1.2, 64, 48, ())


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_cut_clip_is_truncated_and_its_frames_are_counted(tmp_path: Path, variant: str) -> None:
    suffix = VARIANTS[variant][0]
    options = {"movflags": "faststart"} if suffix == "mp4" else {}
    whole = encode(tmp_path / f"whole.{suffix}", 80, variant, options=options)
    path = cut(whole, 0.8, tmp_path / f"cut.{suffix}")
    found = examine(path)
    assert (found.status, found.kind) == ("bad", "truncated")
    with VideoReader(path) as video:
        assert found.frames == video.count() < 80
    lacking = whole.stat().st_size - path.stat().st_size
    assert found.reason == f"ends {lacking} bytes before its header says; {found.frames} of 80 frames decode"


def test_a_hole_in_the_middle_is_a_count_mismatch(tmp_path: Path) -> None:
    path = encode(tmp_path / "hole.avi", 80, "x264_avi")
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 600] = bytes(600)
    path.write_bytes(data)
    found = examine(path)
    assert (found.status, found.kind, found.frames < 79) == ("bad", "count_mismatch", True)
    assert found.reason == f"the header counts 80 frames, {found.frames} decode"


@pytest.mark.parametrize(("claimed", "status"), [(31, "ok"), (32, "bad"), (29, "ok"), (10, "ok")])
def test_one_frame_less_than_claimed_is_a_note(tmp_path: Path, claimed: int, status: str) -> None:
    """As in MPEG-4 AVIs whose headers count one too many; more frames than claimed are no loss."""
    path = encode(tmp_path / "clip.avi", 30, "mpeg4_avi")
    data = bytearray(path.read_bytes())
    at = data.index(b"strh") + 8 + 32  # dwLength of the stream's header
    assert struct.unpack_from("<I", data, at)[0] == 30
    struct.pack_into("<I", data, at, claimed)
    path.write_bytes(data)
    found = examine(path)
    words = f"the header counts {claimed} frames, 30 decode"
    assert (found.status, found.frames) == (status, 30)
    assert found.reason == words if status == "bad" else found.notes == (f"count_mismatch: {words}",)


def test_rotated_and_variable_rate_are_notes(tmp_path: Path) -> None:
    turned, jumps = examine(rotate(encode(tmp_path / "turned.mp4", 8))), examine(jumpy(tmp_path / "jumps.webm"))
    assert (turned.status, turned.notes) == ("ok", ("rotated: by -90 degrees",))
    for matrix, words in (
        ((-1, 0, 0, 1), "left to right"),
        ((0, 1, 1, 0), "top to bottom, then rotated by -90 degrees"),
    ):
        assert examine(rotate(encode(tmp_path / "selfie.mp4", 8), matrix)).notes == (f"mirrored: {words}",)
    assert (jumps.status, jumps.frames) == ("ok", 12)
    assert jumps.notes[0] == "variable_rate: 0.010 to 0.110 s between frames"
    assert jumps.duration == pytest.approx(0.66 + 0.06) and jumps.fps == pytest.approx(12 / 0.72, abs=1e-3)


def test_a_duration_that_is_a_lie_is_a_note(tmp_path: Path) -> None:
    path = encode(tmp_path / "clip.webm", 25, "vp9_webm")
    data = bytearray(path.read_bytes())
    at = data.index(b"\x44\x89\x88") + 3  # Duration, 8 bytes: milliseconds as a float
    assert struct.unpack_from(">d", data, at)[0] == 1000.0
    struct.pack_into(">d", data, at, 3_600_000.0)
    path.write_bytes(data)
    found = examine(path)
    assert (found.status, found.frames, found.duration) == ("ok", 25, 1.0)
    assert found.notes == (
        "count_mismatch: the header lasts 90000 frames, 25 decode",
        "duration: the header claims 3600.0 s, the frames last 1.0 s",
    )


def make_index_only(path: Path) -> None:
    data = encode(path, 20, options={"movflags": "faststart"}).read_bytes()
    at = data.index(b"mdat") + 4
    path.write_bytes(data[:at] + bytes(len(data) - at))


SCRIPT = "ffconcat version 1.0\nfile /etc/passwd\n"
UNUSABLE: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "missing": (lambda path: None, "missing", "no such file"),
    "link": (lambda path: path.symlink_to(path.with_name("gone")), "missing", "no such file"),
    "empty": (lambda path: path.write_bytes(b""), "unreadable", "is empty"),
    "text": (lambda path: path.write_text("no video\n" * 99), "unreadable", "is not a video that can be opened"),
    "folder": (Path.mkdir, "unreadable", "is a folder"),
    "pipe": (os.mkfifo, "unreadable", "is not a regular file"),
    "script": (
        lambda path: path.write_text("ffconcat version 1.0\nfile /etc/passwd\n"),
        "unreadable",
        "is not a video that can be opened (its",
    ),
    "sound": (encode_sound, "no_stream", "holds no video stream"),
    "no index": (lambda path: cut(encode(path, 40), 0.5, path), "truncated", "is not a video that can be opened"),
    "no pictures": (make_index_only, "zero_frames", "no frame can be decoded"),
    "short": (lambda path: encode(path, 5), "too_short", "has 5 frames; at least 6 are needed"),
    "wide": (lambda path: gif(path, 9000), "too_big", "has frames of 9000x9000; at most 37748736 pixels"),
    "too wide for libav": (lambda path: gif(path, 30000), "zero_frames", "no frame can be decoded"),
    "heavy": (lambda path: path.write_bytes(bytes(9001)), "too_big", "has 9001 bytes; at most 9000"),
    "long": (lambda path: encode(path, 41), "too_big", "has more than 40 frames"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_what_makes_a_clip_bad_alone_and_in_a_process(tmp_path: Path, name: str) -> None:
    make, kind, reason = UNUSABLE[name]
    path = tmp_path / f"{name}.mp4"
    make(path)
    limits = Limits(bytes=9000, frames=40, seconds=30)
    found = examine(path, limits, min_frames=6)
    assert (found.path, found.kind) == (str(path), kind) and found.reason.startswith(reason)
    assert found.status == ("missing" if kind == "missing" else "bad")
    if name == "wide":
        assert list(examine_many([path], limits=limits, workers=1, min_frames=6)) == [found]


def test_the_picture_is_measured_before_it_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe._pyav, "decode", lambda *_: pytest.fail("decoded"))
    assert examine(gif(tmp_path / "bomb.gif", 9000)).kind == "too_big"


def test_slow_decoding_is_a_time_out_here_and_a_kill_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = encode(tmp_path / "clip.mp4", 40)
    found = examine(path, Limits(seconds=1e-6))
    assert (found.kind, found.reason, found.frames) == ("time_out", "takes longer than 1e-06 s", 1)
    monkeypatch.setattr(probe, "examine", hanging_examine)
    killed, good = examine_many([tmp_path / "hang.mp4", path], limits=Limits(seconds=1.0))
    assert (killed.status, killed.kind, killed.reason) == ("bad", "time_out", "takes longer than 1 s")
    assert killed.path == str(tmp_path / "hang.mp4") and (good.status, good.frames) == ("ok", 40)


def test_many_come_in_order_whatever_their_names(tmp_path: Path) -> None:
    names = ['it\'s "q".mp4', "new\nline.mp4", "-rf.mp4", os.fsdecode(b"bad\xff.mp4"), "x" * 200 + ".mp4"]
    paths = [encode(tmp_path / "plain.mp4", 3 + n).rename(tmp_path / name) for n, name in enumerate(names)]
    found = list(examine_many(iter(paths), workers=2))
    assert [(v.path, v.status, v.frames) for v in found] == [(str(p), "ok", 3 + n) for n, p in enumerate(paths)]


@pytest.mark.parametrize(
    ("content", "lacking"),
    [
        (b"", 0),
        (b"text of no kind", 0),
        (struct.pack(">I4s", 100, b"ftyp") + bytes(8), 84),
        (struct.pack(">I4sQ", 1, b"mdat", 1 << 40), (1 << 40) - 16),
        (struct.pack(">I4s", 0, b"mdat") + bytes(8), 0),
        (struct.pack(">I4s", 4, b"mdat") + bytes(8), 0),
        (struct.pack("<4sI4s", b"RIFF", 0, b"AVI "), 0),
        (struct.pack("<4sI4s", b"RIFF", 5, b"AVI "), 2),
        (b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\x88ab", 6),
        (b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\x01" + b"\xff" * 7, 0),
        (b"\x1a\x45\xdf\xa3\xff", 0),
        (b"\x1a\x45\xdf\xa3", 0),
        (b"GIF89a" + bytes(20) + b";\0\0", 0),
        (b"GIF89a" + bytes(20), 1),
    ],
)
def test_bytes_that_lack(tmp_path: Path, content: bytes, lacking: int) -> None:
    (tmp_path / "file").write_bytes(content)
    assert missing_bytes(tmp_path / "file") == lacking


def test_records_are_checked_and_travel() -> None:
    with pytest.raises(ConfigError, match="did you mean 'truncated'"):
        Verdict("a.mp4", "bad", kind="truncate")
    error = pickle.loads(pickle.dumps(Rejected("a.mp4", "too_big", "is too big")))
    assert (error.path, error.kind, error.reason) == ("a.mp4", "too_big", "is too big")


def test_a_locked_folder_is_no_missing_file(monkeypatch: pytest.MonkeyPatch) -> None:
    denied = Mock(side_effect=PermissionError(13, "Permission denied"))
    with (
        monkeypatch.context() as patched,
        pytest.raises(Rejected, match=r"cannot be opened \(Permission denied\)") as raised,
    ):
        patched.setattr(os, "stat", denied)
        admit_file("locked/a.mp4", Limits())
    assert raised.value.kind == "unreadable"
