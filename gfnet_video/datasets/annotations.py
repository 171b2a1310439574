"""Official annotation files, read as they are published or refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gfnet_video.datasets.catalog import Dataset, require
from gfnet_video.datasets.manifest import Manifest
from gfnet_video.errors import ConfigError, DataError, unknown

SUFFIXES = (".webm", ".mp4")


def read_manifest(row: Dataset, root: Path, split: str, expected: tuple[str, ...] | None = None) -> Manifest:
    """Read one split in Something-Something V2's format (labels/*.json beside a folder of ID.webm or ID.mp4).

    expected: the class names a model knows, which the data's must equal. Raises DataError where files are absent or
    broken, naming the file, and where classes differ; ConfigError for a split the set has not.
    """
    require(row, root)
    if split not in row.splits:
        raise ConfigError(unknown(f"split of {row.name}", split, row.splits))
    classes = _classes(root / "labels" / "labels.json")
    if expected is not None and classes != expected:
        raise DataError(f"{root}/labels/labels.json: its {len(classes)} classes are not the model's {len(expected)}")
    file = root / "labels" / row.splits[split]
    items = _items(file)
    if not items:
        raise DataError(f"{file}: holds no clip")
    ids_of = {name: index for index, name in enumerate(classes)}
    labels = [_label(item, ids_of, file) for item in items]
    present = {p.stem: p.name for p in (root / row.folder).iterdir() if p.suffix in SUFFIXES}
    ids = [str(item["id"]) for item in items]
    files = [f"{row.folder}/{present.get(i, f'{i}.webm')}" for i in ids]
    return Manifest.of(split, classes, root, ids, files, labels)


def _classes(file: Path) -> tuple[str, ...]:
    """Class names in the order of their ids, which the official file writes as text."""
    held = _json(file)
    if not isinstance(held, dict):
        raise DataError(f"{file}: expected a mapping of class names to ids, found a {type(held).__name__}")
    try:
        ids_of = {str(name): int(index) for name, index in held.items()}
    except (TypeError, ValueError) as error:
        raise DataError(f"{file}: a class id is not a whole number: {error}") from error
    if sorted(ids_of.values()) != list(range(len(ids_of))):
        raise DataError(f"{file}: class ids are not 0 to {len(ids_of) - 1}")
    return tuple(sorted(ids_of, key=ids_of.__getitem__))


def _items(file: Path) -> list[dict[str, Any]]:
    """The clips of an annotation file, each a mapping with an id."""
    held = _json(file)
    if not isinstance(held, list):
        raise DataError(f"{file}: expected a list of clips, found a {type(held).__name__}")
    for i, item in enumerate(held):
        if not isinstance(item, dict) or "id" not in item:
            raise DataError(f"{file}: item {i} has no id")
    return held


def _label(item: dict[str, Any], ids_of: dict[str, int], file: Path) -> int:
    """The class of an item: its template without brackets. Only the brackets go; their words stay."""
    template = item.get("template")
    if not isinstance(template, str):
        raise DataError(f"{file}: clip {item['id']} has no template: this split is without labels")
    name = template.replace("[", "").replace("]", "")
    if name not in ids_of:
        raise DataError(f"{file}: clip {item['id']}: " + unknown("class", name, ids_of))
    return ids_of[name]


def _json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{file}: cannot be read as JSON: {error}") from error
