"""What is wrong with a video file: opened, measured against limits, and decoded from the first frame to the last."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise, tee
from pathlib import Path
from statistics import median

from gfnet_video.errors import ConfigError, VideoError, unknown
from gfnet_video.video import _pyav
from gfnet_video.video.extent import missing_bytes
from gfnet_video.video.header import Header, header_of
from gfnet_video.video.picture import is_picture, read_picture
from gfnet_video.video.sandbox import LIMITS, Failure, Limits, each

BAD = (
    "missing",
    "unreadable",
    "no_stream",
    "too_big",
    "zero_frames",
    "truncated",
    "count_mismatch",
    "too_short",
    "time_out",
    "crashed",
)
NOTES = ("rotated", "mirrored", "variable_rate", "count_mismatch", "truncated", "damaged", "duration")
KINDS = ("", *dict.fromkeys(BAD + NOTES))


@dataclass(frozen=True)
class Verdict:
    """What was found of one file.

    status: ok | bad | missing. kind: a short word for programs, "" where nothing is wrong, else a row of BAD; `reason`
    says it in words. notes: what is odd but no reason to leave the clip out, each starting with its kind (`rotated: by
    90 degrees`). frames: how many decode; fps and duration (seconds) as the decoded frames show them, or else as the
    header claims; width and height as stored; 0 where unknown. Raises ConfigError for an unknown kind.

    Bad are: a file that is missing; that cannot be opened or is no video (unreadable); without pictures (no_stream);
    over a limit of bytes, pixels, frames or memory (too_big); of which no frame decodes (zero_frames); that ends before
    its own header says and so lacks frames (truncated); of which at least two frames less decode than the header counts
    (count_mismatch); with less than the frames asked for (too_short); that takes too long (time_out) or ends the
    process that decodes it (crashed). Notes are: rotated; mirrored; variable_rate; count_mismatch where one frame
    lacks, as in many whole AVIs, where more decode than are claimed, or where the claim is no count but a duration;
    truncated where the end lacks but no frame does; damaged, where the decoder marks frames; duration, where the
    header's is off by a tenth and a second.
    """

    path: str
    status: str
    reason: str = ""
    kind: str = ""
    frames: int = 0
    fps: float = 0.0
    duration: float = 0.0
    width: int = 0
    height: int = 0
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(unknown("kind of verdict", self.kind, KINDS))


class Rejected(VideoError):
    """A file that a limit or a rule keeps out; `kind` is a row of BAD."""

    def __init__(self, path: object, kind: str, reason: str) -> None:
        self.kind = kind
        super().__init__(path, reason)

    def __reduce__(self) -> tuple[type, tuple[str, str, str]]:  # type: ignore[override]
        return type(self), (self.path, self.kind, self.reason)


@dataclass
class _Walk:
    """What decoding a whole file showed."""

    header: Header | None = None
    counted: int = 0  # frames that the header counts, those that it hides left out; 0 where it counts none
    seconds: float = 0.0  # of one tick of `times`
    times: list[int] = field(default_factory=list)
    counters: _pyav.Counters = field(default_factory=_pyav.Counters)
    damaged: int = 0
    rotation: int = 0
    mirrored: bool = False


def examine(path: str | os.PathLike[str], limits: Limits = LIMITS, *, min_frames: int = 1) -> Verdict:
    """Decode one file in this process and say what is wrong with it; see Verdict. Decoders may hang or crash here, and
    `limits.memory` is not held: `examine_many` has processes for that. A picture is a video of one frame."""
    name, walk = os.fsdecode(path), _Walk()
    if is_picture(name):
        return _picture(name, limits, min_frames)
    try:
        admit_file(name, limits)
        _decode(name, limits, walk)
        kind, reason = _judge(name, walk, min_frames)
    except VideoError as error:
        kind, reason = _kind(name, error), error.reason
    return _verdict(name, walk, kind, reason)


def examine_many(
    paths: Iterable[Path], *, limits: Limits = LIMITS, workers: int = 2, min_frames: int = 1
) -> Iterator[Verdict]:
    """A verdict on each file, in order, each decoded in a process that may hang or crash.

    Raises ConfigError for less than one worker, OSError where no process can be started.
    """
    names, items = tee(paths)
    found = each(partial(examine, limits=limits, min_frames=min_frames), items, workers=workers, limits=limits)
    for name, verdict in zip(names, found, strict=True):
        yield of_failure(os.fsdecode(name), verdict) if isinstance(verdict, Failure) else verdict


def _picture(path: str, limits: Limits, min_frames: int) -> Verdict:
    try:
        admit_file(path, limits)
        height, width, _ = read_picture(path).shape
        admit_picture(path, width, height, limits)
    except VideoError as error:
        kind = error.kind if isinstance(error, Rejected) else "unreadable"
        return Verdict(path, "missing" if kind == "missing" else "bad", error.reason, kind)
    if min_frames > 1:
        return Verdict(path, "bad", f"has 1 frame; at least {min_frames} are needed", "too_short", 1)
    return Verdict(path, "ok", frames=1, width=width, height=height)


def admit_file(path: str, limits: Limits) -> None:
    """Raises Rejected where the file is missing, lies in a locked folder or has too many bytes."""
    try:
        size = os.stat(path).st_size
    except PermissionError as error:
        raise Rejected(path, "unreadable", f"cannot be opened ({error.strerror})") from error
    except (OSError, ValueError) as error:
        raise Rejected(path, "missing", "no such file") from error
    if size > limits.bytes:
        raise Rejected(path, "too_big", f"has {size} bytes; at most {limits.bytes} are allowed")


def admit_picture(path: str, width: int, height: int, limits: Limits) -> None:
    """Raises Rejected where a frame has too many pixels."""
    if width * height > limits.pixels:
        raise Rejected(path, "too_big", f"has frames of {width}x{height}; at most {limits.pixels} pixels are allowed")


def _decode(path: str, limits: Limits, walk: _Walk) -> None:
    end = time.monotonic() + limits.seconds
    with _pyav.open_stream(path) as (container, stream):
        walk.header = header = header_of(container, stream)
        admit_picture(path, header.width, header.height, limits)
        walk.seconds = float(stream.time_base or 0)
        for frame in _pyav.decode(container, stream, walk.counters):
            admit_picture(path, frame.width, frame.height, limits)
            if walk.counters.frames > limits.frames:
                raise Rejected(path, "too_big", f"has more than {limits.frames} frames")
            if time.monotonic() > end:
                raise Rejected(path, "time_out", f"takes longer than {limits.seconds:g} s")
            if header.timed and frame.pts is not None:
                walk.times.append(frame.pts)
            walk.damaged += frame.is_corrupt
            walk.rotation = walk.rotation or _pyav.rotation(frame)
            walk.mirrored = walk.mirrored or _pyav.mirrored(frame)
        walk.counted = max(0, int(stream.frames) - walk.counters.hidden)


def _judge(path: str, walk: _Walk, min_frames: int) -> tuple[str, str]:
    """Kind and reason of what makes a file that opens bad."""
    frames, lacking, broken = walk.counters.frames, missing_bytes(path), walk.counters.broken
    claimed = walk.counted or _claimed(walk)
    if lacking and frames < (claimed or frames + 1):
        return "truncated", f"ends {lacking} bytes before its header says; {frames} of {claimed or '?'} frames decode"
    if not frames:
        return "zero_frames", "no frame can be decoded"
    if broken:
        return "truncated", f"reading stops after {frames} frames ({broken})"
    if frames < walk.counted - 1:
        return "count_mismatch", f"the header counts {walk.counted} frames, {frames} decode"
    if walk.counters.failed > 1:
        return "count_mismatch", f"{walk.counters.failed} of {walk.counters.packets} packets do not decode"
    if frames < min_frames:
        return "too_short", f"has {frames} frames; at least {min_frames} are needed"
    return "", ""


def _claimed(walk: _Walk) -> int:
    return (walk.header.frames if walk.header else None) or 0


def _kind(path: str, error: VideoError) -> str:
    if isinstance(error, Rejected):
        return error.kind
    if os.path.isfile(path) and missing_bytes(path):
        return "truncated"
    return "no_stream" if isinstance(error, _pyav.NoStream) else "unreadable"


def _verdict(path: str, walk: _Walk, kind: str, reason: str) -> Verdict:
    status = "ok" if not kind else "missing" if kind == "missing" else "bad"
    header, frames = walk.header, walk.counters.frames
    if header is None:
        return Verdict(path, status, reason, kind)
    gaps = sorted(b - a for a, b in pairwise(walk.times))
    middle = median(gaps) if gaps else 0
    if middle > 0:
        duration = (walk.times[-1] - walk.times[0] + middle) * walk.seconds
        fps = frames / duration
    else:
        fps = header.fps or 0.0
        duration = frames / fps if fps else header.duration or 0.0
    notes = _notes(walk) if kind else (*_notes(walk), *_oddities(path, walk, gaps, duration))
    size = (header.width, header.height)
    return Verdict(path, status, reason, kind, frames, round(fps, 4), round(duration, 4), *size, notes)


def _notes(walk: _Walk) -> tuple[str, ...]:
    """What is said of bad files too."""
    damaged = f"damaged: {walk.damaged} of {walk.counters.frames} frames, says the decoder" if walk.damaged else ""
    return tuple(filter(None, (_turned(walk), damaged)))


def _turned(walk: _Walk) -> str:
    """How its frames are to be shown, where that is not as they are stored."""
    if not walk.mirrored:
        return f"rotated: by {walk.rotation} degrees" if walk.rotation else ""
    if walk.rotation % 360 == 180:
        return "mirrored: left to right"
    return "mirrored: top to bottom" + (f", then rotated by {walk.rotation} degrees" if walk.rotation else "")


def _oddities(path: str, walk: _Walk, gaps: list[int], duration: float) -> Iterator[str]:
    """What is odd of a file that is not bad; of a bad one it would only repeat why."""
    frames, claimed = walk.counters.frames, walk.counted or _claimed(walk)
    if gaps and gaps[-1] - gaps[0] > median(gaps) / 4 + 1:  # a tick of rounding is no change of pace
        yield f"variable_rate: {gaps[0] * walk.seconds:.3f} to {gaps[-1] * walk.seconds:.3f} s between frames"
    if claimed not in (0, frames):
        yield f"count_mismatch: the header {'counts' if walk.counted else 'lasts'} {claimed} frames, {frames} decode"
    if lacking := missing_bytes(path):
        yield f"truncated: ends {lacking} bytes before its header says, but no frame lacks"
    said = (walk.header.duration if walk.header else None) or duration
    if abs(said - duration) > max(1.0, duration / 10):
        yield f"duration: the header claims {said:.1f} s, the frames last {duration:.1f} s"


def of_failure(path: str, failure: Failure) -> Verdict:
    """The verdict on a file whose process gave none."""
    kind = "unreadable" if failure.kind == "raised" else failure.kind
    return Verdict(path, "bad", failure.reason, kind)
