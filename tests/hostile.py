"""Two hundred damaged and hostile files, the same ones each time, made from a few encoded clips."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.clips import VARIANTS, encode, encode_sound

COUNT, FRAMES = 200, 24
SUFFIXES = {name: suffix for name, (suffix, _, _) in VARIANTS.items()} | {"faststart": "mp4"}
Make = Callable[[Path], object]


@dataclass(frozen=True)
class Case:
    """One file. whole: nothing was done to its content, so that all of its FRAMES numbered frames must come."""

    path: Path
    family: str
    whole: bool


def plant(root: Path) -> list[Case]:
    """Write all cases below `root`, a folder a family; in the order in which `find_videos` lists them."""
    clips = _clips(root.parent / f"{root.name}.whole")
    cases = [*_truncations(clips), *_extensions(clips), *_lies(clips), *_bombs(), *_names(clips)]
    cases += _damages(clips, COUNT - len(cases))
    for family, name, make, _ in cases:
        (root / family).mkdir(parents=True, exist_ok=True)
        make(root / family / name)
    planted = (Case(root / family / name, family, whole) for family, name, _, whole in cases)
    return sorted(planted, key=lambda case: case.path)


_Case = tuple[str, str, Make, bool]  # family, name, how it is made, is it whole


def _clips(folder: Path) -> dict[str, bytes]:
    """The content of each variant, the same bytes in every run."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for name, suffix in SUFFIXES.items():
        options = {"fflags": "+bitexact"} | ({"movflags": "faststart"} if name == "faststart" else {})
        path = encode(folder / f"{name}.{suffix}", FRAMES, "x264_mp4" if name == "faststart" else name, options=options)
        found[name] = path.read_bytes()
    return found


def _writes(content: bytes) -> Make:
    return lambda path: path.write_bytes(content)


