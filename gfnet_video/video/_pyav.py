"""PyAV: a file's packets, and its frames in sequence or proven by their timestamps."""

from __future__ import annotations

import io
import os
import stat
import struct
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import SideDataContainer

from gfnet_video.errors import VideoError

# Containers of video. Playlists, picture sequences and scripts, which can name further files, are not among them.
FORMATS = "mov,matroska,webm,avi,mpeg,mpegts,mpegvideo,flv,asf,ogg,gif,h264,hevc,m4v,ivf,mxf,nut,rm,dv,yuv4mpegpipe"
OPTIONS = {"format_whitelist": FORMATS, "protocol_whitelist": "none"}


class NoStream(VideoError):
    """The file opens, but holds no pictures."""


class Unproven(Exception):
    """A frame after a seek could not be shown to be the one asked for."""


@dataclass
class Counters:
    """What has been asked of the decoder so far; all but `frames` are counted on PyAV only.

    hidden: packets that the file says are not shown; failed: packets that could not be decoded; broken: why reading the
    packets stopped before the file's end; closed: decode no further frame.
    """

    packets: int = 0
    frames: int = 0
    hidden: int = 0
    failed: int = 0
    broken: str = ""
    closed: bool = False


@contextmanager
def open_stream(path: str) -> Iterator[tuple[Any, Any]]:
    """(container, video stream) of a local regular file. Raises VideoError.

    PyAV is given an open file, never a name: no name can be taken for a protocol or fail to be encoded.
    """
    with _open_file(path) as file:
        try:
            container = av.open(file, metadata_errors="ignore", options=OPTIONS)
        except (av.error.FFmpegError, ValueError, UnicodeError) as error:
            raise VideoError(path, f"is not a video that can be opened ({reason(error)})") from error
        with container:
            stream = container.streams.best("video")
            if stream is None or stream.codec_context is None:
                raise NoStream(path, "holds no video stream that can be decoded")
            yield container, stream


def _open_file(path: str) -> io.FileIO:
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise VideoError(path, "is a folder, not a video file")
        if not stat.S_ISREG(mode):
            raise VideoError(path, "is not a regular file")
        file = io.FileIO(path)
    except FileNotFoundError as error:
        raise VideoError(path, "no such file") from error
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise VideoError(path, f"cannot be opened ({getattr(error, 'strerror', None) or error})") from error
    if os.fstat(file.fileno()).st_size == 0:
        file.close()
        raise VideoError(path, "is empty (0 bytes)")
    file.name = "video"  # libav would guess from, and stumble over, the real one
    return file


def reason(error: BaseException) -> str:
    if isinstance(error, av.error.ArgumentError):  # what libav says of a format that is not in FORMATS
        return "its format is not one of video"
    return getattr(error, "strerror", None) or str(error)


def packet_times(path: str) -> list[tuple[int | None, bool]]:
    """(presentation time, is it a keyframe) of every packet that is shown; the file is read, nothing decoded."""
    with open_stream(path) as (container, stream):
        return [(p.pts, p.is_keyframe) for p in packets_of(container, stream, Counters()) if is_shown(p, stream)]


def is_shown(packet: Any, stream: Any) -> bool:
    """Whether a packet gives a frame: not one to be discarded, nor of VP8 one for later frames to refer to alone, whose
    first byte says so (RFC 6386, 9.1)."""
    if not packet.size or packet.is_discard:
        return False
    return stream.codec_context.name != "vp8" or bool(memoryview(packet)[0] & 0x10)


