"""Which clips come from one recording: they must not lie on two sides of a split."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePath

# `v_Surfing_g03_c02` is clip 2 of group 3 in UCF101; `talk-part2`, `talk_seg_12`.
PART = re.compile(r"(.*[^_\-. ])[_\-. ]+(?:part|pt|segment|seg|chunk|scene|c)[_\-. ]?\d+", re.IGNORECASE)
COUNTER = re.compile(r"(.*[^\d_\-. (])[_\-. (]*\d+\)?")


@dataclass(frozen=True)
class Found:
    """One clip of somebody's own: `path` below the root, class names, and what is told of where it belongs.

    session: the folder between the class and the clip; group: of a csv's column; split: ours, empty where not told.
    """

    path: str
    labels: tuple[str, ...]
    session: str = ""
    group: str = ""
    split: str = ""
    frames: int = 0


def without_part(stem: str) -> str:
    """A file's name without the number of its part.

    >>> [without_part(s) for s in ("v01_g03_c02", "talk-part2", "name_0001")]
    ['v01_g03', 'talk', 'name_0001']
    """
    found = PART.fullmatch(stem)
    return found[1] if found else stem


def without_number(stem: str) -> str:
    """A file's name without the number of its part, or else without the number at its end.

    >>> [without_number(s) for s in ("v01_g03_c02", "name_0001", "anna (3)", "0001")]
    ['v01_g03', 'name', 'anna', '0001']
    """
    found = PART.fullmatch(stem) or COUNTER.fullmatch(stem)
    return found[1] if found else stem


def _session(clip: Found) -> str:
    return clip.session or f"{clip.path} alone"


RULES: tuple[tuple[str, Callable[[Found], str]], ...] = (
    ("clips in one folder below their class are one group", _session),
    (
        "clips whose names differ only in a number at the end are one group",
        lambda c: without_number(PurePath(c.path).stem),
    ),
    (
        "clips whose names differ only in the number of a part are one group",
        lambda c: without_part(PurePath(c.path).stem),
    ),
)
ALONE = "every clip is a group of its own: no folder or name tells which belong together (a csv's column `group` would)"


def group_clips(clips: Sequence[Found]) -> tuple[list[str], str]:
    """A group for each clip, and the rule that was used, in words.

    A `group` column decides where there is one. Else the first rule that keeps clips of a class together and leaves
    every class at least two groups: where all names of a class differ in a number only, the number just counts. What
    shares a name or a folder is one group in whichever classes it is, for one person may show them all.
    """
    if any(clip.group for clip in clips):
        return [clip.group or f"{clip.path} alone" for clip in clips], "as the list's column of groups says"
    for words, key in RULES:
        keys = [key(clip) for clip in clips]
        in_class = {(clip.labels[0], k) for clip, k in zip(clips, keys, strict=True)}
        if len(in_class) < len(keys) and min(Counter(label for label, _ in in_class).values()) > 1:
            return keys, words
    return [clip.path for clip in clips], ALONE
