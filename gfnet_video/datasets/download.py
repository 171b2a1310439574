"""What lies in the folder that a user downloaded to, and how an already unpacked clip gets into the data set's root."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gfnet_video.datasets.archives import SUFFIXES, is_part
from gfnet_video.datasets.catalog import Dataset
from gfnet_video.datasets.layouts import LAYOUTS, VIDEO_SUFFIXES
from gfnet_video.errors import DataError


@dataclass
class Download:
    """archives: files that are or may be parts of archives; lists: folders with annotation files; clips: unpacked
    videos or folders of frames, by stem or name."""

    archives: list[Path] = field(default_factory=list)
    lists: list[Path] = field(default_factory=list)
    clips: dict[str, Path] = field(default_factory=dict)


def survey(row: Dataset, folder: Path, leave: Path) -> Download:
    """Look through `folder` and all below it, but not `leave`, hidden folders and links to folders.

    Raises DataError where there is no such folder.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; expected what was downloaded from {row.page}")
    found, names = Download(), LAYOUTS[row.layout].names
    for place, folders, files in os.walk(folder):
        here = Path(place)
        folders[:] = sorted(f for f in folders if not f.startswith(".") and here / f != leave)
        if row.template and here.name == row.folder:
            for name in folders:
                found.clips.setdefault(name, here / name)
            folders.clear()
        for name in sorted(files):
            _sort_in(found, row, here / name)
        if names.intersection(files):
            found.lists.append(here)
    return found


def _sort_in(found: Download, row: Dataset, path: Path) -> None:
    if is_part(path.name, row.prefix) or path.name.lower().endswith(SUFFIXES):
        found.archives.append(path)
    elif not row.template and path.suffix in VIDEO_SUFFIXES:
        found.clips.setdefault(path.stem, path)


def present(row: Dataset, root: Path) -> dict[str, str]:
    """The clips that lie in the root already: name in the lists -> path below the root.

    Of two videos of one name the first by suffix counts, whatever the order of the disk.
    """
    with contextlib.suppress(FileNotFoundError), os.scandir(root / row.folder) as entries:
        if row.template:
            return {e.name: f"{row.folder}/{e.name}" for e in entries if e.is_dir() and not e.name.startswith(".")}
        videos = sorted((e.name for e in entries if e.name.endswith(VIDEO_SUFFIXES)), reverse=True)
        return {Path(name).stem: f"{row.folder}/{name}" for name in videos}
    return {}


def frame_names(folder: Path, template: str) -> list[str]:
    """The files of a folder that are named like frames, sorted."""
    before, _, after = re.escape(template).partition("%0")
    digits, _, rest = after.partition("d")
    pattern = re.compile(f"{before}[0-9]{{{digits}}}{rest}")
    return sorted(name for name in os.listdir(folder) if pattern.fullmatch(name))


def bring(clip: Path, target: Path, work: Path) -> None:
    """Put a video or a folder of frames at `target`, whole or not at all: as hard links, or copied from another disk.

    work: a folder on the disk of `target` for what is unfinished.
    """
    work.mkdir(parents=True, exist_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = work / "clip"
    _clear(temporary)
    if clip.is_dir():
        temporary.mkdir()
        for file in _files(clip):
            _link(file, temporary / file.name)
    else:
        _link(clip, temporary)
    os.replace(temporary, target)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith("."))


def _link(file: Path, target: Path) -> None:
    try:
        os.link(file.resolve(), target)
    except OSError:  # another disk, or one without hard links
        shutil.copyfile(file, target)


def _clear(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
