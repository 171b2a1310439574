"""A split of a data set in memory: from what `prepare` wrote, or read directly from official files."""

from __future__ import annotations

from pathlib import Path

from gfnet_video.datasets.catalog import SPLITS, Dataset, require
from gfnet_video.datasets.manifest import Manifest
from gfnet_video.datasets.manifest_file import NAME, read_entries, split_of
from gfnet_video.datasets.something import read_json_lists
from gfnet_video.errors import ConfigError, DataError, unknown

SUFFIXES = (".webm", ".mp4", ".jpg")  # pictures are those of mini-image


def read_manifest(row: Dataset, root: Path, split: str, expected: tuple[str, ...] | None = None) -> Manifest:
    """One split: of `root`/manifest.jsonl where it is there, else of Something-Something V2's official files.

    Clips known to be bad are left out of train and kept elsewhere, where they count as failed. expected: the class
    names a model knows, which the data's must equal. Raises DataError where files are absent or broken, naming the
    file, and where classes differ; ConfigError for a split the set has not.
    """
    require(row, root)
    if (root / NAME).is_file():
        return _prepared(row, root, split, expected)
    if split not in row.splits:
        raise ConfigError(unknown(f"split of {row.name}", split, row.splits))
    name = row.splits[split]
    files = {role: root / "labels" / f"{role}.json" for role in ("labels", name)}
    official = read_json_lists(files, (name,))
    _check_classes(official.classes, expected, files["labels"])
    present = {p.stem: p.name for p in (root / row.folder).iterdir() if p.suffix in SUFFIXES}
    ids = [clip.id for clip in official.clips]
    paths = [f"{row.folder}/{present.get(i, f'{i}.webm')}" for i in ids]
    return Manifest.of(split, official.classes, root, ids, paths, [clip.label for clip in official.clips])


def splits_of(row: Dataset, root: Path) -> tuple[str, ...]:
    """The splits that `read_manifest` knows at `root`: all of ours where it was prepared, else those of the lists."""
    return SPLITS if (root / NAME).is_file() else tuple(row.splits)


def _prepared(row: Dataset, root: Path, split: str, expected: tuple[str, ...] | None) -> Manifest:
    if split not in SPLITS:
        raise ConfigError(unknown(f"split of {row.name}", split, SPLITS))
    head, entries = read_entries(root)
    if head.dataset != row.name:
        raise DataError(f"{root / NAME}: holds {head.dataset}; expected {row.name}: give --data another folder")
    _check_classes(head.classes, expected, root / NAME)
    return split_of(root, head, entries, split, keep_bad=split != "train")


def _check_classes(found: tuple[str, ...], expected: tuple[str, ...] | None, file: Path) -> None:
    if expected is not None and found != expected:
        raise DataError(f"{file}: its {len(found)} classes are not the model's {len(expected)}")
