"""A file of rows, one line of JSON an input: a run over very many that was killed goes on where it was."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np

from gfnet_video.engines.engine import Engine
from gfnet_video.engines.opening import noise_of
from gfnet_video.errors import ConfigError, DataError, printable
from gfnet_video.files import write_text
from gfnet_video.inference.report import Outcome, encodable, json_line
from gfnet_video.inference.runner import Options, rule_of

T = TypeVar("T")
HOW = ".how"  # beside the rows: under what they were made
APART = 0.02  # of the largest logit: what engines and machines may differ by


class RowFile:
    """Rows that are added as they come; `failed` says of each input that has one whether it could not be read."""

    def __init__(self, file: BinaryIO, failed: dict[str, bool]) -> None:
        self.file, self.failed = file, failed

    def lacks(self, path: Path) -> bool:
        return encodable(os.fsdecode(path)) not in self.failed

    def add(self, outcome: Outcome) -> None:
        line = json_line(outcome)
        self.file.write(line.encode() + b"\n")
        self.file.flush()
        row = json.loads(line)
        self.failed[row["path"]] = "error" in row


@contextmanager
def open_rows(path: Path, how: dict[str, Any]) -> Iterator[RowFile]:
    """The file at `path`, made where there is none; a last line that a kill cut short is taken off.

    how: under what the rows are made (`how_of`), kept beside them as PATH.how. Raises ConfigError where they were made
    under something else, or while another run adds to them; DataError for a file that holds something else.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        with suppress(OSError):  # a network's disk may know no locks
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                words = "another run is adding rows to it; give each run a file of its own, and a --part of the inputs"
                raise ConfigError(f"{printable(path)}: {words}") from error
        file.seek(0)
        failed, whole = _read(path, file)
        _check(path, how, begun=bool(failed))
        file.truncate(whole)
        yield RowFile(file, failed)


def _read(path: Path, file: BinaryIO) -> tuple[dict[str, bool], int]:
    """What has failed of the inputs that have a row, and how many bytes the whole lines have."""
    failed, whole = dict[str, bool](), 0
    for number, line in enumerate(file, 1):
        if not line.endswith(b"\n"):
            break
        try:
            row = json.loads(line)
            failed[row["path"]] = "error" in row
        except (ValueError, TypeError, KeyError) as error:
            raise DataError(f"{printable(path)}: line {number} is no row of infer; name a new file") from error
        whole += len(line)
    return failed, whole


def _check(path: Path, how: dict[str, Any], *, begun: bool) -> None:
    """Write down what the first rows are made under, hold later ones to it."""
    beside = path.with_name(path.name + HOW)
    if not begun:
        write_text(beside, json.dumps(how, indent=1) + "\n")
        return
    try:
        held = json.loads(beside.read_text(encoding="utf-8"))
        other = [name for name in how if name != "noise" and held[name] != how[name]]
        said, wanted = np.asarray(held["noise"], float), np.asarray(how["noise"], float)
        if not other and (said.shape != wanted.shape or abs(said - wanted).max() > APART * abs(wanted).max()):
            other = ["model's weights"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ConfigError(
            f"{printable(beside)}: does not say how the rows beside it were made; name a new file"
        ) from error
    if other:
        changed = "; ".join(f"{n} {held[n]!r}, now {how[n]!r}" if n in how else n for n in other)
        raise ConfigError(f"{printable(path)}: its rows were made otherwise ({changed}); name a new file")


def how_of(engine: Engine, options: Options) -> dict[str, Any]:
    """What answers depend on, in plain values; noise: what the networks say of a clip of it, patches in the middle."""
    about = engine.about
    frames, glanced = noise_of(about.config)
    centres = np.full((1, about.config.looks, 2), 0.5, np.float32) if about.config.focus else None
    *_, last = engine.walk(frames, glance_frames=glanced, centres=centres)
    rule = rule_of(about.rule, options)
    return {
        "model": about.model,
        "classes": list(about.classes),
        "precision": about.precision,
        "patch_side": about.config.focus.side if about.config.focus else 0,
        "chunk": options.chunk,
        "shrink": options.shrink,
        "temperatures": list(rule.temperatures),
        "thresholds": list(rule.thresholds),
        "noise": [round(float(x), 4) for x in last.logits[0]],
    }


def part_of(items: Sequence[T], part: int, parts: int) -> list[T]:
    """The `part`-th of so many parts, counted from 1; together they are all items, each once.

    >>> part_of("abcdefg", 1, 3), part_of("abcdefg", 3, 3)
    (['a', 'd', 'g'], ['c', 'f'])
    """
    return list(items[part - 1 :: parts])
