"""A journal: one JSON line for each thing that is done, so that a kill costs at most the thing under way."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from gfnet_video.errors import DataError


class Journal:
    """Records by key in `file`; the last of a key holds. A line that a kill left unfinished is passed over."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._held: dict[str, Any] = dict(self._read())
        self._out: TextIO | None = None

    def get(self, key: str) -> Any:
        """What was recorded of `key`, None for nothing."""
        return self._held.get(key)

    def items(self) -> list[tuple[str, Any]]:
        """Keys and records, in the order in which the keys came first."""
        return list(self._held.items())

    def add(self, key: str, record: Any) -> None:
        """Record `key`, on disk before this returns to a process that may be killed."""
        if self._out is None:
            self._out = self._append()
        self._out.write(json.dumps([key, record]) + "\n")
        self._out.flush()
        self._held[key] = record

    def close(self) -> None:
        """Close the file; a later `add` opens it again."""
        if self._out is not None:
            self._out.close()
            self._out = None

    def _append(self) -> TextIO:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        out = self.file.open("a", encoding="utf-8")
        out.write("\n")  # ends a line that a kill left unfinished
        return out

    def _read(self) -> Iterator[tuple[str, Any]]:
        try:
            text = self.file.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return
        for line in text.splitlines():
            try:
                key, record = json.loads(line)
            except (ValueError, TypeError):
                continue
            if isinstance(key, str):
                yield key, record


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Keep others that ask for the same lock out; it ends with the process. Raises DataError where it is taken."""
    import fcntl

    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DataError(f"{file.parent}: another prepare is at work there; wait for it to end") from error
        yield


def stamp_of(path: Path) -> str:
    """What changes when a file does, or when a folder gains or loses one; empty where there is nothing."""
    try:
        found = os.stat(path)
    except OSError:
        return ""
    return f"{found.st_size}:{found.st_mtime_ns}"
