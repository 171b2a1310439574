"""Frames out of videos: named as their readers expect, of the wanted size, all of them or none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gfnet_video.datasets.extract import STYLES, Job, Style, extract_clip, is_done, write_frame
from gfnet_video.datasets.findings import examine_frames
from gfnet_video.datasets.frames import extract_entries, extract_folder
from gfnet_video.datasets.manifest_file import Entry
from gfnet_video.errors import ConfigError, DataError
from gfnet_video.video.sandbox import Limits
from tests.clips import cut, encode, number

FRAMES = 12


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encode(tmp_path_factory.mktemp("clip") / "clip.mp4", FRAMES)


AS_THEY_ARE = Style(side=0)


def job(clip: Path, folder: Path, style: Style = AS_THEY_ARE, frames: int = FRAMES) -> Job:
    return Job(clip, folder / "out" / "clip", folder / "work" / "clip", style, frames)


def numbers(folder: Path) -> list[int]:
    """What the frames of a folder show, in the order of their names."""
    return [number(np.asarray(Image.open(file))) for file in sorted(folder.iterdir())]


@pytest.mark.parametrize(
    ("name", "first"), [("tsm", "000001.jpg"), ("something", "00001.jpg"), ("mmaction", "img_00001.jpg")]
)
def test_frames_are_named_and_all_there(clip: Path, tmp_path: Path, name: str, first: str) -> None:
    wanted = job(clip, tmp_path, Style(name, side=0))
    assert not is_done(wanted) and extract_clip(wanted) == "" and is_done(wanted)
    assert sorted(p.name for p in wanted.target.iterdir())[0] == first == STYLES[name] % 1
    assert numbers(wanted.target) == list(range(FRAMES))
    assert not wanted.temporary.exists()
    found = examine_frames(wanted.target, template=STYLES[name], fps=12)
    assert (found.status, found.frames, found.duration) == ("ok", FRAMES, 1.0)


def test_a_segment_is_a_folder_of_its_frames_alone(clip: Path, tmp_path: Path) -> None:
    part = replace(job(clip, tmp_path), start=3, stop=8)
    assert extract_clip(part) == "" and is_done(part)
    assert numbers(part.target) == [3, 4, 5, 6, 7]
    assert min(p.name for p in part.target.iterdir()) == "000001.jpg"


@pytest.mark.parametrize(
    ("height", "width", "side", "size"),
    [(240, 427, 120, (214, 120)), (427, 240, 120, (120, 214)), (100, 176, 256, (176, 100)), (240, 320, 0, (320, 240))],
)
def test_the_short_side_shrinks_and_never_grows(
    tmp_path: Path, height: int, width: int, side: int, size: tuple[int, int]
) -> None:
    file = tmp_path / "frame.jpg"
    write_frame(np.full((height, width, 3), 90, np.uint8), file, Style(side=side))
    with Image.open(file) as picture:
        assert picture.size == size and picture.format == "JPEG"


def test_quality_costs_bytes(tmp_path: Path) -> None:
    frame = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    sizes = []
    for quality in (20, 90):
        write_frame(frame, tmp_path / "frame.jpg", Style(side=0, quality=quality))
        sizes.append((tmp_path / "frame.jpg").stat().st_size)
    assert sizes[1] > 2 * sizes[0]


def test_another_number_of_frames_leaves_nothing(clip: Path, tmp_path: Path) -> None:
    for wrong in (FRAMES - 1, FRAMES + 1):
        wanted = job(clip, tmp_path, frames=wrong)
        assert f"expected {wrong}" in extract_clip(wanted) and not wanted.target.exists()


def test_an_unfinished_folder_is_made_anew(clip: Path, tmp_path: Path) -> None:
    wanted = job(clip, tmp_path)
    extract_clip(wanted)
    (wanted.target / "000005.jpg").unlink()
    wanted.temporary.mkdir(parents=True)
    (wanted.temporary / "000099.jpg").touch()  # what a kill left
    assert not is_done(wanted) and extract_clip(wanted) == ""
    assert numbers(wanted.target) == list(range(FRAMES))


def test_what_is_no_video_is_a_reason(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"no video")
    assert "not a video" in extract_clip(job(tmp_path / "clip.mp4", tmp_path))


@pytest.mark.parametrize("wrong", [{"name": "tms"}, {"side": -1}, {"quality": 0}, {"quality": 101}])
def test_wrong_styles_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=r"did you mean 'tsm'|side is"):
        Style(**wrong)  # type: ignore[arg-type]


def test_entries_become_folders_and_another_style_is_refused(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(clip.read_bytes())
    whole = Entry("a", "clip.mp4", 0, "train", FRAMES, 25.0, FRAMES / 25)
    entries = [
        whole,
        replace(whole, id="a.0", span=(0.1, 0.3)),
        Entry("b", "b.mp4", 0, "test", status="missing", reason="no such file"),
    ]
    calls: list[tuple[str, int, int]] = []

    def run(style: Style) -> list[Entry]:
        return extract_entries(
            entries, style, tmp_path, tmp_path / "work", workers=1, limits=Limits(), progress=lambda *c: calls.append(c)
        )

    first, part, missing = run(Style(side=0))
    assert (first.path, first.frames, first.duration) == ("frames/a", FRAMES, FRAMES / 25)
    assert (part.path, part.frames, part.span, part.duration) == ("frames/a.0", 6, None, 6 / 25)
    assert numbers(tmp_path / "frames" / "a.0") == [2, 3, 4, 5, 6, 7]
    assert (missing.path, missing.status, missing.reason) == ("frames/b", "missing", "no such file")
    assert calls == [("frames", 0, 2), ("frames", 1, 2), ("frames", 2, 2)]
    calls.clear()
    assert run(Style(side=0)) == [first, part, missing] and calls == [("frames", 2, 2)]  # nothing anew
    with pytest.raises(ConfigError, match=r"was written as .*this asks for"):
        run(Style(side=32))


def test_a_folder_of_videos_is_extracted_and_each_failure_told(clip: Path, tmp_path: Path) -> None:
    videos = tmp_path / "videos" / "deep"
    videos.mkdir(parents=True)
    (videos / "good one.mp4").write_bytes(clip.read_bytes())
    cut(clip, 0.5, videos / "cut.mp4")
    found = extract_folder(tmp_path / "videos", tmp_path / "out", Style(side=32), workers=1)
    assert found["deep/good one"] == (FRAMES, "") and found["deep/cut"][1]
    assert len(list((tmp_path / "out" / "deep" / "good one").iterdir())) == FRAMES
    assert not (tmp_path / "out" / "deep" / "cut").exists()
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "out" / "deep").rglob("*.jpg")}
    assert extract_folder(tmp_path / "videos", tmp_path / "out", Style(side=32), workers=1) == found
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "out" / "deep").rglob("*.jpg")} == before
    json.dumps(found)


def test_two_videos_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no video"):
        extract_folder(tmp_path, tmp_path / "out", Style())
    for suffix in ("mp4", "avi"):
        (tmp_path / f"clip.{suffix}").touch()
    with pytest.raises(DataError, match="would both become the folder clip"):
        extract_folder(tmp_path, tmp_path / "out", Style())


@pytest.mark.parametrize(
    ("names", "words"),
    [([], "holds no frame named like"), ([1, 2, 4], "lacks 00003.jpg though it holds 00004.jpg"), ([1, 2], "decoded")],
)
def test_folders_of_frames_are_counted_and_tried(tmp_path: Path, names: list[int], words: str) -> None:
    for n in names:
        write_frame(np.zeros((32, 32, 3), np.uint8), tmp_path / f"{n:05d}.jpg", Style())
    if words == "decoded":
        (tmp_path / "00002.jpg").write_bytes((tmp_path / "00002.jpg").read_bytes()[:200])
    verdict = examine_frames(tmp_path, template="%05d.jpg", fps=12)
    assert verdict.status == "bad" and words in verdict.reason


@pytest.mark.parametrize("template", ["%d.png", "f_%02d.jpg"])
def test_frames_that_are_read_are_found_good(tmp_path: Path, template: str) -> None:
    for n in range(11):
        Image.new("RGB", (16, 8)).save(tmp_path / (template % n))
    verdict = examine_frames(tmp_path, template=template, fps=0.0)
    assert (verdict.status, verdict.frames, verdict.width, verdict.height) == ("ok", 11, 16, 8)
    assert examine_frames(tmp_path, template=template, fps=0.0, min_frames=12).kind == "too_short"
    assert examine_frames(tmp_path / "gone", template=template, fps=0.0).status == "missing"
