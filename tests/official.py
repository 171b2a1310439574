"""Downloads in the publishers' own forms, small: real clips, real archives in parts, official annotation files."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from PIL import Image

from tests.clips import encode, paint
from tests.trees import TEMPLATES, write

V1_CLASSES = (
    "Holding something",
    "Turning something upside down",
    "Turning the camera left while filming something",
    "Stacking number of something",
    "Pushing something so that it almost falls off but doesn't",
    "Showing something, something and something to the camera",
)
JESTER_CLASSES = ("Swiping Left", "Swiping Right", "Turning Hand Clockwise", "Turning Hand Counterclockwise")
TRAIN, VALIDATION = 12, 4
DAMAGED, MISSING = "103", "105"  # of train


@cache
def video(folder: Path, frames: int, variant: str = "vp9_webm") -> bytes:
    """A numbered clip, encoded once a session."""
    return encode(folder / f"{variant}_{frames}", frames, variant).read_bytes()


@cache
def jpeg(number: int) -> bytes:
    """A numbered frame."""
    out = io.BytesIO()
    Image.fromarray(paint(number)).save(out, "JPEG", quality=80)
    return out.getvalue()


def tar(members: Iterable[tuple[str, bytes]], mode: str = "w:gz") -> bytes:
    """A tar of (name, content), folders left out, as `cat NAME-?? | tar zx` expects it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def parts(folder: Path, base: str, data: bytes, count: int) -> list[Path]:
    """Cut an archive into `count` files BASE-00, BASE-01, ..."""
    size = -(-len(data) // count)
    files = [folder / f"{base}-{n:02d}" for n in range(count)]
    for n, file in enumerate(files):
        file.write_bytes(data[n * size : (n + 1) * size])
    return files


def ids() -> dict[str, list[str]]:
    """Clip ids by list."""
    return {
        "train": [str(100 + n) for n in range(TRAIN)],
        "validation": [str(200 + n) for n in range(VALIDATION)],
    }


def sthv2(folder: Path, clips: Path) -> Path:
    """Something-Something V2: two parts of one .tgz, labels in a zip; one clip damaged, one missing."""
    members = []
    for n, clip in enumerate(c for held in ids().values() for c in held):
        data = video(clips, 10 + n % 3)
        if clip != MISSING:
            members.append((f"20bn-something-something-v2/{clip}.webm", data[:300] if clip == DAMAGED else data))
    folder.mkdir(parents=True, exist_ok=True)
    parts(folder, "20bn-something-something-v2", tar(members), 2)
    with zipfile.ZipFile(folder / "20bn-something-something-download-package-labels.zip", "w") as labels:
        labels.writestr("labels/labels.json", json.dumps({_plain(t): str(i) for i, t in enumerate(TEMPLATES)}))
        for name, held in ids().items():
            labels.writestr(f"labels/{name}.json", json.dumps([_item(c, n) for n, c in enumerate(held)]))
        labels.writestr("labels/test.json", json.dumps([{"id": "300"}]))
    return folder


def _plain(template: str) -> str:
    return template.replace("[", "").replace("]", "")


def _item(clip: str, n: int) -> dict[str, object]:
    return {"id": clip, "label": "a label", "template": TEMPLATES[n % len(TEMPLATES)], "placeholders": []}


def frames_of(clip: str) -> int:
    """How many frames a clip of frames has."""
    return 4 + int(clip) % 3


def jpegs(folder: str) -> list[tuple[str, bytes]]:
    """The members of an archive of frames; one clip has a broken last frame, one is missing."""
    members = []
    for clip in (c for held in ids().values() for c in held if c != MISSING):
        for n in range(1, frames_of(clip) + 1):
            broken = clip == DAMAGED and n == frames_of(clip)
            members.append((f"{folder}/{clip}/{n:05d}.jpg", jpeg(n)[:200] if broken else jpeg(n)))
    return members


def csv(folder: Path, pattern: str, classes: tuple[str, ...]) -> None:
    """Official csv files: labels in file order, lists without quotes, the test without labels."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / pattern.format("labels")).write_text("".join(f"{c}\n" for c in classes))
    for name, held in ids().items():
        rows = [f"{c};{classes[n % len(classes)]}\n" for n, c in enumerate(held)]
        (folder / pattern.format(name)).write_text("".join(rows))
    (folder / pattern.format("test")).write_text("300\n301\n")


def sthv1(folder: Path) -> Path:
    """Something-Something V1: three parts of one .tgz, csv files beside them."""
    csv(folder, "something-something-v1-{}.csv", V1_CLASSES)
    parts(folder, "20bn-something-something-v1", tar(jpegs("20bn-something-something-v1")), 3)
    return folder


def jester(folder: Path) -> Path:
    """Jester: each part in a zip of its own, labels in a zip."""
    csv(folder / "written", "{}.csv", JESTER_CLASSES)
    for file in parts(folder, "20bn-jester-v1", tar(jpegs("20bn-jester-v1")), 2):
        with zipfile.ZipFile(folder / f"{file.name}.zip", "w") as outer:
            outer.write(file, f"20bn-jester-v1/{file.name}")
        file.unlink()
    with zipfile.ZipFile(folder / "20bn-jester-download-package-labels.zip", "w") as labels:
        for file in sorted((folder / "written").iterdir()):
            labels.write(file, f"labels/{file.name}")
            file.unlink()
    (folder / "written").rmdir()
    return folder


ACTIVITIES = {
    "v1aaaaaaaaa": ("training", "mp4", [([0.0, 0.4], "Mooping floor"), ([0.5, 0.9], "Plataform diving")]),
    "v2aaaaaaaaa": ("training", "mkv", [([0.1, 1.2], "Mooping floor")]),
    "-3aaaaaaaaa": ("training", "mp4", [([0.0, 1.0], "Archery")]),
    "v4aaaaaaaaa": ("training", "mp4", [([0.2, 1.0], "Archery")]),
    "v5aaaaaaaaa": ("training", "mp4", [([0.2, 1.0], "Plataform diving"), ([90.0, 95.0], "Archery")]),
    "v6aaaaaaaaa": ("training", "", [([0.2, 1.0], "Plataform diving")]),
    "v7aaaaaaaaa": ("validation", "webm", [([0.0, 1.0], "Archery"), ([0.2, 0.4], "Mooping floor")]),
    "v8aaaaaaaaa": ("validation", "mp4", [([0.0, 0.5], "Mooping floor"), ([0.6, 0.9], "Mooping floor")]),
    "v9aaaaaaaaa": ("testing", "mp4", []),
}
CONTAINERS = {"mp4": "x264_mp4", "webm": "vp9_webm", "mkv": "vp9_webm"}


def activitynet(folder: Path, clips: Path, name: str = "activity_net.v1-3.min.json") -> Path:
    """ActivityNet: a database, and the videos as a crawler left them; v6 is missing, a segment of v5 is not there."""
    (folder / "crawled").mkdir(parents=True, exist_ok=True)
    database = {}
    for video_id, (subset, suffix, pairs) in ACTIVITIES.items():
        held = [{"segment": segment, "label": label} for segment, label in pairs]
        database[video_id] = {"duration": 1.0, "subset": subset, "resolution": "64x64", "url": "", "annotations": held}
        if suffix:
            data = video(clips, 25, CONTAINERS[suffix])
            (folder / "crawled" / f"v_{video_id}.{suffix}").write_bytes(data)
    write(folder / name, {"version": "VERSION 1.3", "taxonomy": taxonomy(), "database": database})
    return folder


def taxonomy() -> list[dict[str, object]]:
    """Three leaves below two groups below the root."""
    pairs = [
        ("Root", None),
        ("Household", "Root"),
        ("Sports", "Root"),
        ("Plataform diving", "Sports"),
        ("Mooping floor", "Household"),
        ("Archery", "Sports"),
    ]
    number = {name: n for n, (name, _) in enumerate(pairs)}
    return [
        {"nodeId": number[name], "nodeName": name, "parentId": number.get(parent or ""), "parentName": parent}
        for name, parent in pairs
    ]
