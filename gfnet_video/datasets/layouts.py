"""How each publisher lays out a download: names of annotation files, and who reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from gfnet_video.datasets.activitynet import read_database
from gfnet_video.datasets.catalog import Dataset
from gfnet_video.datasets.official import Official
from gfnet_video.datasets.something import read_csv_lists, read_json_lists
from gfnet_video.errors import DataError

VIDEO_SUFFIXES = (".webm", ".mp4", ".mkv")


@dataclass(frozen=True)
class Layout:
    """files: by role (`labels`, `train`, `validation`), the names that a file has had over the years, newest first.

    read: from the file of each role to the lists.
    """

    files: dict[str, tuple[str, ...]]
    read: Callable[[dict[str, Path]], Official]

    @property
    def names(self) -> set[str]:
        """Every name that an annotation file may have."""
        return {name for names in self.files.values() for name in names}


def _lists(old: str, suffix: str) -> dict[str, tuple[str, ...]]:
    return {role: (f"{role}.{suffix}", f"{old}-{role}.{suffix}") for role in ("labels", "train", "validation")}


LAYOUTS = {
    "sthv2": Layout(_lists("something-something-v2", "json"), read_json_lists),
    "sthv1": Layout(_lists("something-something-v1", "csv"), read_csv_lists),
    "jester": Layout(_lists("jester-v1", "csv"), read_csv_lists),
    "activitynet": Layout({"labels": ("activity_net.v1-3.min.json", "activity_net.v1-3.json")}, read_database),
    "activitynet12": Layout({"labels": ("activity_net.v1-2.min.json", "activity_net.v1-2.json")}, read_database),
}


def find_lists(row: Dataset, folders: Iterable[Path]) -> dict[str, Path]:
    """The annotation file of each role, from the first folder that holds it under any of its names.

    Raises DataError naming what is absent.
    """
    folders, layout = list(folders), LAYOUTS[row.layout]
    found = {}
    for role, names in layout.files.items():
        at = next((f / name for f in folders for name in names if (f / name).is_file()), None)
        if at is None:
            where = ", ".join(str(f) for f in folders)
            raise DataError(
                f"{row.title}: found no {' or '.join(names)} in {where}, nor in an archive there; "
                f"it is part of the download from {row.page}"
            )
        found[role] = at
    return found


def read_lists(row: Dataset, files: dict[str, Path]) -> Official:
    """The official lists of a data set. Raises DataError naming file and item."""
    return LAYOUTS[row.layout].read(files)
