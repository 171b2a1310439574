"""`quarantine.jsonl`: files of a data set that were found bad, which training leaves out and names.

One line a file: its path below the data's root, the kind of trouble and the reason, as `gfnet-video check` saw them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from gfnet_video.datasets.manifest import Manifest
from gfnet_video.errors import ConfigError, DataError, printable
from gfnet_video.files import whole
from gfnet_video.strict import from_dict
from gfnet_video.video.probe import Verdict

NAME = "quarantine.jsonl"


@dataclass(frozen=True)
class _Row:
    path: str
    kind: str
    reason: str


def write_quarantine(root: Path, verdicts: Iterable[Verdict]) -> Path:
    """Write the list of `root` whole, in the place of an older one: the verdicts that are not ok, in their order.

    A verdict's path is as it was opened: from the working folder, or absolute. Returns the list's path. Raises
    DataError for a file outside of `root`.
    """
    file = root / NAME
    with whole(file) as temporary, temporary.open("w", encoding="utf-8", errors="surrogateescape") as out:
        for v in verdicts:
            if v.status != "ok":
                row = _Row(_below(root, v.path), v.kind, v.reason)
                out.write(json.dumps(asdict(row), ensure_ascii=False) + "\n")
    return file


def read_quarantine(root: Path) -> dict[str, str]:
    """Path below `root` -> reason; empty where there is no list. Raises DataError naming the file and the line."""
    file, held = root / NAME, dict[str, str]()
    try:
        with file.open(encoding="utf-8", errors="surrogateescape") as lines:
            for number, line in enumerate(lines, 1):
                row = _row(line, number, file)
                held[os.path.normpath(row.path)] = row.reason
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise DataError(f"{printable(file)}: cannot be read: {error.strerror}") from error
    return held


def without_quarantined(manifest: Manifest, root: Path) -> tuple[Manifest, list[str]]:
    """The clips whose files are not on the list of `root`, and a line `path: reason` for each that is left out.

    The manifest itself where none is. Raises DataError where nothing is left, or the list is broken.
    """
    held = read_quarantine(root)
    if not held:
        return manifest, []
    names = [_below(root, manifest.path(i)) for i in range(len(manifest))]
    kept = np.array([name not in held for name in names], bool)
    if kept.all():
        return manifest, []
    if not kept.any():
        raise DataError(
            f"{printable(root / NAME)}: names all {len(names)} clips of split {manifest.split!r}; "
            "if they are good by now, write it anew with gfnet-video check --quarantine"
        )
    lost = dict.fromkeys(name for name, keep in zip(names, kept, strict=True) if not keep)
    return manifest.select(kept.nonzero()[0]), [f"{printable(name)}: {held[name]}" for name in lost]


def _below(root: Path, path: str | Path) -> str:
    name = os.path.relpath(path, root)
    if name.split(os.sep)[0] == os.pardir:
        raise DataError(f"{printable(path)}: does not lie below {printable(root)}; expected a file of the data set")
    return name


def _row(line: str, number: int, file: Path) -> _Row:
    try:
        return from_dict(_Row, json.loads(line), f"line {number}")
    except (ValueError, ConfigError) as error:
        hint = "write it anew with gfnet-video check --quarantine"
        raise DataError(f"{printable(file)}: line {number} is no row of a quarantine list: {error}; {hint}") from error
