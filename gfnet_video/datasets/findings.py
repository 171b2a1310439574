"""What each clip on disk is worth: every video decoded to its end, every folder of frames counted and tried."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from PIL import Image

from gfnet_video.datasets.download import frame_names
from gfnet_video.datasets.journal import Journal, stamp_of
from gfnet_video.errors import VideoError
from gfnet_video.video.probe import Verdict, examine_many
from gfnet_video.video.sandbox import LIMITS, Failure, Limits, each

VERSION = 1  # raise it when the same file is judged otherwise: what older journals hold is then looked at anew
PASSING = ("time_out", "crashed", "too_big")  # what another machine or other limits may judge otherwise


@dataclass(frozen=True)
class Finding:
    """Of one clip: status (ok, bad, missing) and its reason, frames that decode, frames a second, seconds."""

    status: str
    reason: str = ""
    frames: int = 0
    fps: float = 0.0
    duration: float = 0.0


MISSING = Finding("missing", "no such file")


def examine_clips(
    root: Path,
    paths: Sequence[str],
    *,
    template: str,
    fps: float,
    journal: Journal,
    limits: Limits,
    workers: int,
    progress: Callable[[int, int], None],
) -> dict[str, Finding]:
    """A finding for each of `paths` (below `root`), which exist; what the journal knows of unchanged ones is kept.

    template, fps: for folders of frames; empty for videos. progress: called with (clips done, clips in all).
    """
    stamps = {path: f"{VERSION}:{stamp_of(root / path)}" for path in paths}
    found = {path: known for path in paths if (known := _known(journal, path, stamps[path])) is not None}
    todo = [path for path in paths if path not in found]
    progress(len(found), len(paths))
    places = [root / path for path in todo]
    verdicts = verdicts_on(places, template=template, fps=fps, limits=limits, workers=workers)
    for path, verdict in zip(todo, verdicts, strict=True):
        found[path] = Finding(verdict.status, verdict.reason, verdict.frames, verdict.fps, verdict.duration)
        if verdict.kind not in PASSING:
            journal.add(path, {"stamp": stamps[path], **asdict(found[path])})
        progress(len(found), len(paths))
    return found


def _known(journal: Journal, path: str, stamp: str) -> Finding | None:
    held = journal.get(path)
    if not isinstance(held, dict) or held.get("stamp") != stamp:
        return None
    return Finding(**{key: value for key, value in held.items() if key != "stamp"})


def verdicts_on(
    places: Sequence[Path],
    *,
    template: str,
    fps: float = 0.0,
    limits: Limits = LIMITS,
    workers: int = 2,
    min_frames: int = 1,
) -> Iterator[Verdict]:
    """A verdict on each video, or on each folder of frames where `template` names them, in order."""
    if not template:
        yield from examine_many(places, limits=limits, workers=workers, min_frames=min_frames)
        return
    look = partial(examine_frames, template=template, fps=fps)
    for place, verdict in zip(places, each(look, places, limits=limits, workers=workers), strict=True):
        if isinstance(verdict, Failure):
            verdict = Verdict(os.fsdecode(place), "bad", verdict.reason, "crashed")
        yield verdict


def examine_frames(folder: Path, *, template: str, fps: float) -> Verdict:
    """Count the frames of a folder, which must be numbered from 1 without a gap, and decode the first and the last."""
    path = os.fsdecode(folder)
    names = frame_names(folder, template)
    if not names:
        return Verdict(path, "bad", f"holds no frame named like {template}", "zero_frames")
    expected = [template % number for number in range(1, len(names) + 1)]
    if names != expected:
        lacking = next(e for e in expected if e not in names)
        return Verdict(path, "bad", f"lacks {lacking} though it holds {names[-1]}", "count_mismatch", len(names))
    try:
        width, height = decode_picture(folder / names[0])
        decode_picture(folder / names[-1])
    except VideoError as error:
        return Verdict(path, "bad", f"{Path(error.path).name} {error.reason}", "unreadable", len(names))
    seconds = len(names) / fps if fps else 0.0
    return Verdict(path, "ok", frames=len(names), fps=fps, duration=round(seconds, 4), width=width, height=height)


def decode_picture(file: Path) -> tuple[int, int]:
    """Decode a picture wholly; its width and height. Raises VideoError."""
    try:
        with Image.open(file, formats=["JPEG"]) as picture:
            picture.load()
            return picture.width, picture.height
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        # Pillow puts the name of the file into some messages: it stands before the reason already.
        raise VideoError(file, f"cannot be decoded as JPEG ({str(error).partition(': ')[0]})") from error
