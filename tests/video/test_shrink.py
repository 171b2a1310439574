"""Frames that libav scales while it converts their colours: the same pictures, nearly the same pixels, smaller."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Condition

import av
import numpy as np
import pytest
from PIL import Image

import gfnet_video as gf
from gfnet_video.checkpoint import CLIPS
from gfnet_video.cli.main import run
from gfnet_video.datasets import clip_file
from gfnet_video.datasets.annotations import read_manifest
from gfnet_video.datasets.catalog import dataset
from gfnet_video.datasets.clips import open_clips
from gfnet_video.errors import ConfigError
from gfnet_video.inference.many import predict_many
from gfnet_video.inference.runner import Options
from gfnet_video.records import Prediction
from gfnet_video.video.feed import Feed
from gfnet_video.video.pixels import cut_frame
from gfnet_video.video.reader import VideoReader
from gfnet_video.video.worker import LIMITS
from tests import models, trees
from tests.clips import encode, number, rotate
from tests.video.test_feed import taken

LARGE = 4 * models.SIDE


def test_real_frames_are_nearly_those_cut_from_whole_ones() -> None:
    """Two levels of 255 at most on average, where another frame of the clip is far more away."""
    (path, *_) = sorted(CLIPS.glob("*.webm"))
    whole, small = (list(VideoReader(path, shrink=s).read([0, 9, 30])) for s in (0, 48))
    cuts, near = ([cut_frame(f, frame_side=48).astype(int) for f in frames] for frames in (whole, small))
    assert {f.shape for f in small} == {(48, 48, 3)} and len({f.shape for f in whole}) == 1
    for a, b in zip(cuts, near, strict=True):
        assert 0 < np.abs(a - b).mean() < 2
    assert np.abs(cuts[0] - near[2]).mean() > 2 * np.abs(cuts[0] - near[0]).mean()


def coloured(path: Path, width: int, height: int) -> Path:
    """A VP9 webm of eight frames of smooth strong colours."""
    dice = np.random.default_rng(0)
    with av.open(str(path), "w", format="webm") as container:
        stream = container.add_stream("libvpx-vp9", rate=25, options={"crf": "4", "b": "0", "cpu-used": "8"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(8):
            coarse = Image.fromarray(dice.integers(0, 256, (6, 8, 3), np.uint8))
            picture = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize(("width", "height", "side"), [(640, 480, 96), (428, 240, 96), (480, 640, 64), (320, 240, 49)])
def test_colours_are_kept_in_even_and_odd_widths(width: int, height: int, side: int, tmp_path: Path) -> None:
    path = coloured(tmp_path / "a.webm", width, height)
    whole, small = (list(VideoReader(path, reader="pyav", shrink=s).read([0, 5])) for s in (0, side))
    for a, b in zip(whole, small, strict=True):
        assert min(b.shape[:2]) == side
        apart = np.abs(cut_frame(a, frame_side=side).astype(int) - cut_frame(b, frame_side=side))
        assert apart.mean() < 2 and apart.max() < 12


@pytest.mark.parametrize("variant", ["x264_mp4", "vp9_webm"])
def test_the_same_frames_in_sequence_and_after_a_seek(variant: str, tmp_path: Path) -> None:
    path = encode(tmp_path / "long", 330, variant, width=LARGE, height=LARGE)
    for indices, proof in (([0, 5, 5, 90], "sequence"), ([3, 200, 320], "timestamps")):
        video = VideoReader(path, shrink=models.SIDE)
        frames = list(video.read(indices))
        assert [number(f) for f in frames] == indices and (video.reader, video.proof) == ("pyav", proof)
        assert {f.shape for f in frames} == {(models.SIDE, models.SIDE, 3)}


def test_what_is_not_twice_as_large_stays_whole(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", 8, width=160, height=96)
    (whole,) = VideoReader(path, reader="pyav").read([5])
    (left,) = VideoReader(path, shrink=49).read([5])
    (small,) = VideoReader(path, shrink=48).read([5])
    assert np.array_equal(whole, left) and whole.shape == (96, 160, 3) and small.shape == (48, 80, 3)


def test_a_phone_held_upright_is_shrunk_and_turned(tmp_path: Path) -> None:
    path = rotate(encode(tmp_path / "phone.mp4", 8, width=192, height=128))
    (whole,) = VideoReader(path).read([3])
    (small,) = VideoReader(path, shrink=32).read([3])
    assert (whole.shape, small.shape) == ((192, 128, 3), (48, 32, 3))
    assert np.abs(whole[2::4, 2::4].astype(int) - small).mean() < 12  # sharp edges between the cells


def test_decord_cannot_and_says_so(clip: Path) -> None:
    with pytest.raises(ConfigError, match="decord cannot shrink frames; take auto or pyav"):
        VideoReader(clip, reader="decord", shrink=16)


def test_inference_gives_the_same_in_this_process_in_another_and_together(checkpoint: Path, tmp_path: Path) -> None:
    paths = [encode(tmp_path / f"{n}.mp4", n, width=LARGE, height=LARGE) for n in (9, 20)]
    model, options = gf.load(checkpoint), Options(shrink=True)
    near = [gf.predict(model, path, options=options) for path in paths]
    for found in (
        predict_many(model, paths, options),
        predict_many(model, paths, options, LIMITS),
        predict_many(model, paths, options, jobs=2),
    ):
        for one, other in zip(near, found, strict=True):
            assert isinstance(other, Prediction)
            assert one.step_scores == pytest.approx(other.step_scores, abs=1e-4)
            assert one.frame_indices == other.frame_indices and one.seconds.keys() >= {"decode", "focus"}
    whole = gf.predict(model, paths[0])
    assert whole.step_scores != near[0].step_scores and whole.frame_indices == near[0].frame_indices


def test_a_stream_of_large_frames_comes_small(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", 30, width=LARGE, height=LARGE)
    whole, small = (list(taken(Feed(str(path), 0.2, bell=Condition(), shrink=s))) for s in (0, models.SIDE))
    assert [number(s.pixels) for s in small] == [number(s.pixels) for s in whole] and len(small) == 6
    assert {s.pixels.shape for s in small} == {(models.SIDE, models.SIDE, 3)}


def test_evaluation_sees_the_pixels_that_inference_does(checkpoint: Path, own: Path) -> None:
    for n in range(5):
        encode(own / trees.FOLDER / f"{200 + n}.webm", 12, "vp9_webm", width=LARGE, height=LARGE)
    model, manifest = gf.load(checkpoint), read_manifest(dataset("sthv2"), own, "test")
    small = open_clips(manifest, model.config, None, shrink=model.config.shrunk_to(True))
    with VideoReader(manifest.path(1), shrink=models.SIDE) as video:
        frames = [f.transpose(2, 0, 1) for f in video.read(small.indices(12, 1))]
    assert np.array_equal(small.read(1).numpy(), frames)
    assert not np.array_equal(open_clips(manifest, model.config, None).read(1).numpy(), frames)


def test_what_is_cached_is_not_shrunk(tree: Path, tmp_path: Path) -> None:
    manifest = read_manifest(dataset("sthv2"), tree, "test")
    with pytest.raises(ConfigError, match="shrunk to 32, but the cache keeps those that were not"):
        open_clips(manifest, models.config(), tmp_path / "cache", shrink=32)


def test_a_size_that_changes_within_a_clip_is_told(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a phone that is turned while it records may write it, into containers that allow it."""

    class Turning(VideoReader):
        def read(self, indices: Sequence[int]) -> Iterator[np.ndarray]:
            yield from (f if i < 4 else f.transpose(1, 0, 2)[::2] for i, f in enumerate(super().read(indices)))

    monkeypatch.setattr(clip_file, "VideoReader", Turning)
    manifest = read_manifest(dataset("sthv2"), tree, "test")
    frames, label, wrong = open_clips(manifest, models.config(), None, shrink=32)[0]
    assert (label, len(frames)) == (-1, 0) and "200.webm: its frames change from 32x32 to 32x16" in wrong


@pytest.mark.parametrize("refused", [["--cache"], ["--protocol", "centre"]])
def test_what_is_measured_otherwise_is_not_shrunk(
    refused: list[str], checkpoint: Path, tree: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["eval", "--model", str(checkpoint), "--dataset", "sthv2", "--data", str(tree), "--shrink", *refused]
    assert run(words) == 2 and "--shrink" in capfd.readouterr().err


def test_the_verbs_take_it(checkpoint: Path, tree: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = str(encode(tmp_path / "a.mp4", 20, width=LARGE, height=LARGE))
    told = {}
    for more in ([], ["--shrink"]):
        assert run(["infer", path, "--model", str(checkpoint), "--jsonl", *more]) == 0
        infer = capfd.readouterr().out
        assert run(["stream", path, "--model", str(checkpoint), "--every", "0.1", "--no-live", "--jsonl", *more]) == 0
        told[len(more)] = infer, capfd.readouterr().out
    assert run(["eval", "--model", str(checkpoint), "--dataset", "sthv2", "--data", str(tree), "--shrink"]) == 0
    assert json.loads(capfd.readouterr().out)["shrink"] is True
    assert told[0][0] != told[1][0] and told[0][1] != told[1][1] and all(told[1])
