"""Frames in folders are those of the video, up to JPEG; one that is missing or broken is named, never replaced."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gfnet_video.datasets import frame_folders
from gfnet_video.datasets.frame_folders import FolderReader
from gfnet_video.errors import ConfigError, VideoError
from gfnet_video.video import picture
from gfnet_video.video.reader import VideoReader
from tests.clips import number

TEMPLATES = ("%05d.jpg", "%06d.jpg", "img_%05d.jpg", "image_%05d.jpg")


def extract(video: Path, folder: Path, template: str = "%05d.jpg", first: int = 1) -> Path:
    """Write the frames of a video as pictures, as an extractor does."""
    folder.mkdir(parents=True)
    with VideoReader(video) as frames:
        for i, frame in enumerate(frames.every(), first):
            Image.fromarray(frame).save(folder / (template % i), quality=95)
    return folder


@pytest.fixture(scope="module")
def pictures(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The 36 numbered frames of the clip."""
    return extract(clip, tmp_path_factory.mktemp("frames") / "clip")


@pytest.fixture
def folder(pictures: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(pictures, tmp_path / "clip"))


def test_a_folder_is_its_video(clip: Path, pictures: Path) -> None:
    with VideoReader(clip) as video, FolderReader(pictures, "%05d.jpg") as frames:
        assert frames.header_frames == frames.count() == video.header_frames == 36
        for own, other in zip(frames.every(), video.every(), strict=True):
            assert own.dtype == np.uint8 and np.abs(own.astype(int) - other).mean() < 2
        assert [number(f) for f in frames.read([0, 7, 7, 35])] == [0, 7, 7, 35]


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("first", [0, 1])
def test_names_of_all_kinds_from_nought_or_one(clip: Path, tmp_path: Path, template: str, first: int) -> None:
    folder = extract(clip, tmp_path / "clip", template, first)
    for other in ("notes.txt", "thumb_00099.jpg", "99.jpg", ".00001.jpg.part", "flow_x_00099.jpg"):
        (folder / other).write_text("not a frame")
    frames = FolderReader(folder, template)
    assert frames.count() == 36 and [number(f) for f in frames.read([0, 20, 35])] == [0, 20, 35]


def test_nothing_is_opened_before_it_is_asked_for(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    read = frame_folders.read_frame
    monkeypatch.setattr(frame_folders, "read_frame", lambda file: opened.append(file.name) or read(file))
    frames = FolderReader(pictures, "%05d.jpg").read([3, 3, 9, 35])
    assert opened == []
    next(frames), next(frames)
    assert opened == ["00004.jpg"]
    next(frames)
    assert opened == ["00004.jpg", "00010.jpg"]


BROKEN = {
    "missing": (Path.unlink, "no such frame"),
    "empty": (lambda file: file.write_bytes(b""), r"is empty \(0 bytes\)"),
    "text": (lambda file: file.write_text("hello"), "is not a JPEG or PNG picture"),
    "cut": (lambda file: file.write_bytes(file.read_bytes()[:400]), "cannot be decoded"),
    "a gif": (lambda file: Image.new("RGB", (64, 64)).save(file, "GIF"), "is not a JPEG or PNG picture"),
    "a folder": (lambda file: (file.unlink(), file.mkdir()), "is not a regular file"),
    "smaller": (lambda file: Image.new("RGB", (48, 32)).save(file), "is 48x32; the frames before it are 64x64"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_bad_frame_is_named(folder: Path, kind: str) -> None:
    damage, words = BROKEN[kind]
    damage(folder / "00008.jpg")  # type: ignore[operator]
    frames = FolderReader(folder, "%05d.jpg")
    assert [number(f) for f in frames.read([0, 6, 8])] == [0, 6, 8]  # the others are as they were
    with pytest.raises(VideoError, match=rf"00008\.jpg: {words}") as raised:
        list(frames.read([0, 7, 8]))
    assert raised.value.path == str(folder / "00008.jpg")
    with pytest.raises(VideoError, match=r"00008\.jpg"):
        list(frames.every())


def test_a_picture_too_large_to_be_a_frame(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture, "PIXELS", 64 * 64 - 1)
    with pytest.raises(VideoError, match=r"00001\.jpg: is 64x64; at most 4,095 pixels are read"):
        next(FolderReader(folder, "%05d.jpg").read([0]))


def test_grey_and_png_pictures_are_frames_too(tmp_path: Path) -> None:
    Image.new("L", (6, 4), 77).save(tmp_path / "1.png")
    frame = next(FolderReader(tmp_path, "%d.png").read([0]))
    assert frame.shape == (4, 6, 3) and (frame == 77).all() and frame.flags.writeable


def test_what_is_no_folder_of_frames(tmp_path: Path, pictures: Path) -> None:
    with pytest.raises(VideoError, match="absent: no such folder of frames"):
        FolderReader(tmp_path / "absent", "%05d.jpg")
    (tmp_path / "file").touch()
    with pytest.raises(VideoError, match="file: is not a folder of frames"):
        FolderReader(tmp_path / "file", "%05d.jpg")
    other = FolderReader(pictures, "img_%05d.jpg")
    assert other.header_frames is None
    with pytest.raises(VideoError, match=r"clip: holds no frame named img_%05d\.jpg"):
        other.count()


@pytest.mark.parametrize("template", ["frame.jpg", "%05d_%05d.jpg", "../%05d.jpg", "%s.jpg", "%05d%%.jpg"])
def test_a_template_names_one_number(pictures: Path, template: str) -> None:
    with pytest.raises(ConfigError, match="expected a file name with one number, such as"):
        FolderReader(pictures, template)


def test_indices_must_not_decrease(pictures: Path) -> None:
    for wrong in ([3, 2], [-1]):
        with pytest.raises(ConfigError, match="must not"):
            FolderReader(pictures, "%05d.jpg").read(wrong)
