"""Clips of one's own as a source: who is trained on, who is measured on, and nobody twice."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gfnet_video.datasets.class_file import read_class_file
from gfnet_video.datasets.folder import Pile, find_clips
from gfnet_video.datasets.groups import Found, group_clips
from gfnet_video.datasets.manifest import Manifest
from gfnet_video.datasets.manifest_file import NAME
from gfnet_video.datasets.quarantine import read_quarantine
from gfnet_video.datasets.source import IMAGE_CONFIG, ORDER, OWN_CONFIG, TO_CALIBRATE, WHOLE, OwnSource, open_prepared
from gfnet_video.datasets.splits import split_groups
from gfnet_video.errors import DataError, printable


def open_own(
    path: Path,
    *,
    root: Path | None = None,
    class_file: Path | None = None,
    val: Path | None = None,
    seed: int = 0,
    pictures: bool = False,
) -> OwnSource:
    """The source at `path`: a folder with a manifest, of classes or of splits, or a list; see `find_clips`.

    pictures: a folder's pictures are the clips, of one frame each. What is not parted yet is carved by groups. Raises
    DataError for what cannot be trained on, with what is needed.
    """
    if not path.exists():
        raise DataError(f"{printable(path)}: no such folder or list; a data set is named by --dataset")
    if (path / NAME).is_file():
        return open_prepared(path)
    pile = find_clips(
        path, root=root, names=read_class_file(class_file) if class_file else None, val=val, pictures=pictures
    )
    pile, left_out = leave_out_quarantined(pile)
    if len(pile.classes) < 2:
        raise DataError(f"{printable(path)}: holds {len(pile.classes)} class; expected two or more, to tell them apart")
    given = {clip.split for clip in pile.clips}
    clips, rule = carve(pile.clips, path, seed)
    _check_classes(clips, pile.classes, path)
    notes = [f"{len(clips)} clips in {len(pile.classes)} classes ({pile.layout})", *left_out, *rule]
    manifests = {s: _manifest(pile, clips, s) for s in ORDER if any(c.split == s for c in clips)}
    if "calibration" not in manifests:
        notes.append("too few clips to set some apart for calibration: the model's exits will not be calibrated")
    config = IMAGE_CONFIG if pictures else OWN_CONFIG
    return OwnSource(name_of(path), manifests, config, tuple(notes), carved=given != {c.split for c in clips})


def open_whole(
    path: Path, *, root: Path | None = None, class_file: Path | None = None, pictures: bool = False
) -> OwnSource:
    """All clips of a folder or a list as the one split `all`, quarantined ones too: to measure on. Raises DataError."""
    if not path.exists():
        raise DataError(f"{printable(path)}: no such folder or list; a data set is named by --dataset")
    pile = find_clips(path, root=root, names=read_class_file(class_file) if class_file else None, pictures=pictures)
    clips = [replace(clip, split=WHOLE) for clip in pile.clips]
    return OwnSource(name_of(path), {WHOLE: _manifest(pile, clips, WHOLE)})


def name_of(path: Path) -> str:
    """What a source of one's own is called: its folder, or its list without the suffix."""
    full = path.absolute()
    return full.name if full.is_dir() else full.stem


def shares_of(clips: int, given: Sequence[str]) -> dict[str, float]:
    """What part of `clips` each split takes that is not given; calibration only where it gets enough to be of use.

    >>> shares_of(20, [])
    {'train': 0.7, 'dev': 0.15, 'test': 0.15}
    >>> shares_of(2000, ["train", "dev"])
    {'train': 0.9, 'calibration': 0.1}
    """
    part = 0.15 if clips < 1000 else 0.1
    shares = {} if "dev" in given else {"dev": part}
    if "calibration" not in given and part * clips >= TO_CALIBRATE:
        shares["calibration"] = part
    if not given:
        shares["test"] = part
    return {"train": round(1 - part * len(shares), 6)} | shares


def carve(clips: Sequence[Found], path: Path, seed: int) -> tuple[list[Found], list[str]]:
    """Every clip with its split, and in words how it came to it. Splits that are told stay.

    Raises DataError where some clips have a split and others none, or where there are too few groups.
    """
    given = {clip.split for clip in clips}
    if given != {""} and "" in given:
        raise DataError(f"{printable(path)}: some clips are told a split and others are not; expected all or none")
    if given != {""} and "train" not in given:
        raise DataError(f"{printable(path)}: no clip is for training; found splits {sorted(given)}")
    free = [clip for clip in clips if clip.split in ("", "train")]
    shares = shares_of(len(free), sorted(given - {""}))
    if len(shares) == 1:
        return list(clips), ["every split as it was found"]
    groups, rule = group_clips(free)
    _check_groups(free, groups, len(shares), path)
    found = split_groups([clip.labels[0] for clip in free], groups, shares, seed)
    taken = iter(found)
    parted = [replace(c, split=next(taken)) if c.split in ("", "train") else c for c in clips]
    return parted, [f"carved by seed {seed} in {len(set(groups))} groups: {rule}"]


def _check_groups(clips: Sequence[Found], groups: Sequence[str], splits: int, path: Path) -> None:
    """Each class needs one group to learn from and another to be measured on."""
    of_class: dict[str, set[str]] = defaultdict(set)
    for clip, group in zip(clips, groups, strict=True):
        of_class[clip.labels[0]].add(group)
    poor = sorted(label for label, held in of_class.items() if len(held) < 2)
    if poor:
        raise DataError(
            f"{printable(path)}: class {poor[0]!r} has one group of clips that belong together, as have "
            f"{len(poor) - 1} more classes; expected two at least, to learn from one and measure on another"
        )
    if len(set(groups)) < splits:
        raise DataError(f"{printable(path)}: {len(set(groups))} groups of clips; expected {splits} at least")


def _check_classes(clips: Sequence[Found], classes: tuple[str, ...], path: Path) -> None:
    """Every class must be learned from something."""
    learned = {label for clip in clips if clip.split == "train" for label in clip.labels}
    absent = [name for name in classes if name not in learned]
    if absent:
        shown = ", ".join(map(repr, absent[:5]))
        raise DataError(
            f"{printable(path)}: {len(absent)} of {len(classes)} classes have no training clip: {shown}; add clips, or "
            "take the classes out (of the folders, or of the class file)"
        )


def _manifest(pile: Pile, clips: Sequence[Found], split: str) -> Manifest:
    mine = [clip for clip in clips if clip.split == split]
    place = {name: i for i, name in enumerate(pile.classes)}
    return Manifest.of(
        split,
        pile.classes,
        pile.root,
        [clip.path for clip in mine],
        [clip.path for clip in mine],
        [place[clip.labels[0]] for clip in mine],
        frames=[clip.frames for clip in mine],
        template=pile.template,
        further=[(i, place[name]) for i, clip in enumerate(mine) for name in clip.labels[1:]],
    )


def leave_out_quarantined(pile: Pile) -> tuple[Pile, list[str]]:
    """The pile without the clips that `check` has listed as bad, before it is parted, and a line that names them."""
    marked = read_quarantine(pile.root)
    bad = [clip.path for clip in pile.clips if os.path.normpath(clip.path) in marked]
    if not bad:
        return pile, []
    kept = tuple(clip for clip in pile.clips if os.path.normpath(clip.path) not in marked)
    shown = "; ".join(f"{printable(path)}: {marked[os.path.normpath(path)]}" for path in bad[:20])
    return replace(pile, clips=kept), [f"{len(bad)} clips are in quarantine and left out: {shown}"]
