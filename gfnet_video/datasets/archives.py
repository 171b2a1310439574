"""Archives as publishers cut them up: found, put in order, and read as one stream without ever being one file.

`NAME-00`, `NAME-01`, ... are the parts of one archive; they may lie beside each other or inside zip files.
"""

from __future__ import annotations

import io
import re
import zipfile
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

SUFFIXES = (".zip", ".tar", ".tgz", ".tar.gz", ".tbz2", ".tar.bz2", ".txz", ".tar.xz")
_PART = re.compile(r"(?P<base>.+)-(?P<number>\d\d)")


@dataclass(frozen=True)
class Piece:
    """A run of bytes of an archive: a file, or a part that lies inside a zip. stamp: what changes with its content."""

    name: str
    size: int
    open: Callable[[], IO[bytes]]
    stamp: str = ""


@dataclass(frozen=True)
class Archive:
    """Pieces in order, which read one after the other are an archive. gaps: names of parts that are not there."""

    name: str
    pieces: tuple[Piece, ...]
    gaps: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all pieces."""
        return sum(piece.size for piece in self.pieces)

    @property
    def stamp(self) -> str:
        """What changes when a piece does, or when one is added."""
        return " ".join(f"{piece.name}:{piece.size}:{piece.stamp}" for piece in self.pieces)


def is_part(name: str, prefix: str) -> bool:
    """Whether a file name is that of a part.

    >>> is_part("20bn-jester-v1-07", "20bn-jester"), is_part("20bn-jester-v1", "20bn-jester")
    (True, False)
    """
    return bool(prefix) and name.startswith(prefix) and _PART.fullmatch(name) is not None


def find_archives(files: Iterable[Path], prefix: str) -> list[Archive]:
    """The archives among `files`, those in parts joined; zip files that hold parts are looked into.

    prefix: how the names of parts begin; empty where the data set has none.
    """
    whole, parts = [], []
    for path in sorted(files):
        if is_part(path.name, prefix):
            parts.append(piece_of(path))
        elif path.name.lower().endswith(SUFFIXES):
            inside = _parts_inside(path, prefix)
            parts += inside
            whole += [] if inside else [Archive(path.name, (piece_of(path),))]
    return whole + join_parts(parts)


def piece_of(path: Path) -> Piece:
    """A file as a piece."""
    found = path.stat()
    return Piece(path.name, found.st_size, lambda: path.open("rb"), str(found.st_mtime_ns))


def join_parts(parts: Iterable[Piece]) -> list[Archive]:
    """Parts by the archive they belong to, in order up to the first that is absent: a stream cannot pass a hole."""
    groups: dict[str, dict[int, Piece]] = {}
    for piece in parts:
        match = _PART.fullmatch(piece.name)
        assert match is not None
        groups.setdefault(match["base"], {}).setdefault(int(match["number"]), piece)
    return [_joined(base, group) for base, group in sorted(groups.items())]


def _joined(base: str, group: dict[int, Piece]) -> Archive:
    gaps = tuple(f"{base}-{n:02d}" for n in range(max(group)) if n not in group)
    first_gap = int(gaps[0][-2:]) if gaps else len(group)
    return Archive(base, tuple(group[n] for n in range(first_gap)), gaps)


def _parts_inside(path: Path, prefix: str) -> list[Piece]:
    """The parts that a zip file holds; none where it cannot be read, which is found out when it is unpacked."""
    if not prefix or path.suffix.lower() != ".zip":
        return []
    try:
        with zipfile.ZipFile(path) as archive:
            inside = [i for i in archive.infolist() if is_part(_base(i), prefix) and not i.flag_bits & 1]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return []
    stamp = str(path.stat().st_mtime_ns)
    return [Piece(_base(info), info.file_size, _opener(path, info.filename), stamp) for info in inside]


def _base(info: zipfile.ZipInfo) -> str:
    return info.filename.rpartition("/")[2]


def _opener(path: Path, member: str) -> Callable[[], IO[bytes]]:
    # ZipFile stays alive as long as the member it handed out.
    return lambda: zipfile.ZipFile(path).open(member)


class Joined(io.RawIOBase):
    """The pieces of an archive as one seekable file of bytes; one piece is open at a time.

    watch: called with the number of bytes of each read.
    """

    def __init__(self, pieces: tuple[Piece, ...], watch: Callable[[int], None] = lambda count: None) -> None:
        self._watch = watch
        self._pieces = pieces
        self._ends = list(accumulate(piece.size for piece in pieces))
        self._at = 0
        self._open: tuple[int, IO[bytes]] | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._ends[-1] if self._ends else 0}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        index = bisect_right(self._ends, self._at)
        if index == len(self._pieces) or not view:
            return 0
        file = self._piece(index)
        wanted = self._at - (self._ends[index] - self._pieces[index].size)
        if file.tell() != wanted:
            file.seek(wanted)
        data = file.read(min(len(view), self._ends[index] - self._at))
        if not data:
            raise EOFError(f"{self._pieces[index].name} ends early")
        view[: len(data)] = data
        self._at += len(data)
        self._watch(len(data))
        return len(data)

    def _piece(self, index: int) -> IO[bytes]:
        if self._open is None or self._open[0] != index:
            self._close_piece()
            self._open = index, self._pieces[index].open()
        return self._open[1]

    def _close_piece(self) -> None:
        if self._open is not None:
            self._open[1].close()
            self._open = None

    def close(self) -> None:
        self._close_piece()
        super().close()
