"""The class names of a data set of the catalog, in its own order of numbers."""

from __future__ import annotations

from pathlib import Path

from gfnet_video.datasets.catalog import Dataset, require
from gfnet_video.datasets.layouts import LAYOUTS
from gfnet_video.datasets.manifest_file import NAME, read_entries
from gfnet_video.datasets.something import read_csv_lists, read_json_lists
from gfnet_video.errors import DataError

READERS = {"sthv2": read_json_lists, "sthv1": read_csv_lists, "jester": read_csv_lists}  # whose labels are a file


def class_names(row: Dataset, root: Path) -> tuple[str, ...]:
    """From `root`/manifest.jsonl, else from the publisher's file of labels below it; a list of clips is not needed.

    Raises DataError, saying what to do, where neither is there.
    """
    if (root / NAME).is_file():
        return read_entries(root)[0].classes
    if row.layout in READERS:
        names = LAYOUTS[row.layout].files["labels"]
        for file in (folder / name for folder in (root / "labels", root) for name in names):
            if file.is_file():
                return READERS[row.layout]({"labels": file}, ()).classes
    require(row, root)
    raise DataError(f"{root}: its class names are read from {NAME}, which is not there; run gfnet-video prepare")
