"""A picture is a video of one frame: upright, whole or an error in words, and nothing else is taken for one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gfnet_video.errors import ConfigError, DataError, VideoError
from gfnet_video.inference.files import find_videos
from gfnet_video.inference.runner import open_video
from gfnet_video.video import picture
from gfnet_video.video.picture import ORIENTATION, TURNS, PictureReader, is_picture, read_picture
from gfnet_video.video.probe import examine
from gfnet_video.video.reader import VideoEnded, VideoReader
from tests.clips import encode, paint


def saved(path: Path, pixels: np.ndarray, **how: object) -> Path:
    Image.fromarray(pixels).save(path, **how)  # type: ignore[arg-type]
    return path


def red_above(height: int = 8, width: int = 16) -> np.ndarray:
    """Red in the upper left quarter, else black."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2, 0] = 255
    return pixels


@pytest.mark.parametrize("suffix", ["png", "bmp", "webp", "PNG"])
def test_each_format_gives_its_pixels_once_for_each_index(tmp_path: Path, suffix: str) -> None:
    path = saved(tmp_path / f"a.{suffix}", paint(77), **({"lossless": True} if suffix == "webp" else {}))
    with open_video(path) as video:
        assert isinstance(video, PictureReader) and (video.header_frames, video.count()) == (1, 1)
        first, second = video.read([0, 0])
        assert np.array_equal(first, paint(77)) and second is first
        with pytest.raises(VideoEnded) as ended:
            list(video.read([0, 1]))
    assert ended.value.frames == 1
    with pytest.raises(ConfigError, match="must not be negative"):
        video.read([-1])


@pytest.mark.parametrize("turn", [1, *TURNS, 99])
def test_exif_turns_it_as_a_viewer_does(tmp_path: Path, turn: int) -> None:
    """Each file is stored so that, turned as its tag asks, it shows the same; 99 is no turn at all."""
    stored = Image.fromarray(red_above())
    if turn in TURNS:
        back = {6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}.get(turn, TURNS[turn])
        stored = stored.transpose(back)
    exif = Image.Exif()
    exif[ORIENTATION] = turn
    stored.save(tmp_path / "a.jpg", exif=exif, quality=100, subsampling=0)
    assert np.abs(read_picture(tmp_path / "a.jpg").astype(int) - red_above()).mean() < 3


def test_damaged_exif_is_shown_as_stored(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.jpg", red_above(), exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff")
    assert read_picture(path).shape == (8, 16, 3)


