"""Lists of clips as people have them: TSM's and mmaction's text files, and csv.

An id in a list means nothing without the class file it was numbered by: published lists of one data set number the
same classes differently. So every label becomes a class name first, and names alone decide.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gfnet_video.errors import DataError, printable, unknown

PATH, LABEL, GROUP = ("path", "file", "filename", "video", "clip"), ("label", "class"), ("group", "session")
FRAMES, SPLIT = ("frames", "num_frames", "total_frames"), ("split", "subset")
NUMBERS = re.compile(r"((?:\s+\d+)+)\s*$")


@dataclass(frozen=True)
class Row:
    """One clip of a list, on line `line`: `path` is a file or a folder of frames below the list's root.

    labels: the class and further right ones, as ids or names as written. frames, group, split: empty where not told.
    """

    line: int
    path: str
    labels: tuple[str, ...]
    frames: int = 0
    group: str = ""
    split: str = ""


def read_rows(file: Path, root: Path) -> list[Row]:
    """The clips of a list whose paths start at `root`.

    csv: `path,label` or `path,frames,label`, with or without a header that may also name a group and a split (divided
    by commas, semicolons or tabs). Text: `file label...` for videos, `folder frames label...` for folders of frames,
    read from the right, for a path may hold spaces. Raises DataError naming the list and the line for what is neither,
    and for a path that does not exist.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig", errors="surrogateescape").split("\n")
    except OSError as error:
        raise DataError(f"{printable(file)}: cannot be read: {error.strerror}") from error
    rows = list(_csv_rows(lines, file) if _is_csv(lines, file) else _text_rows(lines, file, root))
    if not rows:
        raise DataError(f"{printable(file)}: holds no clip")
    absent = [row for row in rows if not (root / row.path).exists()]
    if absent:
        where = f"{printable(file)}:{absent[0].line}: {printable(absent[0].path)}"
        raise DataError(
            f"{where} does not exist below {printable(root)}, nor do {len(absent) - 1} more of {len(rows)} paths; "
            "name the folder that the paths start from with --data FOLDER"
        )
    return rows


def _is_csv(lines: Sequence[str], file: Path) -> bool:
    first = next((line for line in lines if line.strip()), "")
    return file.suffix.lower() in (".csv", ".tsv") or ("," in first and not NUMBERS.search(first))


def _text_rows(lines: Sequence[str], file: Path, root: Path) -> Iterator[Row]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield replace(parse_line(line, root, f"{printable(file)}:{number}"), line=number)


def parse_line(line: str, root: Path, where: str = "the list") -> Row:
    """One line of a text list: the longest beginning that exists below `root` is the path, what follows are numbers.

    Where none exists, the path is what stands before the last two numbers, or before all after the name of a video.

    >>> parse_line("my clip 3 12 5", Path("nowhere"))
    Row(line=0, path='my clip 3', labels=('5',), frames=12, group='', split='')
    >>> parse_line("my clip 3.mp4 5", Path("nowhere")).labels
    ('5',)
    """
    found = NUMBERS.search(line)
    if not found or not line[: found.start()].strip():
        raise DataError(
            f"{where}: {printable(line.strip())!r} is neither `file label` nor `folder frames label` (labels are ids "
            "there); class names go into a csv of `path,label`"
        )
    ends = [found.start(), *(found.start(1) + m.end() for m in re.finditer(r"\s+\d+", found[1]))]
    readings = [(line[:end].strip(), line[end:].split()) for end in reversed(ends[:-1])]
    for path, numbers in readings:
        if (root / path).is_file():
            return Row(0, path, tuple(numbers))
        if (root / path).is_dir() and len(numbers) > 1:
            return Row(0, path, tuple(numbers[1:]), int(numbers[0]))
    shortest, all_numbers = readings[-1]
    if Path(shortest).suffix or len(all_numbers) == 1:
        return Row(0, shortest, tuple(all_numbers))
    path, numbers = readings[1]
    return Row(0, path, tuple(numbers[1:]), int(numbers[0]))


def _csv_rows(lines: Sequence[str], file: Path) -> Iterator[Row]:
    first = next((line for line in lines if line.strip()), "")
    divider = next((d for d in (",", ";", "\t") if d in first), ",")
    table = csv.reader(lines, delimiter=divider)
    columns: dict[str, int] | None = None
    for cells in table:
        cells = [cell.strip() for cell in cells]
        if not any(cells):
            continue
        if columns is None:
            columns = _header(cells)
            if columns is not None:
                continue
            columns = {"path": 0, "label": len(cells) - 1} | ({"frames": 1} if len(cells) == 3 else {})
        yield _csv_row(cells, columns, f"{printable(file)}:{table.line_num}", table.line_num)


def _header(cells: list[str]) -> dict[str, int] | None:
    """Which column is which; None where the first line is a clip already."""
    lower = [cell.lower() for cell in cells]
    kinds = {"path": PATH, "label": LABEL, "frames": FRAMES, "group": GROUP, "split": SPLIT}
    found = {kind: lower.index(name) for kind, names in kinds.items() for name in names[::-1] if name in lower}
    return found if {"path", "label"} <= found.keys() else None


def _csv_row(cells: list[str], columns: dict[str, int], where: str, line: int) -> Row:
    held = {kind: cells[at] if at < len(cells) else "" for kind, at in columns.items()}
    if not held["path"] or not held["label"] or len(cells) < 2:
        raise DataError(f"{where}: {printable(cells)} lacks a path or a label; expected `path,label`")
    frames = held.get("frames") or "0"
    if not frames.isdecimal():
        raise DataError(f"{where}: {frames!r} is no number of frames; expected `path,label` or `path,frames,label`")
    return Row(line, held["path"], (held["label"],), int(frames), held.get("group", ""), held.get("split", ""))


def name_labels(rows: Sequence[Row], names: tuple[str, ...] | None, file: Path) -> list[tuple[str, ...]]:
    """The class names of each row. names: those of the class file, in the order of the ids; None where there is none.

    Raises DataError, naming the list and the line, for ids without a class file, an id that the class file has not,
    names that it has not, and a list that mixes ids and names.
    """
    ids = [all(label.isdecimal() for label in row.labels) for row in rows]
    if all(ids):
        return [tuple(_named(label, names, row, file) for label in row.labels) for row in rows]
    for row in rows:
        for label in row.labels:
            if names is not None and label not in names:
                raise DataError(f"{printable(file)}:{row.line}: " + unknown("class", label, names))
    if names is None and any(ids):
        row = rows[ids.index(True)]
        raise DataError(f"{printable(file)}:{row.line}: has the id {row.labels[0]} where other lines have class names")
    return [row.labels for row in rows]


def _named(label: str, names: tuple[str, ...] | None, row: Row, file: Path) -> str:
    if names is None:
        raise DataError(
            f"{printable(file)}:{row.line}: its label {label} is an id without a name; give the class file that "
            "numbers it with --classes FILE: one name a line, the first is 0, or a JSON of name to id"
        )
    if int(label) >= len(names):
        raise DataError(
            f"{printable(file)}:{row.line}: its label is {label}; the class file names {len(names)} classes, "
            f"0 to {len(names) - 1}: it is not this list's, or the list counts from 1"
        )
    return names[int(label)]
