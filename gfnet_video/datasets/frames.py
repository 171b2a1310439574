"""Folders of frames for the entries of a manifest, or for every video of a folder."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from gfnet_video.datasets.extract import Job, Style, extract_many, is_done, remove
from gfnet_video.datasets.findings import examine_clips
from gfnet_video.datasets.journal import Journal, locked
from gfnet_video.datasets.manifest_file import Entry
from gfnet_video.errors import ConfigError, DataError
from gfnet_video.files import write_text
from gfnet_video.video.sandbox import Limits
from gfnet_video.video.suffixes import SUFFIXES

FOLDER, STAMP = "frames", "style.json"


def extract_entries(
    entries: Sequence[Entry],
    style: Style,
    root: Path,
    work: Path,
    *,
    workers: int,
    limits: Limits,
    progress: Callable[[str, int, int], None],
) -> list[Entry]:
    """Extract every good clip to root/frames/ID; the entries then name these folders.

    A clip that is a segment becomes a folder of that segment alone. Folders that are complete are kept. A clip whose
    extraction fails becomes bad. Raises ConfigError where root/frames was written in another style.
    """
    _check_style(root / FOLDER / STAMP, style)
    jobs = {entry.id: _job(entry, style, root, work) for entry in entries if entry.status == "ok"}
    todo = [job for job in jobs.values() if not is_done(job)]
    done = len(jobs) - len(todo)
    progress("frames", done, len(jobs))
    failed = {}
    for number, (job, reason) in enumerate(extract_many(todo, limits=limits, workers=workers), done + 1):
        if reason:
            failed[job.target.name] = reason
        progress("frames", number, len(jobs))
    return [_extracted(entry, jobs.get(entry.id), failed.get(entry.id, "")) for entry in entries]


def _check_style(stamp: Path, style: Style) -> None:
    wanted = json.dumps(asdict(style))
    if not stamp.exists():
        write_text(stamp, wanted)
    elif stamp.read_text(encoding="utf-8") != wanted:
        raise ConfigError(
            f"{stamp.parent} was written as {stamp.read_text(encoding='utf-8')}; this asks for {wanted}: "
            "remove that folder, or prepare into another root"
        )


def _job(entry: Entry, style: Style, root: Path, work: Path) -> Job:
    start, stop = 0, entry.frames
    if entry.span is not None:
        rate = entry.frames / entry.duration if entry.duration else entry.fps
        start = min(max(0, math.floor(entry.span[0] * rate)), entry.frames - 1)
        stop = max(start + 1, min(entry.frames, math.ceil(entry.span[1] * rate)))
    target, temporary = root / FOLDER / entry.id, work / FOLDER / entry.id
    return Job(root / entry.path, target, temporary, style, entry.frames, start, stop)


def _extracted(entry: Entry, job: Job | None, reason: str) -> Entry:
    path = f"{FOLDER}/{entry.id}"
    if job is None:
        return replace(entry, path=path, span=None)
    if reason:
        return replace(entry, path=path, span=None, status="bad", reason=f"its frames were not extracted: {reason}")
    rate = entry.fps or (entry.frames / entry.duration if entry.duration else 0.0)
    seconds = entry.duration if entry.span is None else round(job.count / rate, 4) if rate else 0.0
    return replace(entry, path=path, span=None, frames=job.count, duration=seconds)


def extract_folder(
    source: Path,
    target: Path,
    style: Style,
    *,
    workers: int = 2,
    limits: Limits | None = None,
    progress: Callable[[str, int, int], None] = lambda stage, done, total: None,
) -> dict[str, tuple[int, str]]:
    """Extract every video below `source` to target/NAME/: frames of each and why it failed, by name.

    A video is named by its path below `source` without suffix. Every video is first decoded to its end, so that the
    number of frames is known; an interrupted call carries on. Raises DataError for two videos of one name or none at
    all, ConfigError where `target` was written in another style.
    """
    limits = limits or Limits()
    videos = _videos_below(source)
    work = target / ".prepare"
    with locked(work / "lock"):
        remove(work / "work")
        _check_style(work / STAMP, style)
        journal = Journal(work / "examined.jsonl")
        findings = examine_clips(
            source, list(videos.values()), template="", fps=0.0, journal=journal, limits=limits, workers=workers,
            progress=lambda done, total: progress("examine", done, total),
        )  # fmt: skip
        journal.close()
        found = {name: (findings[path].frames, findings[path].reason) for name, path in videos.items()}
        jobs = {
            name: Job(source / videos[name], target / name, work / "work" / name, style, frames)
            for name, (frames, reason) in found.items()
            if not reason
        }
        names = [name for name, job in jobs.items() if not is_done(job)]
        results = extract_many([jobs[name] for name in names], limits=limits, workers=workers)
        for number, (name, (job, reason)) in enumerate(zip(names, results, strict=True), 1):
            found[name] = (0 if reason else job.count, reason)
            progress("frames", number, len(names))
        return found


def _videos_below(folder: Path) -> dict[str, str]:
    """Path below `folder`, without its suffix -> path, sorted."""
    found: dict[str, str] = {}
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file()):
        below = path.relative_to(folder)
        if (name := str(below.with_suffix(""))) in found:
            raise DataError(f"{folder}: {found[name]} and {below} would both become the folder {name}")
        found[name] = str(below)
    if not found:
        raise DataError(f"{folder}: holds no video ({', '.join(sorted(SUFFIXES))})")
    return found
