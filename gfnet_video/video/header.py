"""What a video file says of itself, by PyAV: how many frames, how fast, how long."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import av

from gfnet_video.video import _pyav
from gfnet_video.video.extent import missing_bytes

# These store when each frame is shown. AVI does not: its times are guessed from the order of storage.
TIMED = {"mov", "matroska"}


@dataclass(frozen=True)
class Header:
    """What a file says of itself. frames: counted by the file, or duration x fps; duration: seconds; timed: the
    container stores presentation times; turns: it stores how frames are to be turned or mirrored, as phones write it.
    """

    frames: int | None
    fps: float | None
    duration: float | None
    width: int
    height: int
    timed: bool
    turns: bool


def read_header(path: str) -> Header:
    """Open and close the file; nothing is decoded beyond what libav probes. Raises VideoError.

    Of a file that counts no frames (webm, MPEG streams) the packets are read as well: where the rate changes they are
    not duration x fps, and fps becomes the mean. Where its end is missing, and they are fewer, what it claims is kept.
    """
    with _pyav.open_stream(path) as (container, stream):
        header, read = header_of(container, stream), _pyav.Counters()
        if stream.frames:
            return header
        shown = sum(1 for p in _pyav.packets_of(container, stream, read) if _pyav.is_shown(p, stream))
        if by_fields(stream.codec_context.name, shown, header.frames or 0):
            return header
        if (read.broken or missing_bytes(path)) and shown < (header.frames or 0):
            return header
        changes = header.duration and header.frames and abs(shown - header.frames) > max(1, shown // 50)
        fps = shown / header.duration if changes and header.duration else header.fps
        return replace(header, frames=shown or header.frames, fps=fps)


def by_fields(codec: str, packets: int, frames: int) -> bool:
    """Whether packets of H.264 hold a field each, two to a frame, as interlaced broadcasts may; frames: duration x fps.

    >>> by_fields("h264", 199, 100), by_fields("h264", 150, 100), by_fields("vp9", 200, 100)
    (True, False, False)
    """
    return codec == "h264" and frames > 0 and abs(packets - 2 * frames) <= max(2, frames // 50)


def header_of(container: Any, stream: Any) -> Header:
    """What an open file claims."""
    rate = stream.average_rate or stream.guessed_rate
    fps = float(rate) if rate else None
    duration = _duration(container, stream)
    frames = int(stream.frames) or None
    if frames is None and fps and duration:
        frames = max(1, round(fps * duration))
    forms, context = set(container.format.name.split(",")), stream.codec_context
    return Header(frames, fps, duration, context.width, context.height, bool(TIMED & forms), "mov" in forms)


def _duration(container: Any, stream: Any) -> float | None:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration and container.duration > 0 else None
