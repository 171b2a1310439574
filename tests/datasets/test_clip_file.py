"""Clips out of videos, folders and segments: the frames asked for, whatever the file is like."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image

from gfnet_video.datasets.clips import Clips, build_cache
from gfnet_video.datasets.manifest import Manifest
from gfnet_video.errors import ConfigError, VideoError
from gfnet_video.video.augment import Recipe
from gfnet_video.video.reader import VideoEnded, VideoReader
from gfnet_video.video.samplers import uniform_indices
from gfnet_video.video.transforms import resize_crop
from tests.clips import encode, number, paint, rotate

NAN = float("nan")


def manifest(root: Path, files: list[str], **more: object) -> Manifest:
    names = [f"clip {i}" for i in range(len(files))]
    return Manifest.of("train", "abc", root, names, files, [i % 3 for i in range(len(files))], **more)  # type: ignore[arg-type]


def numbers(frames: torch.Tensor) -> list[int]:
    return [number(f.permute(1, 2, 0).numpy()) for f in frames]


def from_the_start(path: Path) -> list[np.ndarray]:
    """Every frame, decoded by PyAV alone."""
    with av.open(str(path), metadata_errors="ignore") as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def variable_rate(path: Path) -> None:
    """Frames shown for one to four ticks each."""
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25, options={"bf": "2", "preset": "veryfast", "threads": "1"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 100)
        time = 0
        for i in range(60):
            picture = av.VideoFrame.from_ndarray(paint(i), format="rgb24")
            picture.pts, picture.time_base = time, Fraction(1, 100)
            time += 1 + i * 7 % 4 * 3
            container.mux(stream.encode(picture))
        container.mux(stream.encode())


def moving_gif(path: Path) -> None:
    pictures = [Image.fromarray(paint(i)) for i in range(20)]
    pictures[0].save(
        path, "GIF", save_all=True, append_images=pictures[1:], duration=[40 + 20 * (i % 3) for i in range(20)]
    )


def broken_tag(path: Path) -> None:
    """A title that is not UTF-8, as old AVIs carry."""
    with av.open(str(path), "w", format="avi") as container:
        container.metadata["title"] = "tag-to-break"
        stream = container.add_stream("mpeg4", rate=25, options={"qscale": "2"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for i in range(30):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(paint(i), format="rgb24")))
        container.mux(stream.encode())
    data = path.read_bytes()
    assert b"tag-to-break" in data
    path.write_bytes(data.replace(b"tag-to-break", b"tag-\xff\xfe\xe9break"))
    with pytest.raises(UnicodeDecodeError):
        av.open(str(path))


def odd_sides(path: Path) -> None:
    """71 by 67: the planes of colour are rounded up, and rows are padded."""
    with av.open(str(path), "w", format="webm") as container:
        stream = container.add_stream("libvpx-vp9", rate=25, options={"deadline": "realtime", "threads": "1"})
        stream.width, stream.height, stream.pix_fmt = 71, 67, "yuv420p"
        for i in range(30):
            picture = np.pad(paint(i), ((0, 3), (0, 7), (0, 0)), mode="reflect")
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


MAKERS = {
    "variable.mp4": variable_rate,
    "moving.gif": moving_gif,
    "tag.avi": broken_tag,
    "odd.webm": odd_sides,
    "narrow.mp4": lambda path: encode(path, 30, width=48, height=80),
}


@pytest.mark.parametrize("name", MAKERS)
def test_odd_files_give_the_frames_that_decoding_from_the_start_gives(tmp_path: Path, name: str) -> None:
    MAKERS[name](tmp_path / name)
    truth = from_the_start(tmp_path / name)
    clips = Clips(manifest(tmp_path, [name]), 6, 32)
    pixels, label, wrong = clips[0]
    assert (label, wrong) == (0, "")
    with VideoReader(tmp_path / name) as video:
        assert video.header_frames == len(truth)
        for got, expected in zip(video.every(), truth, strict=True):
            np.testing.assert_array_equal(got, expected)
    wanted = uniform_indices(len(truth), 6)
    assert torch.equal(pixels, resize_crop(np.stack([truth[i] for i in wanted]), frame_side=32))


def test_a_phone_held_upright_is_read_upright(tmp_path: Path) -> None:
    rotate(encode(tmp_path / "phone.mp4", 12, width=96, height=64))
    truth = [np.ascontiguousarray(np.rot90(frame, 3)) for frame in from_the_start(tmp_path / "phone.mp4")]
    assert truth[0].shape == (96, 64, 3)
    pixels = Clips(manifest(tmp_path, ["phone.mp4"]), 4, 32)[0][0]
    assert torch.equal(pixels, resize_crop(np.stack([truth[i] for i in uniform_indices(12, 4)]), frame_side=32))


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 400 numbered frames at 25 a second: far enough that the reader seeks."""
    root = tmp_path_factory.mktemp("long")
    encode(root / "long.mp4", 400, keyframe_every=20)
    return root


SPANS = [(0.0, 2.0), (4.0, 6.0), (13.0, 15.0), (14.0, 99.0), (NAN, NAN)]
EXPECTED = [[6, 18, 31, 43], [106, 118, 131, 143], [331, 343, 356, 368], [356, 368, 381, 393], [50, 150, 250, 350]]