def packets_of(container: Any, stream: Any, counters: Counters) -> Iterator[Any]:
    """The packets up to the first that cannot be read, then the empty one that empties the decoder."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError as error:
            counters.broken = error.strerror or type(error).__name__
            yield av.Packet()
            return
        if packet is None:
            return
        yield packet


def decode(container: Any, stream: Any, counters: Counters) -> Iterator[Any]:
    """Frames as the decoder gives them, packet by packet; a packet that cannot be decoded gives none."""
    for packet in packets_of(container, stream, counters):
        if counters.closed:
            return
        counters.packets += bool(packet.size)
        counters.hidden += bool(packet.size and packet.is_discard)
        try:
            frames = stream.codec_context.decode(packet if packet.size else None)
        except av.error.FFmpegError:
            counters.failed += 1
            continue
        for frame in frames:
            counters.frames += 1
            yield frame


def count_frames(path: str) -> int:
    """How many frames decode. Raises VideoError."""
    with open_stream(path) as (container, stream):
        return sum(1 for _ in decode(container, stream, Counters()))


def in_sequence(path: str, indices: Sequence[int], counters: Counters, shrink: int = 0) -> Iterator[np.ndarray]:
    """Frames (H,W,3) uint8 at non-decreasing `indices`, decoding from the start; stops where decoding ends. shrink: as
    `to_rgb` takes it."""
    with open_stream(path) as (container, stream):
        frames = enumerate(decode(container, stream, counters))
        at, frame = -1, None
        for index in indices:
            while at < index:
                at, frame = next(frames, (-1, None))
                if frame is None:
                    return
            yield to_rgb(frame, stream, shrink)


def by_timestamp(path: str, indices: Sequence[int], counters: Counters, shrink: int = 0) -> Iterator[np.ndarray]:
    """As `in_sequence`, but seeks to the last keyframe before each frame and proves where it landed.

    Every decoded frame must carry the presentation time that follows the one before it in the sorted list of packet
    times. Raises Unproven otherwise; what was yielded before is right. What cannot be seen without decoding: a damaged
    packet in a stretch that a seek passes over still counts as a frame.
    """
    times = packet_times(path)
    shown = sorted(t for t, _ in times if t is not None)
    rank = {t: i for i, t in enumerate(shown)}
    if len(rank) < len(times):
        raise Unproven("packet times are missing or repeated")
    keys = sorted(rank[t] for t, key in times if key and t is not None)
    with open_stream(path) as (container, stream):
        at, frame, frames = -1, None, decode(container, stream, counters)
        for index in indices:
            if index >= len(shown):
                return
            key = keys[bisect_right(keys, index) - 1] if keys and keys[0] <= index else 0
            if key > at + 1:
                container.seek(shown[key], stream=stream)
                frames, at = decode(container, stream, counters), -1
                frame = next(frames, None)
                at = _landed(frame, rank, range(key + 1))
            while at < index:
                frame = next(frames, None)
                at = _landed(frame, rank, range(at + 1, at + 2))
            yield to_rgb(frame, stream, shrink)


def _landed(frame: Any, rank: dict[int, int], expected: range) -> int:
    at = rank.get(frame.pts, -1) if frame is not None and not frame.is_corrupt else -1
    if at not in expected:
        raise Unproven(f"decoded frame {at}, expected {expected}")
    return at


def to_rgb(frame: Any, stream: Any, shrink: int = 0) -> np.ndarray:
    """(H,W,3) uint8, mirrored and turned as the file says, as a player shows it.

    shrink: the short side of frames that are at least twice as large, 0 for none. Then libav scales them while it
    converts their colours, in one pass over a frame of which the chroma is small already; to planes, for to rgb24 it
    would halve the chroma of even widths once more.
    """
    size, form = (stream.codec_context.width, stream.codec_context.height), "rgb24"
    if shrink and min(size) >= 2 * shrink:
        size, form = shrunk(size, shrink), "gbrp"
    how = {} if size == (frame.width, frame.height) else {"width": size[0], "height": size[1]}
    pixels = frame.to_ndarray(format=form, **how)
    if mirrored(frame):
        pixels = pixels[::-1]
    return np.ascontiguousarray(np.rot90(pixels, round(rotation(frame) / 90)))


def shrunk(size: tuple[int, int], short: int) -> tuple[int, int]:
    """Width and height with `short` as the lesser of the two, rounded as `resize_crop` does, which then cuts the same
    square.

    >>> shrunk((1280, 720), 96), shrunk((1080, 1920), 224)
    ((171, 96), (224, 398))
    """
    width, height = (round(x * short / min(size)) for x in size)
    return width, height


def rotation(frame: Any) -> int:
    """Degrees by which the file wants its frames turned; 0 where a damaged matrix gives no angle."""
    degrees = getattr(frame, "rotation", 0)
    return round(degrees) if abs(degrees) <= 360 else 0


def mirrored(frame: Any) -> bool:
    """Whether the file wants its frames mirrored top to bottom, before `rotation` turns them: with 180 degrees that
    is left to right, as a phone's front camera stores a picture."""
    try:
        # Not frame.side_data: it and the frame would hold each other, and every frame would stay until a collection.
        matrix = SideDataContainer(frame).get("DISPLAYMATRIX")  # type: ignore[call-arg]  # its stub has no __init__
    except ValueError:  # beside its pixels the frame carries something that PyAV has no name for
        return False
    if matrix is None:
        return False
    across, down, _, across_by_row, down_by_row = struct.unpack_from("=5i", matrix)
    return bool(across * down_by_row < down * across_by_row)


def mirrors(path: str) -> bool:
    """Whether the file wants its frames mirrored, as its first says; no other is decoded. Raises VideoError."""
    with open_stream(path) as (container, stream):
        stream.codec_context.thread_count = 1  # threads would take longer to start than the one frame
        first = next(decode(container, stream, Counters()), None)
        return first is not None and mirrored(first)
