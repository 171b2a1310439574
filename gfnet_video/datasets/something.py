"""The annotation files of Something-Something V1 and V2 and of Jester, in their old and their new names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gfnet_video.datasets.official import Listed, Official, check_once, checked_id, ids_by_name, read_json, read_text
from gfnet_video.errors import DataError, unknown

LISTS = ("train", "validation")


def read_json_lists(files: dict[str, Path], lists: tuple[str, ...] = LISTS) -> Official:
    """Something-Something V2: labels.json maps names to ids, each list's items carry a template.

    files: of `labels` and of each list. The class order is that of the ids, whatever the file's. Raises DataError
    naming the file and the item.
    """
    classes = json_classes(files["labels"])
    ids_of = {name: index for index, name in enumerate(classes)}
    clips = [clip for name in lists for clip in _json_clips(name, files[name], ids_of)]
    check_once(clips, files)
    return Official(classes, tuple(clips))


def read_csv_lists(files: dict[str, Path], lists: tuple[str, ...] = LISTS) -> Official:
    """Something-Something V1 and Jester: labels.csv holds one class a line, lists hold `id;label`.

    The class order is that of labels.csv. Raises DataError naming the file and the line.
    """
    ids_of = ids_by_name(_lines(files["labels"]).values(), files["labels"])
    clips = [clip for name in lists for clip in _csv_clips(name, files[name], ids_of)]
    check_once(clips, files)
    return Official(tuple(ids_of), tuple(clips))


def json_classes(file: Path) -> tuple[str, ...]:
    """Class names in the order of their ids, which the official file writes as text."""
    held = read_json(file)
    if not isinstance(held, dict):
        raise DataError(f"{file}: expected a mapping of class names to ids, found a {type(held).__name__}")
    try:
        ids_of = {str(name): int(index) for name, index in held.items()}
    except (TypeError, ValueError) as error:
        raise DataError(f"{file}: a class id is not a whole number: {error}") from error
    if sorted(ids_of.values()) != list(range(len(ids_of))):
        raise DataError(f"{file}: class ids are not 0 to {len(ids_of) - 1}")
    return tuple(sorted(ids_of, key=ids_of.__getitem__))


def _json_clips(name: str, file: Path, ids_of: dict[str, int]) -> list[Listed]:
    held = read_json(file)
    if not isinstance(held, list):
        raise DataError(f"{file}: expected a list of clips, found a {type(held).__name__}")
    for i, item in enumerate(held):
        if not isinstance(item, dict) or "id" not in item:
            raise DataError(f"{file}: item {i} has no id")
    if not held:
        raise DataError(f"{file}: holds no clip")
    return [_clip(name, checked_id(item["id"], file), _template(item, file), ids_of, file) for item in held]


def _template(item: dict[str, Any], file: Path) -> str:
    """The class of an item: its template without brackets. Only the brackets go; their words stay."""
    template = item.get("template")
    if not isinstance(template, str):
        raise DataError(f"{file}: clip {item['id']} has no template: this split is without labels")
    return template.replace("[", "").replace("]", "")


def _csv_clips(name: str, file: Path, ids_of: dict[str, int]) -> list[Listed]:
    clips = []
    for number, line in _lines(file).items():
        # Nothing is quoted, and labels hold commas and apostrophes: only the first semicolon separates.
        clip, semicolon, label = line.partition(";")
        if not semicolon:
            raise DataError(f"{file}: line {number} is {line!r}; expected id;label (a list without labels?)")
        clips.append(_clip(name, checked_id(clip, file), label, ids_of, file))
    if not clips:
        raise DataError(f"{file}: holds no clip")
    return clips


def _clip(name: str, clip: str, label: str, ids_of: dict[str, int], file: Path) -> Listed:
    if label not in ids_of:
        raise DataError(f"{file}: clip {clip}: " + unknown("class", label, ids_of))
    return Listed(clip, ids_of[label], name, clip, clip)


def _lines(file: Path) -> dict[int, str]:
    """Lines by number from 1, without the empty ones. Only line feeds separate: a label may hold anything else."""
    lines = (line.removesuffix("\r") for line in read_text(file).split("\n"))
    return {number: line for number, line in enumerate(lines, 1) if line.strip()}