def test_segments_are_parts_of_their_video(long: Path, tmp_path: Path) -> None:
    rows = manifest(long, ["long.mp4"] * 5, spans=SPANS)
    clips = Clips(rows, 4, 64)
    assert [numbers(clips.read(i)) for i in range(5)] == EXPECTED
    cached = Clips(rows, 4, 64, cache=build_cache(rows, 64, tmp_path / "cache"))
    assert [numbers(cached.read(i)) for i in range(5)] == EXPECTED
    drawn = Clips(rows, 4, 64, jitter=True)
    assert all(100 <= n < 150 for n in numbers(drawn.read(1)))


@pytest.mark.parametrize(
    ("span", "words"),
    [
        ((99.0, 120.0), r"long\.mp4: its clip 'clip 0', 99 to 120 s, begins after the last of its 400 frames"),
        ((5.0, 4.0), r"long\.mp4: its clip 'clip 0', 5 to 4 s, cannot be read: a span is"),
    ],
)
def test_a_segment_that_is_not_there_is_named(long: Path, span: tuple[float, float], words: str) -> None:
    with pytest.raises(VideoError, match=words):
        Clips(manifest(long, ["long.mp4"], spans=[span]), 4, 64).read(0)


def test_folders_are_clips_and_seconds_need_a_rate(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for i in range(1, 21):
        Image.fromarray(paint(i)).save(tmp_path / "a" / f"{i:05d}.jpg")
    rows = manifest(tmp_path, ["a", "b"], template="%05d.jpg")
    clips = Clips(rows, 4, 64)
    assert numbers(clips.read(0)) == [n + 1 for n in uniform_indices(20, 4)]
    cached = Clips(rows, 4, 64, cache=build_cache(rows, 64, tmp_path / "cache"))
    assert torch.equal(cached.read(0), clips.read(0)) and cached[1][2] == clips[1][2] != ""
    (tmp_path / "a" / "00013.jpg").write_bytes(b"")
    assert clips[0][1:] == (-1, f"{tmp_path}/a/00013.jpg: is empty (0 bytes)")
    assert build_cache(rows, 64, tmp_path / "cache").bad.keys() == {0, 1}  # and the cache follows
    with pytest.raises(VideoError, match="frames come at no known rate"):
        Clips(manifest(tmp_path, ["a"], template="%05d.jpg", spans=[(0.0, 1.0)]), 4, 64).read(0)


def test_a_count_in_the_manifest_is_believed_until_decoding_ends_early(
    liar: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with VideoReader(liar) as video:
        true = video.count()
    counted = manifest(liar.parent, [liar.name], frames=[true])
    monkeypatch.setattr(VideoReader, "count", lambda self: pytest.fail("counted again"))
    assert numbers(Clips(counted, 4, 64).read(0)) == uniform_indices(true, 4)
    monkeypatch.undo()
    stale = manifest(liar.parent, [liar.name], frames=[true + 20])
    with pytest.raises(VideoEnded, match=f"decoding ends after {true} frames"):
        Clips(stale, 4, 64).read(0)
    assert max(numbers(Clips(stale, 4, 64, jitter=True).read(0))) < true


def test_dense_clips_lie_in_one_window(long: Path) -> None:
    rows = manifest(long, ["long.mp4"])
    assert numbers(Clips(rows, 4, 64, sampler="dense").read(0)) == [168, 184, 200, 216]
    drawn = numbers(Clips(rows, 4, 64, sampler="dense", jitter=True).read(0))
    assert np.diff(drawn).tolist() == [16, 16, 16] and drawn != [168, 184, 200, 216]
    with pytest.raises(ConfigError, match="unknown sampler 'dens'; did you mean 'dense'"):
        Clips(rows, 4, 64, sampler="dens")


def test_a_flipped_clip_has_its_mirrors_label(long: Path) -> None:
    rows = manifest(long, ["long.mp4"] * 3)  # labels 0, 1, 2
    plain, mirror = Clips(rows, 2, 64), Recipe(mirror=(1, 0, 2))
    clips = Clips(rows, 2, 64, recipe=mirror)
    seen = set()
    for clips.epoch in range(8):
        for i in range(3):
            pixels, label, _ = clips[i]
            flipped = not torch.equal(pixels, plain.read(i))
            assert torch.equal(pixels, plain.read(i).flip(-1) if flipped else plain.read(i))
            assert label == ((1, 0, 2)[i] if flipped else i)
            seen.add((i, flipped))
    assert len(seen) == 6


def test_crops_need_the_whole_frame(long: Path, tmp_path: Path) -> None:
    rows = manifest(long, ["long.mp4"], spans=[(0.0, 1.0)])
    cache = build_cache(rows, 64, tmp_path / "cache")
    with pytest.raises(ConfigError, match="the cache keeps centre squares: set train"):
        Clips(rows, 4, 64, cache=cache, recipe=Recipe("multi_scale"))
    assert Clips(rows, 4, 64, cache=cache, recipe=Recipe(mirror=(0, 1, 2), randaugment=(2, 9))).read(0).shape[0] == 4