def test_transparent_is_white_and_sixteen_bits_keep_their_light(tmp_path: Path) -> None:
    Image.new("RGBA", (4, 4), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    assert (read_picture(tmp_path / "clear.png") == 255).all()
    saved(tmp_path / "deep.png", np.full((4, 4), 0x8000, np.uint16))
    assert (read_picture(tmp_path / "deep.png") == 0x80).all()


def cut_off(path: Path) -> None:
    data = saved(path, np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).read_bytes()
    path.write_bytes(data[: len(data) // 2])


def moving(path: Path) -> None:
    frames = [Image.fromarray(paint(n)) for n in range(3)]
    frames[0].save(path, "PNG", save_all=True, append_images=frames[1:])


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "no such file"),
    "empty": (Path.touch, r"is empty \(0 bytes\)"),
    "text": (lambda path: path.write_text("hello"), "is not a JPEG, PNG, WEBP or BMP picture"),
    "a video": (lambda path: encode(path), "is not a JPEG, PNG, WEBP or BMP picture"),
    "a gif": (lambda path: Image.new("L", (8, 8)).save(path, "GIF"), "is not a JPEG, PNG, WEBP or BMP picture"),
    "cut": (cut_off, "cannot be decoded"),
    "moving": (moving, r"moves \(3 frames\); convert it to a video"),
    "a folder": (Path.mkdir, "is not a regular file"),
    "a pipe": (os.mkfifo, "is not a regular file"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_picture_is_said(tmp_path: Path, kind: str) -> None:
    make, words = BAD[kind]
    make(tmp_path / "a.png")
    with pytest.raises(VideoError, match=rf"a\.png: {words}"):
        list(open_video(tmp_path / "a.png").read([0]))
    assert examine(tmp_path / "a.png").status == ("missing" if kind == "missing" else "bad")


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("1", (20_000, 20_000)).save(tmp_path / "bomb.png")
    monkeypatch.setattr(picture, "_opaque", lambda image: pytest.fail("it was decoded"))
    with pytest.raises(VideoError, match=r"bomb\.png: (is 20000x20000|cannot be decoded \(Image size)"):
        read_picture(tmp_path / "bomb.png")
    monkeypatch.setattr(picture, "PIXELS", 15)
    saved(tmp_path / "a.png", red_above())
    with pytest.raises(VideoError, match="is 16x8; at most 15 pixels are read"):
        read_picture(tmp_path / "a.png")


def test_suffix_and_first_bytes_tell_a_picture_from_a_video(tmp_path: Path) -> None:
    saved(tmp_path / "photo", red_above(), format="JPEG")
    saved(tmp_path / "still.mp4", red_above(), format="WEBP")
    encode(tmp_path / "clip.mp4")
    assert is_picture(tmp_path / "photo") and is_picture(tmp_path / "still.mp4") and is_picture("absent.JPG")
    assert not is_picture(tmp_path / "clip.mp4") and not is_picture(tmp_path) and not is_picture("nul\0")
    assert isinstance(open_video(tmp_path / "clip.mp4"), VideoReader)


def test_check_knows_pictures(tmp_path: Path) -> None:
    found = examine(saved(tmp_path / "a.png", red_above()))
    assert (found.status, found.frames, found.width, found.height) == ("ok", 1, 16, 8)
    assert examine(tmp_path / "a.png", min_frames=2).kind == "too_short"


def test_a_folder_gives_its_videos_or_else_its_pictures_or_is_a_video(tmp_path: Path) -> None:
    photos, frames, mixed = (tmp_path / name for name in ("photos", "photos/frames", "photos/mixed"))
    for folder, names in ((photos, ("cat.jpg", "dog 7.png")), (frames, ("01.png", "02.png")), (mixed, ("cover.jpg",))):
        folder.mkdir()
        for name in names:
            saved(folder / name, red_above())
    encode(mixed / "clip.mp4")
    said: list[str] = []
    find_videos([str(photos)], said.append)
    assert said == [f"{mixed}: pictures passed over, for videos lie beside them: 1; name them to take them"]
    assert find_videos([str(photos)]) == [photos / "cat.jpg", photos / "dog 7.png", frames, mixed / "clip.mp4"]
    (photos / "IMG_0412.jpg").touch()  # a camera's number is no frame's
    assert photos / "IMG_0412.jpg" in find_videos([str(photos)])
    (tmp_path / "odd").mkdir()
    odd = [saved(tmp_path / "odd" / f"p%{n}.jpg", red_above()) for n in (1, 2)]
    assert find_videos([str(tmp_path / "odd")]) == odd  # no template can name them as frames


def test_a_glob_gives_each_file_once_and_passes_over_empty_folders(tmp_path: Path) -> None:
    for name in ("a.mp4", "deep/b.mp4", "deep/deeper/c.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "frames").mkdir()
    saved(tmp_path / "frames" / "1.png", red_above())
    found = [tmp_path / name for name in ("a.mp4", "deep/b.mp4", "deep/deeper/c.mp4", "frames")]
    assert find_videos([str(tmp_path / "**")]) == find_videos([str(tmp_path / "*")]) == found
    with pytest.raises(DataError, match=r"\*pty: this glob matches only folders without videos or pictures"):
        find_videos([str(tmp_path / "*pty")])
