"""The reader returns the frames that were asked for, decodes no more than that, and says how it knows."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from gfnet_video.errors import ConfigError, VideoError
from gfnet_video.video import _decord, _pyav
from gfnet_video.video.reader import READERS, VideoReader, open_clip, read_clip
from gfnet_video.video.samplers import all_indices, jittered_indices, uniform_indices
from tests.clips import VARIANTS, encode, number, paint, rotate

Clips = dict[tuple[str, int], Path]
every_file = pytest.mark.parametrize(("variant", "frames"), [(v, n) for v in VARIANTS for n in (80, 400)])
every_reader = pytest.mark.parametrize("reader", READERS)


@every_reader
@every_file
def test_the_frames_are_those_that_were_asked_for(clips: Clips, variant: str, frames: int, reader: str) -> None:
    rng = np.random.default_rng(frames)
    with VideoReader(clips[variant, frames], reader=reader) as video:
        for wanted in (uniform_indices(frames, 8), jittered_indices(frames, 16, rng), [0], [frames - 1], []):
            assert [number(f) for f in video.read(wanted)] == wanted
        shape = next(video.read([0]))
    assert shape.shape == (64, 64, 3) and shape.dtype == np.uint8


@pytest.mark.parametrize("variant", ["mpeg4_avi", "x264_avi"])
@pytest.mark.parametrize("frames", [80, 400])
def test_the_trap_is_a_trap(clips: Clips, variant: str, frames: int) -> None:
    """Plain Decord, seeking as it does by itself, returns other frames and says nothing."""
    decord = _decord.loaded()
    decord.logging.set_level(decord.logging.QUIET)
    wanted = uniform_indices(frames, 8)
    batch = decord.VideoReader(str(clips[variant, frames])).get_batch(wanted).asnumpy()
    assert [number(f) for f in batch] != wanted


def test_a_reader_opened_before_torch_is_imported_leaves_it_whole(clips: Clips) -> None:
    """decord2 by itself loads libnvblas where PyTorch brings one, and a convolution then crashes."""
    script = (
        "import sys; from gfnet_video.video.reader import VideoReader; v = VideoReader(sys.argv[1], reader='decord'); "
        "list(v.read([0])); assert 'decord' in sys.modules and 'torch' not in sys.modules; import torch; "
        "print(torch.nn.Conv2d(3, 8, 3)(torch.randn(1, 3, 32, 32)).shape[1])"
    )
    path = str(clips["x264_mp4", 80])
    ran = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, timeout=120)
    assert (ran.returncode, ran.stdout) == (0, "8\n"), ran.stderr


@every_file
def test_every_frame_in_order_with_repeats(clips: Clips, variant: str, frames: int) -> None:
    wanted = sorted([*all_indices(frames), 0, 5, 5, frames - 1])
    with VideoReader(clips[variant, frames]) as video:
        assert [number(f) for f in video.read(wanted)] == wanted
        assert video.count() == frames


def test_both_decoders_give_the_same_pixels(clips: Clips) -> None:
    for variant in VARIANTS:
        one, other = (read_clip(clips[variant, 80], lambda n: uniform_indices(n, 8), reader=r) for r in READERS[1:])
        assert (one.reader, other.reader) == ("decord", "pyav")
        np.testing.assert_array_equal(one.frames, other.frames)


@pytest.mark.parametrize(
    ("variant", "proof"),
    [("mpeg4_avi", "sequence"), ("x264_avi", "sequence"), ("x264_mp4", "timestamps"), ("vp9_webm", "timestamps")],
)
def test_long_clips_seek_only_where_the_container_keeps_times(clips: Clips, variant: str, proof: str) -> None:
    with VideoReader(clips[variant, 400]) as video:
        assert video.frames_decoded == 0
        assert [number(f) for f in video.read([10, 250, 390])] == [10, 250, 390]
        assert (video.reader, video.proof) == ("pyav", proof)
        assert (video.frames_decoded < 60) == (proof == "timestamps")


@every_file
def test_no_time_is_believed_that_does_not_follow_the_one_before(clips: Clips, variant: str, frames: int) -> None:
    """Forced on files without true times, seeking gives right frames or none."""
    wanted, got = uniform_indices(frames, 8), []
    try:
        for frame in _pyav.by_timestamp(str(clips[variant, frames]), wanted, _pyav.Counters()):
            got.append(number(frame))
    except _pyav.Unproven:
        assert variant == "x264_avi"  # where libav guesses the times from the order of storage
    assert got == wanted[: len(got)]


def test_an_unproven_seek_goes_on_in_sequence(clips: Clips, monkeypatch: pytest.MonkeyPatch) -> None:
    times = _pyav.packet_times(str(clips["x264_mp4", 400]))
    monkeypatch.setattr(_pyav, "packet_times", lambda path: times[:200] + times[201:])  # one frame is not listed
    with VideoReader(clips["x264_mp4", 400]) as video:
        wanted = [5, 190, 205, 390]
        assert [number(f) for f in video.read(wanted)] == wanted
        assert video.proof == "sequence"


def test_nothing_is_decoded_until_it_is_asked_for(clips: Clips) -> None:
    with VideoReader(clips["x264_mp4", 80], reader="pyav") as video:
        frames = video.read([10, 40, 79])
        assert (video.packets_decoded, video.frames_decoded) == (0, 0)
        next(frames)
        assert video.frames_decoded == 11 and 11 <= video.packets_decoded <= 11 + 4  # B-frames wait for later packets
        next(frames)
        assert video.frames_decoded == 41 and 41 <= video.packets_decoded <= 41 + 4
        del frames
        assert video.frames_decoded == 41


def test_decord_also_decodes_only_as_far_as_asked(clips: Clips) -> None:
    with VideoReader(clips["x264_mp4", 80], reader="decord") as video:
        next(video.read([10, 40, 79]))
        assert (video.reader, video.frames_decoded) == ("decord", 11)


def test_auto_goes_on_with_pyav_where_decord_stops(clips: Clips, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = _decord.in_sequence

    def breaks(path: str, indices: list[int], counters: _pyav.Counters):  # type: ignore[no-untyped-def]
        yield from whole(path, indices[:3], counters)
        raise _decord.DecordFailed("broken on purpose")

    monkeypatch.setattr(_decord, "in_sequence", breaks)
    wanted = uniform_indices(80, 8)
    with VideoReader(clips["x264_mp4", 80]) as video:
        assert [number(f) for f in video.read(wanted)] == wanted
        assert video.reader == "pyav"
    with (
        pytest.raises(VideoError, match=r"Decord cannot read it \(broken on purpose\); try the reader 'pyav'"),
        VideoReader(clips["x264_mp4", 80], reader="decord") as video,
    ):
        list(video.read(wanted))


def test_what_the_header_says(clips: Clips) -> None:
    for variant in VARIANTS:
        with VideoReader(clips[variant, 80]) as video:
            assert (video.header_frames, video.fps, video.width, video.height) == (80, 25.0, 64, 64)
            assert video.duration == pytest.approx(3.2)
            assert (video.packets_decoded, video.frames_decoded) == (0, 0)


def test_without_duration_the_packets_are_counted(tmp_path: Path, clips: Clips) -> None:
    live = encode(tmp_path / "live.webm", 30, "vp9_webm", options={"live": "1"})
    with VideoReader(live) as video:
        assert (video.duration, video.header_frames, video.frames_decoded) == (None, 30, 0)
        assert [number(f) for f in video.read([3, 29])] == [3, 29]


@every_reader
@pytest.mark.parametrize("rate", [10, 50])
def test_a_file_whose_rate_changes_is_sampled_to_its_end(tmp_path: Path, reader: str, rate: int) -> None:
    """It starts at 10 frames a second and goes on at 50; by its duration and rate it has 48 frames, or 240."""
    path = tmp_path / "screen.webm"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx", rate=rate, options={"deadline": "realtime", "cpu-used": "8"})
        stream.width, stream.height, stream.codec_context.time_base = 64, 64, Fraction(1, 50)
        for i in range(120):
            picture = av.VideoFrame.from_ndarray(paint(i), format="rgb24")
            picture.pts = 5 * i if i < 30 else 120 + i
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    clip = read_clip(path, lambda n: uniform_indices(n, 4), reader=reader)
    assert (clip.header_frames, clip.resampled, clip.indices) == (120, False, [15, 45, 75, 105])
    assert [number(f) for f in clip.frames] == clip.indices
    assert VideoReader(path).fps == pytest.approx(120 / 4.8, rel=0.02)


def test_a_packet_that_vp8_hides_is_no_frame(tmp_path: Path) -> None:
    """As its encoder hides those which later frames alone refer to."""
    whole, hiding = tmp_path / "whole.webm", tmp_path / "hiding.webm"
    with av.open(str(whole), "w") as container:
        stream = container.add_stream("libvpx", rate=25, options={"deadline": "realtime", "cpu-used": "8"})
        stream.width, stream.height = 64, 64
        for i in range(30):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(paint(i), format="rgb24")))
        container.mux(stream.encode())
    with av.open(str(whole)) as source, av.open(str(hiding), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for index, packet in enumerate(p for p in source.demux(video=0) if p.size):
            data = bytearray(bytes(packet))
            data[0] &= 0xFF if index != 20 else 0xEF
            other = av.Packet(bytes(data))
            other.stream, other.pts, other.dts, other.time_base = stream, packet.pts, packet.dts, packet.time_base
            other.is_keyframe = packet.is_keyframe
            target.mux(other)
    assert len(_pyav.packet_times(str(whole))) == 30 and len(_pyav.packet_times(str(hiding))) == 29
    assert VideoReader(hiding).count() == VideoReader(hiding).header_frames == 29


@every_reader
def test_a_phone_held_upright_is_turned(tmp_path: Path, reader: str) -> None:
    path = rotate(encode(tmp_path / "phone.mp4", 12, width=96, height=64))
    with VideoReader(path, reader=reader) as video:
        frame = next(video.read([6]))
    assert frame.shape == (96, 64, 3)
    assert number(np.ascontiguousarray(np.rot90(frame))) == 6  # turned back, it reads


@pytest.mark.parametrize("shrink", [0, 32])
@pytest.mark.parametrize(
    ("matrix", "undone"),
    [
        ((-1, 0, 0, 1), np.fliplr),  # a phone's front camera
        ((1, 0, 0, -1), np.flipud),
        ((0, 1, 1, 0), lambda f: f.swapaxes(0, 1)),
        ((0, -1, -1, 0), lambda f: np.rot90(f, 2).swapaxes(0, 1)),
    ],
)
def test_a_mirrored_file_is_mirrored_and_not_by_decord(
    clips: Clips, tmp_path: Path, matrix: tuple[int, int, int, int], undone: Callable[..., np.ndarray], shrink: int
) -> None:
    path = rotate(Path(shutil.copy(clips["x264_mp4", 80], tmp_path / "selfie.mp4")), matrix)
    with VideoReader(path, shrink=shrink) as video:
        assert number(undone(next(video.read([11])))) == 11 and video.reader == "pyav"
    with VideoReader(path, reader="decord") as video, pytest.raises(VideoError, match="its frames are to be mirrored"):
        next(video.read([11]))


def test_indices_must_not_decrease_and_readers_must_exist(clips: Clips) -> None:
    path = clips["x264_mp4", 80]
    with VideoReader(path) as video:
        for wrong in ([3, 2], [-1]):
            with pytest.raises(ConfigError, match="must not"):
                video.read(wrong)
    with pytest.raises(ConfigError, match="unknown reader 'decrod'; did you mean 'decord'"):
        VideoReader(path, reader="decrod")


def test_a_closed_reader_reads_no_more(clips: Clips) -> None:
    with VideoReader(clips["x264_mp4", 80]) as video:
        frames = video.read([0, 1])
        next(frames)
    with pytest.raises(VideoError, match="closed"):
        next(frames)


def test_clips_at_once_and_lazily_are_the_same(clips: Clips) -> None:
    path = clips["x264_avi", 80]
    whole = read_clip(path, lambda n: uniform_indices(n, 5))
    lazy = open_clip(path, lambda n: uniform_indices(n, 5))
    assert lazy.video.frames_decoded == 0
    np.testing.assert_array_equal(whole.frames, np.stack(list(lazy)))
    assert whole.indices == lazy.indices == [8, 24, 40, 56, 72]
    assert (whole.true_frames, whole.header_frames, whole.resampled) == (None, 80, False)
    assert whole.seconds_decode > 0


def test_importing_the_package_is_cheap() -> None:
    for module, absent in (("samplers", "{'torch', 'decord', 'av'}"), ("reader", "{'torch', 'decord'}")):
        code = f"import sys, gfnet_video.video.{module}; assert not {absent} & set(sys.modules)"
        subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("width", [16, 48])
def test_rows_that_decord_misreads_are_read_by_pyav(tmp_path: Path, width: int) -> None:
    """The padding of their rows is as long as a channel more would be, and Decord takes it for one."""
    path = encode(tmp_path / "narrow.mp4", 20, width=width, height=48)
    with VideoReader(path) as video:
        assert [f.shape for f in video.read([0, 7, 19])] == [(48, width, 3)] * 3
        assert [number(f) for f in video.read([0, 7, 19])] == [0, 7, 19] and video.reader == "pyav"
    with VideoReader(path, reader="decord") as video, pytest.raises(VideoError, match="its frames come as"):
        next(video.read([0]))
