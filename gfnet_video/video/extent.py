"""How long a file says it is: what its outermost boxes count, against the bytes that are there. Nothing is decoded."""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

MANY = 10_000  # boxes at the top level; a file of more is not worth reading on
SEGMENT, UNKNOWN = 0x18538067, (1 << 56) - 1


def missing_bytes(path: str | os.PathLike[str]) -> int:
    """How many bytes the file lacks to what its own outermost boxes count: ISO media (mp4, mov), RIFF (avi), Matroska
    (mkv, webm); 1 for a GIF without its end mark. 0 where nothing lacks or nothing is known, as of what is unreadable.
    """
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            return max(0, _end(file, size) - size)
    except OSError:
        return 0


def _end(file: BinaryIO, size: int) -> int:
    """Where the file would end by its own count."""
    start = file.read(12)
    if start[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return _boxes(file, size)
    if start[:4] == b"RIFF":
        return _riff(file, size)
    if start[:4] == b"\x1a\x45\xdf\xa3":
        return _matroska(file, size)
    return size + 1 if start[:4] == b"GIF8" and not _ended(file, size) else size


def _boxes(file: BinaryIO, size: int) -> int:
    """ISO/IEC 14496-12, 4.2: size (4 bytes), type, and a size of 8 bytes where the first is 1; 0 means to the end."""
    at = 0
    for _ in range(MANY):
        if at >= size:
            return at
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            return at
        length = struct.unpack(">I", head[:4])[0]
        if length == 1 and len(head) == 16:
            length = struct.unpack(">Q", head[8:])[0]
        if length < 8:
            return size
        at += length
    return size


def _riff(file: BinaryIO, size: int) -> int:
    """RIFF lists one after the other (OpenDML): name, size in 4 bytes, little end first, padded to an even number."""
    at = 0
    for _ in range(MANY):
        if at >= size:
            return at
        file.seek(at)
        head = file.read(8)
        if head[:4] != b"RIFF" or len(head) < 8:
            return at
        length = struct.unpack("<I", head[4:])[0]
        if length in (0, 0xFFFFFFFF):  # written before the end was known
            return size
        at += 8 + length + length % 2
    return size


def _matroska(file: BinaryIO, size: int) -> int:
    """RFC 8794: the EBML header, then one segment, whose size may be unknown."""
    file.seek(4)
    length, at = _variable(file)
    if at + length >= size:
        return 0
    file.seek(at + length)
    if int.from_bytes(file.read(4), "big") != SEGMENT:
        return 0
    length, at = _variable(file)
    return 0 if length == UNKNOWN else at + length


def _variable(file: BinaryIO) -> tuple[int, int]:
    """A number of 1 to 8 bytes, whose first bits count them, and where it ends; UNKNOWN where all its bits are set."""
    first = file.read(1)
    width = 9 - first[0].bit_length() if first and first[0] else 1
    rest = file.read(width - 1)
    bits = 7 * width
    number = int.from_bytes(first + rest, "big") & ((1 << bits) - 1)
    return UNKNOWN if number == (1 << bits) - 1 else number, file.tell()


def _ended(file: BinaryIO, size: int) -> bool:
    """A GIF ends in `;`; some writers pad it with zeros."""
    file.seek(max(0, size - 64))
    return file.read().rstrip(b"\0").endswith(b";")
