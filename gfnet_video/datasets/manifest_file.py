"""`manifest.jsonl`: what `prepare` found, one line a clip, and from there a split in memory.

The first line describes the whole (class names inside), each further one a clip. Rows are in the order of the official
lists and hold nothing of the machine or the moment, so that the same data gives the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gfnet_video.datasets.manifest import Manifest
from gfnet_video.errors import ConfigError, DataError, unknown
from gfnet_video.files import whole
from gfnet_video.strict import from_dict

NAME = "manifest.jsonl"
FORMAT = 1
STATUSES = ("ok", "bad", "missing")


@dataclass(frozen=True)
class Head:
    """The data set's name, its classes in label order, and how frame files are named where clips are folders."""

    dataset: str
    classes: tuple[str, ...]
    template: str = ""
    format: int = FORMAT


@dataclass(frozen=True)
class Entry:
    """One clip. path is relative to the manifest's folder; label is a place in the classes.

    frames, fps and duration (seconds) are what was found, 0 where nothing was; `reason` says why status is not ok.
    span: seconds from and to, where the clip is a part of its video; further: classes that are right for it too.
    """

    id: str
    path: str
    label: int
    split: str
    frames: int = 0
    fps: float = 0.0
    duration: float = 0.0
    status: str = "ok"
    reason: str = ""
    span: tuple[float, float] | None = None
    further: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise ConfigError(unknown("status", self.status, STATUSES))


def write_entries(root: Path, head: Head, entries: Iterable[Entry]) -> Path:
    """Write the manifest of `root` whole; returns its path."""
    file = root / NAME
    with whole(file) as temporary, temporary.open("w", encoding="utf-8", errors="surrogateescape") as out:
        records: tuple[Head | Entry, ...] = (head, *entries)
        for record in records:
            out.write(json.dumps(asdict(record), ensure_ascii=False) + "\n")
    return file


def read_entries(root: Path) -> tuple[Head, list[Entry]]:
    """The manifest of `root`. Raises DataError naming the file and the line."""
    file = root / NAME
    try:
        with file.open(encoding="utf-8", errors="surrogateescape") as lines:
            records = [_record(line, number, file) for number, line in enumerate(lines, 1)]
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error}") from error
    if not records:
        raise DataError(f"{file}: is empty; make it anew with gfnet-video prepare")
    head = _checked(Head, records[0], file, 1)
    if head.format != FORMAT:
        raise DataError(f"{file}: has format {head.format}; expected {FORMAT}: make it anew with gfnet-video prepare")
    return head, [_checked(Entry, record, file, number) for number, record in enumerate(records[1:], 2)]


def split_of(root: Path, head: Head, entries: Iterable[Entry], split: str, *, keep_bad: bool) -> Manifest:
    """One split in memory. keep_bad: clips that are not ok stay, to be counted as failed; else they are left out.

    Raises DataError where nothing is left of the split.
    """
    mine = [e for e in entries if e.split == split and (keep_bad or e.status == "ok")]
    if not mine:
        raise DataError(f"{root / NAME}: holds no clip of split {split!r} that can be used")
    return Manifest.of(
        split,
        head.classes,
        root,
        [e.id for e in mine],
        [e.path for e in mine],
        [e.label for e in mine],
        frames=[e.frames for e in mine],
        spans=[e.span or (float("nan"), float("nan")) for e in mine],
        template=head.template,
        further=[(i, k) for i, e in enumerate(mine) for k in e.further],
    )


def _record(line: str, number: int, file: Path) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise DataError(f"{file}: line {number} cannot be read as JSON: {error}") from error


def _checked(kind: type[Any], record: Any, file: Path, number: int) -> Any:
    try:
        return from_dict(kind, record, f"line {number}")
    except ConfigError as error:
        raise DataError(f"{file}: {error}") from error
