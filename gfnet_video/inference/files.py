"""From what the user named to videos and pictures: files as they are, folders walked, globs expanded."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from gfnet_video.datasets.frame_folders import template_in
from gfnet_video.errors import DataError, printable
from gfnet_video.video.suffixes import PICTURES, SUFFIXES

Say = Callable[[str], None]


def silent(words: str) -> None:
    """Says nothing."""


def find_videos(inputs: Iterable[str], say: Say = silent) -> list[Path]:
    """Files in the order given; a folder's videos (by suffix, recursive) and a glob's matches in sorted order.

    Of a folder without videos the pictures are taken, each by itself; where they are numbered from 0 or 1 the folder is
    itself a video. A name that exists is taken as it is, whatever characters it holds; one that does not is kept, to be
    reported in its place. say: is told of each folder how many pictures are passed over, for they lie beside videos.
    Raises DataError for a folder without either, unless a glob matched it, or that cannot be read, and for a glob that
    matches nothing.
    """
    found: list[Path] = []
    for name in inputs:
        if os.path.isdir(name):
            found += _inside(Path(name), say)
        elif not os.path.lexists(name) and glob.has_magic(name):
            found += _matches(name)
        else:
            found.append(Path(name))
    return found


def _inside(folder: Path, say: Say) -> list[Path]:
    """All by suffix, links that lead nowhere among them; folders behind links are not walked."""
    if videos := _walked(folder, say):
        return videos
    known = ", ".join(sorted(SUFFIXES | PICTURES))
    raise DataError(f"{printable(folder)}: no videos or pictures in this folder; known suffixes: {known}")


def _walked(folder: Path, say: Say = silent) -> list[Path]:
    videos: list[Path] = []
    for at, _, names in os.walk(folder, onerror=_unreadable):
        here = _named(at, names, SUFFIXES)
        if here and (beside := len(_named(at, names, PICTURES))):
            say(f"{printable(at)}: pictures passed over, for videos lie beside them: {beside}; name them to take them")
        videos += here or _pictured(at, names)
    return sorted(videos)


def _named(at: str, names: list[str], suffixes: frozenset[str]) -> list[Path]:
    return [Path(at, name) for name in names if Path(name).suffix.lower() in suffixes]


def _pictured(at: str, names: list[str]) -> list[Path]:
    """A folder whose pictures are the frames of one video, or its pictures."""
    template = template_in(Path(at))
    if template and any(template % first in names for first in (0, 1)):
        return [Path(at)]
    return _named(at, names, PICTURES)


def _unreadable(error: OSError) -> None:
    raise DataError(f"{printable(error.filename)}: this folder cannot be read ({error.strerror})") from error


def _matches(pattern: str) -> list[Path]:
    """Each file once, though the folder that holds it is matched too; a folder with nothing in it is passed over."""
    paths = [Path(p) for p in sorted(glob.glob(pattern, recursive=True))]
    if not paths:
        raise DataError(f"{printable(pattern)}: no such file, and as a glob it matches nothing")
    found = dict.fromkeys(v for p in paths for v in (_walked(p) if os.path.isdir(p) else [p]))
    if not found:
        raise DataError(f"{printable(pattern)}: this glob matches only folders without videos or pictures")
    return [v for v in found if v.parent not in found]  # not the frames of a folder that is itself a video
