"""The members of an archive as a stream, each checked before a byte of it is used.

Refused, with the archive's and the member's name: absolute names and `..`, links, devices, sparse and encrypted
members, two that would become one file (where upper and lower case are one), and more entries or bytes than `Bounds`.
Nothing else of an archive is trusted either: what is damaged or cut off is `Damaged`, after all that came whole.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from gfnet_video.errors import DataError, printable

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# What the standard library raises about broken archives; ValueError and struct.error come from broken headers.
BROKEN = (
    tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, OSError, NotImplementedError,
    ValueError, OverflowError, struct.error,
)  # fmt: skip
_BLOCK = 512
_FORMATS: dict[bytes, Callable[[Any, Any], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
_REGULAR = (0, stat.S_IFREG, stat.S_IFDIR)  # 0: a zip made where files have no mode


class Damaged(Exception):
    """An archive, or one member of it, that cannot be read further; says why."""


@dataclass(frozen=True)
class Bounds:
    """What one archive may become: members, bytes in all, and bytes for each byte on disk, beyond a free allowance."""

    entries: int = 20_000_000
    bytes: int = 4 << 40
    ratio: int = 100
    free: int = 64 << 20


class Ledger:
    """What has been taken from one archive on disk, archives inside it included. Raises DataError past its bounds."""

    def __init__(self, archive: str, size: int, bounds: Bounds) -> None:
        self.archive, self.bounds = archive, bounds
        self.limit = min(bounds.bytes, bounds.free + bounds.ratio * size)
        self.bytes = self.entries = 0
        self.member = ""
        self._seen: set[int] = set()

    def spend(self, count: int) -> None:
        """Count decompressed bytes."""
        self.bytes += count
        if self.bytes > self.limit:
            raise self.refusal(f"more than {self.limit:,} bytes come out of it: a decompression bomb?")

    def enter(self, name: str) -> None:
        """Count a member, and refuse a name that leads elsewhere."""
        self.member = name
        self.entries += 1
        if self.entries > self.bounds.entries:
            raise self.refusal(f"more than {self.bounds.entries:,} members")
        parts = name.replace("\\", "/").split("/")
        if parts[0] == "" or parts[0][1:2] == ":" or ".." in parts or "\0" in name:
            raise self.refusal("its name leads out of the archive")

    def claim(self, target: str) -> None:
        """Take `target` for the member that was entered last; no other may have it, in whatever capitals."""
        key = hash(target.casefold())  # 64 keyed bits a name: millions of names stay small
        if key in self._seen:
            raise self.refusal("its name stands there twice, or in other capitals: one would overwrite the other")
        self._seen.add(key)

    def refusal(self, reason: str) -> DataError:
        """The error that names archive and member."""
        at = f": member '{printable(self.member)}'" if self.member else ""
        return DataError(f"{printable(self.archive)}{at}: {reason}; refused. Download it anew from its publisher")


class Counted(io.RawIOBase):
    """A stream that books what is read from it, and remembers where its last byte that is not zero was.

    keep: where the source breaks, this ends, with the reason in `broken`. A reader of blocks then gets the last, short
    one, which an error would take with it.
    """

    def __init__(self, source: Any, ledger: Ledger, *, keep: bool = False) -> None:
        self.source, self.ledger, self.keep = source, ledger, keep
        self.position = self.last = 0
        self.broken = ""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        data = self._read(len(view))
        self.ledger.spend(len(data))
        view[: len(data)] = data
        if used := len(data.rstrip(b"\0")):
            self.last = self.position + used
        self.position += len(data)
        return len(data)

    def _read(self, size: int) -> bytes:
        try:
            with broken_is_damaged():
                # Not `read`, which goes on until it has all: what decodes before a break is wanted.
                return b"" if self.broken else bytes(self.source.read1(size))
        except Damaged as error:
            if not self.keep:
                raise
            self.broken = str(error)
            return b""


def members(source: io.BufferedReader, ledger: Ledger) -> Iterator[tuple[str, int, IO[bytes]]]:
    """(name, size, content) of each regular member of a zip or of a tar, packed or not, in order.

    A tar is read from beginning to end; a zip must be seekable, because its list of members is at its end. A content is
    to be read before the next is asked for. Raises DataError for what is hostile, Damaged where the archive cannot be
    read further.
    """
    with broken_is_damaged():
        start = source.peek(6)
        if is_zip(start):
            yield from _zip_members(source, ledger)
            return
        packed = next((opener for magic, opener in _FORMATS.items() if start.startswith(magic)), None)
        yield from _tar_members(packed(source, "rb") if packed else source, ledger)


def is_zip(start: bytes) -> bool:
    """Whether a file that begins like this is a zip, perhaps an empty one."""
    return start[:4] in (b"PK\x03\x04", b"PK\x05\x06")


@contextmanager
def broken_is_damaged() -> Iterator[None]:
    """Turn what the standard library raises about a broken archive into Damaged."""
    try:
        yield
    except BROKEN as error:
        if isinstance(error, OSError) and error.errno is not None:  # the disk's trouble, not the archive's
            raise
        raise Damaged(str(error) or type(error).__name__) from error


def _tar_members(source: Any, ledger: Ledger) -> Iterator[tuple[str, int, IO[bytes]]]:
    counted = Counted(source, ledger, keep=True)
    stream = io.BufferedReader(counted, 1 << 20)
    with tarfile.open(fileobj=stream, mode="r|", errorlevel=2) as archive:
        while (info := archive.next()) is not None:
            archive.members.clear()  # type: ignore[attr-defined]  # else every member ever seen stays in memory
            ledger.enter(info.name)
            if not (info.isfile() or info.isdir()) or info.issparse():
                raise ledger.refusal("it is a link, a device or another thing that is no plain file")
            content = archive.extractfile(info) if info.isfile() else None
            if content is not None:
                yield info.name, info.size, content
        end = archive.offset
    while stream.read(1 << 20):  # to the end, where a packed stream proves its checksum
        pass
    if counted.broken:
        raise Damaged(counted.broken)
    # tarfile takes a broken header for the end: only zeros may follow the last member, and at least two blocks of them.
    if counted.last > end or counted.position < end + 2 * _BLOCK:
        raise Damaged(f"it breaks off or is broken at byte {end:,} of its content")


def _zip_members(source: IO[bytes], ledger: Ledger) -> Iterator[tuple[str, int, IO[bytes]]]:
    archive = zipfile.ZipFile(source)
    for info in archive.infolist():
        ledger.enter(info.filename)
        if stat.S_IFMT(info.external_attr >> 16) not in _REGULAR:
            raise ledger.refusal("it is a link, a device or another thing that is no plain file")
        if info.flag_bits & 1:
            raise ledger.refusal("it is encrypted")
        if not info.is_dir():
            with archive.open(info) as content:
                yield info.filename, info.file_size, io.BufferedReader(Counted(content, ledger), 1 << 20)
