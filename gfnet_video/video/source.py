"""Cameras, addresses, pipes and files as one thing: frames with their times, as they come."""

from __future__ import annotations

import io
import os
import re
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import av

from gfnet_video.errors import VideoError, unknown
from gfnet_video.video import _pyav
from gfnet_video.video.ticks import Timed

STDIN = "-"
PATIENCE = 10.0  # seconds in which an address must answer, and go on
# Each scheme and the protocols that it needs beneath it. No other may be opened, whatever a server answers.
SCHEMES = {
    "rtsp": "rtsp,rtp,udp,tcp",
    "rtsps": "rtsp,rtsps,rtp,udp,tcp,tls",
    "rtmp": "rtmp,tcp",
    "http": "http,tcp",
    "https": "https,tls,tcp",
    "tcp": "tcp",
    "udp": "udp",
}
# Pictures and bare streams say nothing of time, and libav takes them for 25 a second.
TIMELESS = {"mjpeg", "mpjpeg", "h264", "hevc", "m4v", "mpegvideo"}
FORMATS = _pyav.FORMATS + ",rtsp,mjpeg,mpjpeg"  # cameras send pictures one after the other


def shown(name: str) -> str:
    """A source's name without the password that an address may hold.

    >>> shown("rtsp://admin:secret@10.0.0.7/live")
    'rtsp://***@10.0.0.7/live'
    """
    return re.sub(r"^([a-zA-Z][a-zA-Z0-9+.-]*://)[^/@]*@", r"\1***@", name)


def scheme_of(name: str) -> str:
    """`rtsp` of `rtsp://...`; empty for what is no address.

    >>> scheme_of("RTSP://10.0.0.7/live"), scheme_of("a/b.mp4")
    ('rtsp', '')
    """
    found = re.match(r"([a-zA-Z][a-zA-Z0-9+.-]*)://", name)
    return found[1].lower() if found else ""


def device_of(name: str) -> str:
    """The camera's device: `0` is /dev/video0; empty for what is no camera. A file called 0 is ./0.

    >>> device_of("0"), device_of("/dev/video2"), device_of("./0")
    ('/dev/video0', '/dev/video2', '')
    """
    if re.fullmatch(r"[0-9]{1,3}", name):
        return f"/dev/video{int(name)}"
    return name if re.fullmatch(r"/dev/video[0-9]+", name) else ""


def is_live(name: str) -> bool:
    """Whether it goes on without us: a camera or an address. Files wait, and pipes hold their writer back."""
    return bool(scheme_of(name) or device_of(name))


def is_recording(name: str, container: Any) -> bool:
    """Whether an open address is a file after all, which waits: it says how long it lasts and how large it is. What is
    live may say the one, of its first seconds, but not the other."""
    return scheme_of(name) in ("http", "https") and (container.duration or 0) > 0 and container.size > 0


@contextmanager
def opened(name: str) -> Iterator[tuple[Any, Any]]:
    """(container, video stream) of a source. Raises VideoError, naming it as `shown` does."""
    if scheme := scheme_of(name):
        with _closing(name, _open_address(name, scheme)) as pair:
            yield pair
    elif device := device_of(name):
        with _closing(name, _open_device(name, device)) as pair:
            yield pair
    elif pipe := _pipe(name):
        with pipe, _closing(name, _opened(name, pipe, options=_pyav.OPTIONS)) as pair:
            yield pair
    else:
        with _pyav.open_stream(name) as pair:
            yield pair


def _open_address(name: str, scheme: str) -> Any:
    if scheme not in SCHEMES:
        raise VideoError(shown(name), unknown("kind of address", scheme, SCHEMES))
    options = {"format_whitelist": FORMATS, "protocol_whitelist": SCHEMES[scheme]}
    if scheme.startswith("rtsp"):
        options["rtsp_transport"] = "tcp"  # whole frames rather than quick ones
    return _opened(name, scheme + name[len(scheme) :], options=options, timeout=PATIENCE)  # libav knows small letters


def _open_device(name: str, device: str) -> Any:
    if not sys.platform.startswith("linux"):
        reason = "cameras are opened on Linux only; elsewhere let ffmpeg read it: ffmpeg ... -f mpegts - | ... stream -"
        raise VideoError(name, reason)
    if not os.path.exists(device):
        raise VideoError(name, f"there is no camera {device}; a file of this name is ./{os.path.basename(name)}")
    return _opened(name, device, format="v4l2")


def _pipe(name: str) -> io.FileIO | None:
    """Standard input, or a named pipe; None for anything else."""
    if name == STDIN:
        if sys.stdin is None:
            raise VideoError(name, "standard input is closed; pipe a video into it, or name a file")
        return io.FileIO(sys.stdin.fileno(), closefd=False)
    try:
        return io.FileIO(name) if stat.S_ISFIFO(os.stat(name).st_mode) else None
    except (OSError, ValueError):  # which open_stream says in its words
        return None


def _opened(name: str, what: object, **how: Any) -> Any:
    try:
        return av.open(what, metadata_errors="ignore", **how)
    except (av.error.FFmpegError, ValueError, UnicodeError) as error:
        raise VideoError(shown(name), f"cannot be opened ({_why(error)})") from error


def _why(error: BaseException) -> str:
    if isinstance(error, av.error.ExitError):  # libav was told to give up
        return f"nothing came for {PATIENCE:g} seconds"
    return _pyav.reason(error)


@contextmanager
def _closing(name: str, container: Any) -> Iterator[tuple[Any, Any]]:
    with container:
        stream = container.streams.best("video")
        if stream is None or stream.codec_context is None:
            raise VideoError(shown(name), "holds no video stream that can be decoded")
        yield container, stream


def frames_of(container: Any, stream: Any, counters: _pyav.Counters, *, arriving: bool = False) -> Iterator[Timed[Any]]:
    """Decoded frames with their times in seconds, as the source counts them.

    arriving: they come when they happen, so that where the format says nothing of time their arrival does. Another
    frame without a time comes one frame after the last, or where there is no rate, now.
    """
    rate = stream.average_rate or stream.guessed_rate
    timeless = arriving and bool(TIMELESS & set(container.format.name.split(",")))
    lasts = 1 / float(rate) if rate and not timeless else 0.0
    seconds = -lasts
    for frame in _pyav.decode(container, stream, counters):
        if frame.pts is not None and frame.time_base and not timeless:
            seconds = float(frame.pts * frame.time_base)
        else:
            seconds = seconds + lasts if lasts else time.monotonic()
        yield Timed(seconds, lasts, frame)
