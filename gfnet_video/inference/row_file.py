"""A file of rows, one line of JSON an input: a run over very many that was killed goes on where it was."""

from __future__ import annotations

import fcntl
import json
import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from gfnet_video.engines.engine import Engine
from gfnet_video.engines.opening import noise_of
from gfnet_video.errors import ConfigError, DataError, printable
from gfnet_video.files import write_text
from gfnet_video.inference.report import Outcome, as_dict, encodable
from gfnet_video.inference.runner import Options, rule_of
from gfnet_video.inference.validity import stored_chunk

HOW = ".how"  # beside the rows: under what they were made
FIRST = b'{"path": '  # how each row begins
APART = {"noise": 0.02, "centres": 0.05}  # of the largest: what engines and machines may differ by


class RowFile:
    """Rows that are added as they come; `failed` says of each input that has one whether it could not be read."""

    def __init__(self, file: BinaryIO, failed: dict[str, bool]) -> None:
        self.file, self.failed = file, failed

    def lacks(self, path: Path) -> bool:
        return encodable(os.fsdecode(path)) not in self.failed

    def add(self, path: Path, outcome: Outcome) -> None:
        """A row under the input's own name, also where it is one of its pictures that cannot be read."""
        row, name = as_dict(outcome), encodable(os.fsdecode(path))
        if row["path"] != name:
            row = {"path": name, "error": f"{row['path']}: {row['error']}"}
        self.file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
        self.file.flush()
        self.failed[name] = "error" in row


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
        try:
            if line.endswith(b"\n"):
                row = json.loads(line)
                failed[row["path"]] = "error" in row
                whole += len(line)
            elif line[: len(FIRST)] != FIRST[: len(line)]:
                raise ValueError("not the beginning of a row")
        except (ValueError, TypeError, KeyError) as error:
            raise DataError(f"{printable(path)}: line {number} is no row of infer; name a new file") from error
    return failed, whole


def _check(path: Path, how: dict[str, Any], *, begun: bool) -> None:
    """Write down what the first rows are made under, hold later ones to it."""
    beside = path.with_name(path.name + HOW)
    if not begun:
        write_text(beside, json.dumps(how, indent=1) + "\n")
        return
    try:
        held = json.loads(beside.read_text(encoding="utf-8"))
        changed = [f"{name} {_short(held[name])}, now {_short(how[name])}" for name in how if _differs(name, held, how)]
    except (OSError, ValueError, TypeError, KeyError) as error:
        words = "does not say how the rows beside it were made; name a new file"
        raise ConfigError(f"{printable(beside)}: {words}") from error
    if changed:
        words = f"its rows were made otherwise ({'; '.join(changed)}); name a new file, or the options of then"
        raise ConfigError(f"{printable(path)}: {words}")


def _differs(name: str, held: dict[str, Any], how: dict[str, Any]) -> bool:
    if name not in APART:
        return bool(held[name] != json.loads(json.dumps(how[name])))
    one, other = (np.asarray(said[name], float) for said in (held, how))
    room = APART[name] * max(1.0, abs(other).max(initial=0.0))
    return one.shape != other.shape or not np.allclose(one, other, rtol=0.0, atol=room)


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else f"{text[:60]}..."


def how_of(engine: Engine, options: Options, paths: Iterable[Path] = (), *, jobs: int = 1) -> dict[str, Any]:
    """What answers, and the names of inputs, depend on, in plain values.

    noise: what the networks say of a clip of it, patches in the middle; centres: where the policy looks on it.
    """
    about = engine.about
    frames, glanced = noise_of(about.config)
    middle = np.full((1, about.config.looks, 2), 0.5, np.float32) if about.config.focus else None
    *_, last = engine.walk(frames, glance_frames=glanced, centres=middle)
    free = [] if about.config.where == "oracle" else engine.walk(frames, glance_frames=glanced)
    rule = rule_of(about.rule, options)
    return {
        "model": about.model,
        "classes": list(about.classes),
        "config": asdict(about.config),
        "precision": about.precision,
        "chunk": 1 if jobs > 1 else options.chunk or stored_chunk(about),
        "shrink": options.shrink,
        "temperatures": list(rule.temperatures),
        "thresholds": list(rule.thresholds),
        "folder": "" if all(path.is_absolute() for path in paths) else os.getcwd(),
        "noise": [round(float(x), 4) for x in last.logits[0]],
        "centres": [[round(float(x), 4) for x in turn.centre[0]] for turn in free if turn.centre is not None],
    }


def part_of(paths: Iterable[Path], part: int, parts: int) -> list[Path]:
    """The `part`-th of so many parts, counted from 1; together they are all paths, each once.

    Which it is depends on the name alone, so that all machines agree, whatever lies beside it.

    >>> names = [Path(name) for name in "abcdefg"]
    >>> [[path.name for path in part_of(names, part, 2)] for part in (1, 2)]
    [['d', 'e', 'f', 'g'], ['a', 'b', 'c']]
    """
    return [path for path in paths if zlib.crc32(os.fsencode(path)) % parts == part - 1]
