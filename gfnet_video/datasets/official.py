"""What the official lists of a data set say: its classes, and which clip of which list has which label.

Lists that a publisher leaves without labels (the official test) are not read: our `test` is the official validation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gfnet_video.errors import DataError, printable

_SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}|-[A-Za-z0-9_-]{10}")  # YouTube's ids may begin with a dash


@dataclass(frozen=True)
class Listed:
    """One clip of an official list. file: the stem of its video, or the name of its folder of frames.

    label is a place in the classes; span (seconds) is the part of the video that is the clip, None for the whole;
    further: other classes that are right for it; group: what must not be torn apart between splits.
    """

    id: str
    label: int
    list: str
    file: str
    group: str
    span: tuple[float, float] | None = None
    further: tuple[int, ...] = ()


@dataclass(frozen=True)
class Official:
    """Classes in label order, and clips in the order of the lists, train before validation."""

    classes: tuple[str, ...]
    clips: tuple[Listed, ...]


def ids_by_name(classes: Iterable[str], file: Path) -> dict[str, int]:
    """The place of each class name. Raises DataError naming a class that stands there twice."""
    ids_of: dict[str, int] = {}
    for name in classes:
        if name in ids_of:
            raise DataError(f"{file}: class {name!r} stands there twice")
        ids_of[name] = len(ids_of)
    if not ids_of:
        raise DataError(f"{file}: holds no class")
    return ids_of


def checked_id(value: object, file: Path) -> str:
    """An id as text: it becomes a file name, so that anything but letters, figures, - and _ is a DataError."""
    text = str(value)
    if not _SAFE.fullmatch(text):
        raise DataError(f"{file}: clip id '{printable(text)}' is not of letters, figures, '-' and '_' alone")
    return text


def check_once(clips: Iterable[Listed], files: dict[str, Path]) -> None:
    """Raise DataError where a clip id stands twice, in one list or in two. files: the file of each list."""
    lists: dict[str, str] = {}
    for clip in clips:
        if clip.id in lists:
            also = files[lists[clip.id]].name
            raise DataError(f"{files[clip.list]}: clip {clip.id} stands there and already in {also}")
        lists[clip.id] = clip.list


def read_text(file: Path) -> str:
    """The text of an annotation file. Raises DataError."""
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        raise DataError(f"{file}: cannot be read as UTF-8 text: {error}") from error


def read_json(file: Path) -> Any:
    """The content of a JSON file. Raises DataError."""
    try:
        return json.loads(read_text(file))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file}: cannot be read as JSON: {error}") from error
