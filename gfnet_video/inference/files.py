"""From what the user named to video files: files as they are, folders walked, globs expanded."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from pathlib import Path

from gfnet_video.errors import DataError, printable
from gfnet_video.video.suffixes import SUFFIXES


def find_videos(inputs: Iterable[str]) -> list[Path]:
    """Files in the order given; a folder's videos (by suffix, recursive) and a glob's matches in sorted order.

    A name that exists is taken as it is, whatever characters it holds; one that does not is kept, to be reported in its
    place. Raises DataError for a folder without
    videos or that cannot be read, and for a glob that matches nothing.
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
    """All by suffix, links that lead nowhere among them; folders behind links are not walked."""
    names = (Path(at, name) for at, _, files in os.walk(folder, onerror=_unreadable) for name in files)
    videos = sorted(p for p in names if p.suffix.lower() in SUFFIXES)
    if not videos:
        raise DataError(f"{printable(folder)}: no videos in this folder; known suffixes: {', '.join(sorted(SUFFIXES))}")
    return videos


def _unreadable(error: OSError) -> None:
    raise DataError(f"{printable(error.filename)}: this folder cannot be read ({error.strerror})") from error


def _matches(pattern: str) -> list[Path]:
    paths = [Path(p) for p in sorted(glob.glob(pattern, recursive=True))]
    if not paths:
        raise DataError(f"{printable(pattern)}: no such file, and as a glob it matches nothing")
    return [v for p in paths for v in (_inside(p) if p.is_dir() else [p])]
