"""From what the user named to video files: files as they are, folders walked, globs expanded."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from pathlib import Path

from gfnet_video.errors import DataError, printable

SUFFIXES = frozenset({".mp4", ".webm", ".avi", ".mkv", ".mov", ".m4v", ".mpg", ".mpeg", ".gif", ".wmv", ".flv", ".ts"})


def find_videos(inputs: Iterable[str]) -> list[Path]:
    """Files in the order given; a folder's videos (by suffix, recursive) and a glob's matches in sorted order.

    A name that exists is taken as it is, whatever characters it holds; one that does not is kept, to be reported in its
    place. Raises DataError for a folder without videos and for a glob that matches nothing.
    """
    found: list[Path] = []
    for name in inputs:
        if os.path.isdir(name):
            found += _inside(Path(name))
        elif not os.path.lexists(name) and glob.has_magic(name):
            found += _matches(name)
        else:
            found.append(Path(name))
    return found


def _inside(folder: Path) -> list[Path]:
    videos = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if not videos:
        raise DataError(f"{printable(folder)}: no videos in this folder; known suffixes: {', '.join(sorted(SUFFIXES))}")
    return videos


def _matches(pattern: str) -> list[Path]:
    paths = [Path(p) for p in sorted(glob.glob(pattern, recursive=True))]
    if not paths:
        raise DataError(f"{printable(pattern)}: no such file, and as a glob it matches nothing")
    return [v for p in paths for v in (_inside(p) if p.is_dir() else [p])]
