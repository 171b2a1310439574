"""What each clip on disk is worth: every video decoded to its end, every folder of frames counted and tried."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from gfnet_video.datasets.frame_folders import FolderReader, template_in
from gfnet_video.datasets.journal import Journal, stamp_of
from gfnet_video.errors import VideoError
from gfnet_video.video.probe import Verdict, examine, of_failure
from gfnet_video.video.sandbox import LIMITS, Failure, Limits, each

VERSION = 2  # raise it when the same file is judged otherwise: what older journals hold is then looked at anew
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
    """A verdict on each video or folder of frames, in order.

    template: how the frames of all are named; empty for videos, among which a folder's own frames say how.
    """
    look = partial(examine_clip, template=template, fps=fps, limits=limits, min_frames=min_frames)
    for place, verdict in zip(places, each(look, places, limits=limits, workers=workers), strict=True):
        yield of_failure(os.fsdecode(place), verdict) if isinstance(verdict, Failure) else verdict


def examine_clip(place: Path, *, template: str, fps: float, limits: Limits, min_frames: int) -> Verdict:
    """`examine_frames` of a folder of frames, `examine` of anything else."""
    if not template and os.path.isdir(place):
        template = template_in(place)
    if template:
        return examine_frames(place, template=template, fps=fps, min_frames=min_frames)
    return examine(place, limits, min_frames=min_frames)


def examine_frames(folder: Path, *, template: str, fps: float, min_frames: int = 1) -> Verdict:
    """Count the frames of a folder, numbered from 0 or 1 without a gap, and decode the first and the last."""
    path = os.fsdecode(folder)
    if not os.path.lexists(path):
        return Verdict(path, "missing", "no such folder of frames", "missing")
    try:
        frames = FolderReader(path, template)
        found = len(frames.numbers)
    except VideoError as error:
        return Verdict(path, "bad", error.reason, "unreadable")
    if lacking := _lacking(frames, min_frames):
        kind, reason = lacking
        return Verdict(path, "bad", reason, kind, found)
    try:
        first, _ = frames.read([0, found - 1])
    except VideoError as error:
        return Verdict(path, "bad", f"{Path(error.path).name} {error.reason}", "unreadable", found)
    height, width, _ = first.shape
    seconds = found / fps if fps else 0.0
    return Verdict(path, "ok", frames=found, fps=fps, duration=round(seconds, 4), width=width, height=height)


def _lacking(frames: FolderReader, min_frames: int) -> tuple[str, str] | None:
    """Kind and reason where there are not all frames, or too few."""
    numbers, template = frames.numbers, frames.template
    if not numbers:
        return "zero_frames", f"holds no frame named like {template}"
    expected = range(min(1, numbers[0]), len(numbers) + 1)
    gap = next((e for e, number in zip(expected, numbers, strict=False) if e != number), None)
    if gap is not None:
        return "count_mismatch", f"lacks {template % gap} though it holds {template % numbers[-1]}"
    if len(numbers) < min_frames:
        return "too_short", f"has {len(numbers)} frames; at least {min_frames} are needed"
    return None
