"""Clips or pictures of one's own, wherever they lie: a folder of classes, one of splits, or a list."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from gfnet_video.datasets.frame_folders import FRAME, template_in
from gfnet_video.datasets.groups import Found
from gfnet_video.datasets.lists import Row, name_labels, read_rows
from gfnet_video.errors import DataError, printable, unknown
from gfnet_video.video.suffixes import PICTURES, SUFFIXES

SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("dev", "val", "valid", "validation"), "dev"),
    "calibration": "calibration",
    **dict.fromkeys(("test", "testing"), "test"),
}


@dataclass(frozen=True)
class Pile:
    """What was found: clips in the order of their paths or of the list, and `classes` in label order.

    template names frame files where clips are folders of frames, as `%05d.jpg`; `layout` says in words what was read.
    """

    root: Path
    classes: tuple[str, ...]
    clips: tuple[Found, ...]
    layout: str
    template: str = ""


def find_clips(
    source: Path,
    *,
    root: Path | None = None,
    names: tuple[str, ...] | None = None,
    val: Path | None = None,
    pictures: bool = False,
) -> Pile:
    """The clips of a folder or a list. root: where a list's paths start, default its own folder.

    names: the class file's, for lists; val: a second list, whose clips are measured on and never trained on.
    A folder: its sub-folders are classes, or train/, val/ and test/, each with sub-folders that are classes.
    pictures: of a folder, each picture is a clip of one frame, and no video is looked for.
    Raises DataError where there are no clips, where they are not in sub-folders, and as `read_rows` and `name_labels`.
    """
    if source.is_dir():
        if val is not None or names is not None:
            raise DataError(f"{printable(source)}: is a folder; --val and --classes belong to a list of clips")
        return _of_folder(source, PICTURES if pictures else SUFFIXES)
    start = root or source.parent
    clips = _of_list(source, start, names)
    if val is not None:
        clips = [replace(clip, split=clip.split or "train") for clip in clips]
        clips += [replace(clip, split="dev") for clip in _of_list(val, start, names)]
    used = {label for clip in clips for label in clip.labels}
    return Pile(start, names or tuple(sorted(used)), tuple(clips), "a list of clips", _template(start, clips))


def _of_list(file: Path, root: Path, names: tuple[str, ...] | None) -> list[Found]:
    rows = read_rows(file, root)
    labels = name_labels(rows, names, file)
    return [
        Found(row.path, named, os.path.dirname(row.path), row.group, _split(row, file), row.frames)
        for row, named in zip(rows, labels, strict=True)
    ]


def _split(row: Row, file: Path) -> str:
    if row.split and row.split.lower() not in SPLITS:
        raise DataError(f"{printable(file)}:{row.line}: " + unknown("split", row.split, SPLITS))
    return SPLITS[row.split.lower()] if row.split else ""


def _of_folder(root: Path, known: frozenset[str]) -> Pile:
    inside = _sub_folders(root)
    what, many, one = ("pictures", "pictures", "picture.jpg") if known is PICTURES else ("videos", "clips", "clip.mp4")
    if any(_is_clip(p, known) for p in root.iterdir()):
        raise DataError(f"{printable(root)}: {what} lie directly in it; expected a sub-folder of {many} for each class")
    if any(_is_split(p, known) for p in inside if SPLITS.get(p.name.lower()) == "train"):
        layout = "splits, and classes below them"
        clips = [clip for folder in inside for clip in _of_split(folder, known)]
    else:
        layout = "sub-folders are classes"
        clips = [clip for folder in inside for clip in _of_class(folder, root, known)]
    if not clips:
        raise DataError(
            f"{printable(root)}: no {many[:-1]} below its {len(inside)} sub-folders; expected CLASS/{one} "
            f"or train/CLASS/{one}; known suffixes: {', '.join(sorted(known))}"
            + ("" if known is PICTURES else "; of pictures: train --dataset imagefolder --data FOLDER")
        )
    classes = tuple(sorted({clip.labels[0] for clip in clips}))
    return Pile(root, classes, tuple(clips), layout, _template(root, clips))


def _is_split(folder: Path, known: frozenset[str]) -> bool:
    """Whether classes lie below, not clips: `train` may be a class, of vehicles."""
    if any(_is_clip(p, known) for p in folder.iterdir()):
        return False
    frames = known is not PICTURES  # then numbered pictures in a folder are one clip
    inside = (p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    return any(not (frames and template_in(p)) for p in inside)


def _of_split(folder: Path, known: frozenset[str]) -> Iterator[Found]:
    if folder.name.lower() not in SPLITS:
        raise DataError(f"{printable(folder)}: lies beside train/; " + unknown("split", folder.name, SPLITS))
    for inner in _sub_folders(folder):
        for clip in _of_class(inner, folder.parent, known):
            yield replace(clip, split=SPLITS[folder.name.lower()])


def _of_class(folder: Path, root: Path, known: frozenset[str]) -> Iterator[Found]:
    """All clips below a class's folder; hidden folders and those behind links within it are not walked."""
    for at, names, files in os.walk(folder):
        here = Path(at)
        names[:] = sorted(n for n in names if not n.startswith("."))
        session = os.path.relpath(here, folder)
        for name in sorted(files):
            if _is_clip(here / name, known):
                yield Found(_below(here / name, root), (folder.name,), "" if session == "." else session)
        if known is PICTURES or here == folder:
            continue
        if template_in(here) and not any(_is_clip(here / n, known) for n in files):
            parent = os.path.dirname(session)
            yield Found(_below(here, root), (folder.name,), parent, frames=count_frames(here))


def _sub_folders(root: Path) -> list[Path]:
    try:
        return sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    except OSError as error:
        raise DataError(f"{printable(root)}: this folder cannot be read: {error.strerror}") from error


def _is_clip(path: Path, known: frozenset[str]) -> bool:
    return path.suffix.lower() in known and not path.name.startswith(".") and not path.is_dir()


def _below(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def count_frames(folder: Path) -> int:
    """How many numbered pictures lie in a folder; 0 where there is none."""
    return sum(FRAME.fullmatch(p.name) is not None for p in folder.iterdir()) if folder.is_dir() else 0


def _template(root: Path, clips: list[Found]) -> str:
    """How frames are named, from the first clip; empty for videos. Raises DataError where both are there."""
    folders = [(root / clip.path).is_dir() for clip in clips]
    if not any(folders):
        return ""
    if not all(folders):
        one, other = clips[folders.index(True)], clips[folders.index(False)]
        raise DataError(
            f"{printable(root)}: {printable(one.path)} is a folder of frames and {printable(other.path)} a video; "
            "expected one kind for all clips"
        )
    found = template_in(root / clips[0].path)
    if not found:
        raise DataError(f"{printable(root / clips[0].path)}: holds no numbered frames, as 00001.jpg or img_00001.jpg")
    return found
