"""Official archives into the official layout: the clips and lists of a data set, each file whole or not at all."""

from __future__ import annotations

import io
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from gfnet_video.datasets.archives import SUFFIXES, Archive, Joined
from gfnet_video.datasets.catalog import Dataset
from gfnet_video.datasets.layouts import LAYOUTS, VIDEO_SUFFIXES
from gfnet_video.datasets.members import Bounds, Counted, Damaged, Ledger, broken_is_damaged, is_zip, members

DEPTH = 3  # archives within archives
_FRAME = re.compile(r"(?:.*/)?([A-Za-z0-9_-]+/\d{5}\.jpg)")
_CLIP = re.compile(r"(?:.*/)?([A-Za-z0-9_-]+\.[a-z0-9]+)")
Progress = Callable[[int], None]


@dataclass(frozen=True)
class Unpacked:
    """What one archive gave: members taken and passed over; what is damaged, and the folders of frames that may lack
    some for that."""

    archive: str
    taken: int = 0
    ignored: int = 0
    damage: tuple[str, ...] = ()
    torn: tuple[str, ...] = ()


def target_of(row: Dataset, member: str) -> str | None:
    """Where a member belongs below the root, by the end of its name; None for what the data set does not need."""
    name = member.replace("\\", "/")
    if name.rpartition("/")[2] in LAYOUTS[row.layout].names:
        return f"labels/{name.rpartition('/')[2]}"
    match = (_FRAME if row.template else _CLIP).fullmatch(name)
    if match is None or (not row.template and not match[1].endswith(VIDEO_SUFFIXES)):
        return None
    return f"{row.folder}/{match[1]}"


class Unpacker:
    """Takes archives of one data set into `root`; unfinished files lie in `work`, on the same disk.

    progress: called with the bytes read from disk since the last call, and before each member.
    """

    def __init__(self, row: Dataset, root: Path, work: Path, bounds: Bounds, progress: Progress) -> None:
        self.row, self.root, self.work, self.bounds, self.progress = row, root, work, bounds, progress
        self._folder: Path | None = None
        self._last = ""

    def unpack(self, archive: Archive) -> Unpacked:
        """Take what the data set needs from one archive. Raises DataError where it is hostile; damage is told."""
        self.work.mkdir(parents=True, exist_ok=True)
        ledger = Ledger(archive.name, archive.size, self.bounds)
        found = Unpacked(archive.name)
        self._last = ""
        with Joined(archive.pieces, self.progress) as source:
            found = self._take_all(io.BufferedReader(source, 1 << 20), ledger, found, 1)
        for gap in archive.gaps:
            found = self._hurt(found, f"part {gap} is missing")
        return found

    def _take_all(self, source: io.BufferedReader, ledger: Ledger, found: Unpacked, depth: int) -> Unpacked:
        try:
            for name, size, content in members(source, ledger):
                found = self._take(name, size, content, ledger, found, depth)
        except Damaged as error:
            found = self._hurt(found, str(error))
        return found

    def _take(self, name: str, size: int, content: IO[bytes], ledger: Ledger, found: Unpacked, depth: int) -> Unpacked:
        self.progress(0)
        nested = name.lower().endswith(SUFFIXES)
        target = target_of(self.row, name)
        if nested and depth == DEPTH:
            raise ledger.refusal(f"it is an archive within {DEPTH} others")
        if target is None and not nested:
            return replace(found, ignored=found.ignored + 1)
        try:
            if target is None:
                return self._take_nested(content, ledger, found, depth + 1)
            ledger.claim(target)
            self._last = target
            self._write(self.root / target, size, content)
        except Damaged as error:
            return self._hurt(found, f"member {name}: {error}")
        return replace(found, taken=found.taken + 1)

    def _take_nested(self, content: IO[bytes], ledger: Ledger, found: Unpacked, depth: int) -> Unpacked:
        stream: io.BufferedReader = io.BufferedReader(Counted(content, ledger), 1 << 20)
        with broken_is_damaged():
            start = stream.peek(6)
        if not is_zip(start):
            return self._take_all(stream, ledger, found, depth)
        # The list of a zip is at its end, and a member of an archive can only be read forwards.
        with tempfile.TemporaryFile(dir=self.work, buffering=0) as spool:
            with broken_is_damaged():
                shutil.copyfileobj(stream, spool, 1 << 20)
            spool.seek(0)
            inner: io.BufferedReader = io.BufferedReader(spool)
            with inner:
                return self._take_all(inner, ledger, found, depth)

    def _hurt(self, found: Unpacked, damage: str) -> Unpacked:
        """Add what is damaged, and the folder of frames that was being filled: nobody knows how many it should hold."""
        torn = {*found.torn, self._last.rpartition("/")[0]} if self.row.template and self._last else found.torn
        return replace(found, damage=(*found.damage, damage), torn=tuple(sorted(torn)))

    def _write(self, path: Path, size: int, content: IO[bytes]) -> None:
        """Write a member, unless an earlier run has: what stands under its last name is whole."""
        if path.is_file() and path.stat().st_size == size:
            return
        temporary = self.work / "member"
        with broken_is_damaged(), temporary.open("wb") as out:
            shutil.copyfileobj(content, out, 1 << 18)
            if out.tell() != size:
                raise Damaged(f"{out.tell():,} of {size:,} bytes are there")
        if path.parent != self._folder:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._folder = path.parent
        os.replace(temporary, path)