def _truncations(clips: dict[str, bytes]) -> Iterator[_Case]:
    """At each tenth."""
    for name, data in clips.items():
        for tenth in range(1, 10):
            file = f"{name}_{tenth}.{SUFFIXES[name]}"
            yield "truncated", file, _writes(data[: len(data) * tenth // 10]), False


def _extensions(clips: dict[str, bytes]) -> Iterator[_Case]:
    for name, data in clips.items():
        for suffix in ("avi", "gif", "mp4", "ts", "webm"):
            if suffix != SUFFIXES[name]:
                yield "extension", f"{name}.{suffix}", _writes(data), True


def _damages(clips: dict[str, bytes], count: int) -> Iterator[_Case]:
    """Flipped bits and zeroed stretches at seeded places, in turn."""
    names = list(clips)
    for n in range(count):
        rng, name = np.random.default_rng(n), names[n % len(names)]
        data = bytearray(clips[name])
        if n // len(names) % 3 == 2:
            at = int(rng.integers(len(data)))
            data[at : at + 64] = bytes(len(data[at : at + 64]))
        else:
            for at in rng.integers(len(data), size=1 + n // 20):
                data[at] ^= 1 << int(rng.integers(8))
        yield "damaged", f"{n:03d}_{name}.{SUFFIXES[name]}", _writes(bytes(data)), False


def _edited(data: bytes, after: bytes, skip: int, new: bytes) -> bytes:
    """`data` with `new` written `skip` bytes behind the first `after`."""
    at = data.index(after) + len(after) + skip
    return data[:at] + new + data[at + len(new) :]


def _lies(clips: dict[str, bytes]) -> Iterator[_Case]:
    """Headers that claim other counts, durations and sizes than the file has."""
    avi, mp4, webm = clips["mpeg4_avi"], clips["faststart"], clips["vp9_webm"]
    for count in (FRAMES - 8, FRAMES + 1, FRAMES + 2, 10**6, 2**32 - 1):
        yield "lie", f"avi_count_{count}.avi", _writes(_edited(avi, b"strh", 4 + 32, struct.pack("<I", count))), False
    for side in (1, 9000, 30000):
        yield (
            "lie",
            f"avi_side_{side}.avi",
            _writes(_edited(avi, b"strf", 4 + 4, struct.pack("<II", side, side))),
            False,
        )
        sides = struct.pack(">HH", side, side)
        yield "lie", f"mp4_side_{side}.mp4", _writes(_edited(mp4, b"avc1", 24, sides)), False
    for name, skip in (("mvhd", 16), ("mdhd", 16)):
        for ticks in (0, 1, 2**32 - 1):
            content = _edited(mp4, name.encode(), skip, struct.pack(">I", ticks))
            yield "lie", f"{name}_{ticks}.mp4", _writes(content), False
    for milliseconds in (-1.0, 0.0, 1e300, float("nan")):
        content = _edited(webm, b"\x44\x89\x88", 0, struct.pack(">d", milliseconds))
        yield "lie", f"webm_{milliseconds}.webm", _writes(content), False
    for name in ("stsz", "stco", "stts"):
        yield "lie", f"{name}.mp4", _writes(_edited(mp4, name.encode(), 4, b"\x7f\xff\xff\xff")), False


def gif(side: int, frames: int = 1) -> bytes:
    """A GIF of a few bytes a frame, each claiming to be `side` wide and high."""
    size = struct.pack("<HH", side, side)
    picture = b",\0\0\0\0" + size + b"\0" + bytes.fromhex("02168c2d99872a1cdc33a00275ec95faa8de608c04914c0100")
    return b"GIF89a" + size + b"\x91\0\0" + bytes(12) + picture * frames + b";"


def _bombs() -> Iterator[_Case]:
    """Much out of little, scripts that name other files, and what is no file at all."""
    texts = {
        "ffconcat.mp4": "ffconcat version 1.0\nfile /etc/passwd\n",
        "concat.mp4": "file '/etc/passwd'\nduration 1\n",
        "m3u8.ts": "#EXTM3U\n#EXTINF:9,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
        "m3u8.mp4": "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:9,\nconcat:/etc/passwd|/etc/hosts\n",
        "dash.mp4": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>/etc/</BaseURL></MPD>',
        "sdp.mp4": "v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
        "svg.gif": '<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
        "script.mkv": "#!/bin/sh\ntouch executed\n",
    }
    for name, text in texts.items():
        yield "bomb", name, _writes(text.encode()), False
    for side in (9000, 16000, 30000, 65535):
        yield "bomb", f"side_{side}.gif", _writes(gif(side)), False
    yield "bomb", "gif_as.mp4", _writes(gif(16000)), False
    yield "bomb", "many.gif", _writes(gif(2000, 400)), False
    for name, content in {"empty": b"", "byte": b"\0", "zeros": bytes(1 << 16), "noise": _noise(1 << 16)}.items():
        yield "bomb", f"{name}.mp4", _writes(content), False
    others: dict[str, Make] = {"sound.mp4": encode_sound, "pipe.mp4": os.mkfifo}
    others["nowhere.mp4"] = lambda path: path.symlink_to("gone")
    others["round.mp4"] = lambda path: path.symlink_to("round.mp4")
    others["device.mp4"] = lambda path: path.symlink_to("/dev/zero")
    for name, make in others.items():
        yield "bomb", name, make, False


def _noise(size: int) -> bytes:
    return np.random.default_rng(0).bytes(size)


NAMES = (
    "it's.", 'a "quote".', "new\nline.", "-rf.", "--json.", "%05d.", "[1].", "$(touch executed).", "; ls |.", "a b.",
    "http:x.", "concat:a|b.", "file:x.", "tab\t.", "back\\slash.", "日本語.", "e\u0301.", "\u202egnp.", "[red]x.",
    "bell\x07.", os.fsdecode(b"bad\xff\xfe."), "x" * 250 + ".",
)  # fmt: skip


def _names(clips: dict[str, bytes]) -> Iterator[_Case]:
    for n, name in enumerate(NAMES):
        variant = list(clips)[n % len(clips)]
        yield "name", name + SUFFIXES[variant], _writes(clips[variant]), True
