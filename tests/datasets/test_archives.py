"""Archives as they come: in parts, nested, cut off, broken, or made to do harm."""

from __future__ import annotations

import gzip
import io
import random
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from gfnet_video.datasets.archives import Joined, find_archives, piece_of
from gfnet_video.datasets.catalog import dataset
from gfnet_video.datasets.members import Bounds
from gfnet_video.datasets.unpack import Unpacked, Unpacker
from gfnet_video.errors import DataError
from tests import official

V2 = "20bn-something-something-v2"
CLIPS = [(f"{V2}/{n}.webm", random.Random(n).randbytes(4000 + n)) for n in range(1, 9)]  # as incompressible as video


WIDE = Bounds()


def unpack(folder: Path, name: str = "sthv2", bounds: Bounds = WIDE) -> list[Unpacked]:
    """Every archive of `folder` into folder/out."""
    row = dataset(name)
    unpacker = Unpacker(row, folder / "out", folder / "work", bounds, lambda count: None)
    files = [path for path in folder.iterdir() if path.is_file()]
    return [unpacker.unpack(archive) for archive in find_archives(files, row.prefix)]


def unpacked(folder: Path) -> dict[str, bytes]:
    out = folder / "out"
    return {str(p.relative_to(out)): p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()}


def zipped(members: list[tuple[str, bytes]]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return out.getvalue()


@pytest.mark.parametrize("count", [1, 2, 7])
@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_parts_are_read_as_one_tar(tmp_path: Path, count: int, mode: str) -> None:
    official.parts(tmp_path, V2, official.tar(CLIPS, mode), count)
    (found,) = unpack(tmp_path)
    assert found == Unpacked(V2, taken=len(CLIPS))
    assert unpacked(tmp_path) == dict(CLIPS)


def test_joined_parts_of_a_zip_are_seekable(tmp_path: Path) -> None:
    official.parts(tmp_path, V2, zipped(CLIPS), 5)
    assert unpack(tmp_path)[0].damage == () and unpacked(tmp_path) == dict(CLIPS)


def test_joined_reads_like_one_file(tmp_path: Path) -> None:
    data = bytes(range(256)) * 5
    pieces = tuple(piece_of(p) for p in official.parts(tmp_path, V2, data, 4))
    with io.BufferedReader(Joined(pieces)) as file:
        assert file.read() == data
        for place in (0, 319, 320, 321, 1279, 1280, 99):
            assert file.seek(place) == place and file.read(40) == data[place : place + 40]
        assert file.seek(-5, io.SEEK_END) == len(data) - 5 and file.read() == data[-5:]


@pytest.mark.parametrize("inner", ["tgz", "zip"])
@pytest.mark.parametrize("outer", ["tar", "zip"])
def test_nested_archives_are_taken(tmp_path: Path, inner: str, outer: str) -> None:
    content = official.tar(CLIPS) if inner == "tgz" else zipped(CLIPS)
    members = [(f"more/clips.{inner}", content), ("readme.txt", b"")]
    (tmp_path / f"outer.{outer}").write_bytes(official.tar(members, "w") if outer == "tar" else zipped(members))
    assert unpack(tmp_path) == [Unpacked(f"outer.{outer}", taken=len(CLIPS), ignored=1)]
    assert unpacked(tmp_path) == dict(CLIPS) and not list((tmp_path / "work").iterdir())


def test_parts_inside_zips_and_a_part_beside_them_are_joined(tmp_path: Path) -> None:
    first, second, third = official.parts(tmp_path, V2, official.tar(CLIPS), 3)
    for file in (first, third):
        (tmp_path / f"{file.name}.zip").write_bytes(zipped([(f"deep/{file.name}", file.read_bytes())]))
        file.unlink()
    assert unpack(tmp_path) == [Unpacked(V2, taken=len(CLIPS))] and second.exists()


def test_a_missing_part_is_named_and_what_came_before_it_stays(tmp_path: Path) -> None:
    files = official.parts(tmp_path, V2, official.tar(CLIPS), 4)
    files[2].unlink()
    (found,) = unpack(tmp_path)
    assert f"part {V2}-02 is missing" in found.damage and found.taken == 3
    assert unpacked(tmp_path) == dict(CLIPS[:3])


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_truncated_archive_keeps_what_is_whole(tmp_path: Path, mode: str) -> None:
    data = official.tar(CLIPS, mode)
    for tenth in range(1, 10):
        folder = tmp_path / str(tenth)
        folder.mkdir()
        (folder / f"{V2}-00").write_bytes(data[: len(data) * tenth // 10])
        (found,) = unpack(folder)
        assert found.damage and unpacked(folder) == dict(CLIPS[: found.taken])
        if mode in ("w", "w:gz"):  # the others pack in blocks larger than all of this
            assert found.taken >= tenth * len(CLIPS) // 10 - 1


def test_a_broken_header_is_not_taken_for_the_end(tmp_path: Path) -> None:
    data = bytearray(official.tar(CLIPS, "w"))
    at = data.index(CLIPS[4][0].encode())
    data[at : at + 40] = b"\xff" * 40
    (tmp_path / f"{V2}-00").write_bytes(data)
    (found,) = unpack(tmp_path)
    assert found.taken == 4 and f"broken at byte {at:,}" in found.damage[0]


def test_a_wrong_checksum_costs_one_member_of_a_zip(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:  # stored: a flipped bit breaks nothing but the checksum
        for name, content in CLIPS:
            archive.writestr(name, content)
    data = bytearray(out.getvalue())
    data[data.index(CLIPS[2][1]) + 50] ^= 1
    (tmp_path / "clips.zip").write_bytes(data)
    (found,) = unpack(tmp_path)
    assert found.taken == len(CLIPS) - 1 and CLIPS[2][0] in found.damage[0]
    assert unpacked(tmp_path) == {name: content for name, content in CLIPS if name != CLIPS[2][0]}


def test_a_folder_of_frames_that_was_being_filled_is_told(tmp_path: Path) -> None:
    data = official.tar(official.jpegs("20bn-jester-v1"), "w")
    (tmp_path / "20bn-jester-v1-00").write_bytes(data[: len(data) // 2])
    (found,) = unpack(tmp_path, "jester")
    last = sorted(unpacked(tmp_path))[-1].rpartition("/")[0]
    assert found.damage and found.torn == (last,)


def test_a_second_run_writes_nothing_again(tmp_path: Path) -> None:
    official.parts(tmp_path, V2, official.tar(CLIPS), 2)
    unpack(tmp_path)
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*.webm")}
    unpack(tmp_path)
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*.webm")} == before


def member(name: str = f"{V2}/1.webm", kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size
    return info


def hostile_tar(*infos: tarfile.TarInfo) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for info in infos:
            archive.addfile(info, io.BytesIO(bytes(info.size)) if info.size else None)
    return out.getvalue()


def zip_with_mode(mode: int, name: str = f"{V2}/1.webm") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        archive.writestr(info, b"/etc/passwd")
    return out.getvalue()


def encrypted() -> bytes:
    data = bytearray(zipped([(f"{V2}/1.webm", b"secret")]))
    data[6] |= 1
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


ATTACKS: dict[str, tuple[Callable[[], bytes], str]] = {
    "absolute": (lambda: hostile_tar(member(f"/{V2}/1.webm")), "leads out"),
    "parent": (lambda: hostile_tar(member(f"{V2}/../../1.webm")), "leads out"),
    "backslash": (lambda: hostile_tar(member(f"..\\{V2}\\1.webm")), "leads out"),
    "drive": (lambda: hostile_tar(member(f"C:/{V2}/1.webm")), "leads out"),
    "parent in what is not needed": (lambda: hostile_tar(member("../readme.txt")), "leads out"),
    "symlink": (lambda: hostile_tar(member(kind=tarfile.SYMTYPE, link="/etc/passwd")), "a link"),
    "hard link": (lambda: hostile_tar(member(kind=tarfile.LNKTYPE, link="/etc/passwd")), "a link"),
    "link for a folder": (lambda: hostile_tar(member(V2, tarfile.SYMTYPE, "/tmp")), "a link"),
    "fifo": (lambda: hostile_tar(member(kind=tarfile.FIFOTYPE)), "a link, a device"),
    "device": (lambda: hostile_tar(member(kind=tarfile.CHRTYPE)), "a link, a device"),
    "sparse": (lambda: hostile_tar(member(kind=tarfile.GNUTYPE_SPARSE)), "a link, a device"),
    "twice": (lambda: hostile_tar(member(), member()), "stands there twice"),
    "other capitals": (lambda: hostile_tar(member(f"{V2}/a.webm"), member(f"{V2}/A.webm")), "other capitals"),
    "other folder, same file": (lambda: hostile_tar(member("x/1.webm"), member("y/1.webm")), "stands there twice"),
    "zip parent": (lambda: zipped([(f"../{V2}/1.webm", b"x")]), "leads out"),
    "zip absolute": (lambda: zipped([(f"/{V2}/1.webm", b"x")]), "leads out"),
    "zip symlink": (lambda: zip_with_mode(stat.S_IFLNK | 0o777), "a link"),
    "zip device": (lambda: zip_with_mode(stat.S_IFBLK), "a link, a device"),
    "zip encrypted": (encrypted, "encrypted"),
    "zip in zip parent": (lambda: zipped([("a.zip", zipped([("../1.webm", b"x")]))]), "leads out"),
    "too deep": (lambda: zipped([("a.zip", zipped([("b.zip", zipped([("c.zip", b"")]))]))]), "an archive within 3"),
    "bomb": (lambda: gzip.compress(hostile_tar(member(size=3_000_000))), "decompression bomb"),
    "bomb outside of members": (lambda: gzip.compress(hostile_tar(member(size=9)) + bytes(3_000_000)), "bomb"),
    "zip bomb": (lambda: zipped([(f"{V2}/1.webm", bytes(3_000_000))]), "decompression bomb"),
    "nested bomb": (lambda: zipped([("a.zip", zipped([(f"{V2}/1.webm", bytes(3_000_000))]))]), "bomb"),
    "bomb in what is nested": (lambda: gzip.compress(hostile_tar(member("a.zip", size=3_000_000))), "bomb"),
    "many": (lambda: hostile_tar(*(member(f"{V2}/{n}.webm") for n in range(51))), "more than 50 members"),
    "many of nothing": (lambda: zipped([(f"d{n}/", b"") for n in range(51)]), "more than 50 members"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_hostile_archives_are_refused_by_name(tmp_path: Path, attack: str) -> None:
    make, words = ATTACKS[attack]
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "evil.zip").write_bytes(make())
    with pytest.raises(DataError, match=words) as raised:
        unpack(inside, bounds=Bounds(entries=50, ratio=20, free=1 << 20))
    assert "evil.zip" in str(raised.value) and "member '" in str(raised.value)
    assert [p.name for p in tmp_path.iterdir()] == ["inside"]  # nothing got out
    assert all(p.is_file() and not p.is_symlink() for p in (inside / "out").rglob("*.*"))


def test_what_is_no_archive_is_accounted_for(tmp_path: Path) -> None:
    for name, content in {"a.zip": b"", "b.tar": b"", "c.tgz": b"no archive", "d.zip": b"PK\x03\x04 no zip"}.items():
        (tmp_path / name).write_bytes(content)
    found = unpack(tmp_path)
    assert len(found) == 4 and all(f.damage and not f.taken for f in found)
