"""The file that says which name an id stands for."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from gfnet_video.errors import DataError, printable


def read_class_file(file: Path) -> tuple[str, ...]:
    """Class names in the order of their ids, from text (one name a line, the first is 0) or JSON (name to id).

    Raises DataError naming the file where it cannot be read, where a name is empty or stands twice, and where ids are
    not 0 to K - 1.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{printable(file)}: the class file cannot be read: {error}") from error
    names = _from_json(text, file) if file.suffix.lower() == ".json" else _from_lines(text, file)
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"{printable(file)}: the class {twice[0]!r} stands there twice")
    if not names:
        raise DataError(f"{printable(file)}: names no class; expected one name a line, or a JSON of name to id")
    return names


def _from_lines(text: str, file: Path) -> tuple[str, ...]:
    lines = [line.strip() for line in text.rstrip().splitlines()]
    if "" in lines:
        raise DataError(f"{printable(file)}:{lines.index('') + 1}: is empty; each line numbers a class")
    return tuple(lines)


def _from_json(text: str, file: Path) -> tuple[str, ...]:
    try:
        held = json.loads(text)
        ids = {str(name): int(number) for name, number in held.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{printable(file)}: expected a JSON of class name to id: {error}") from error
    if sorted(ids.values()) != list(range(len(ids))):
        raise DataError(f"{printable(file)}: its ids are not 0 to {len(ids) - 1}, each once")
    return tuple(sorted(ids, key=ids.__getitem__))
