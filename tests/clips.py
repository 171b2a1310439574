"""Real clips for the tests, encoded with PyAV: every frame carries its own number as black and white blocks."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

SIDE, CELL = 64, 16  # 4 x 4 cells: a number of 16 bits in blocks that survive any codec

# Container and codec by name. The AVIs with B-frames are those that Decord scrambles after a seek.
VARIANTS: dict[str, tuple[str, str, dict[str, str]]] = {
    "mpeg4_avi": ("avi", "mpeg4", {"bf": "2", "qscale": "2"}),
    "x264_avi": ("avi", "libx264", {"bf": "2", "preset": "veryfast", "threads": "1", "x264-params": "scenecut=0"}),
    "x264_mp4": ("mp4", "libx264", {"bf": "2", "preset": "veryfast", "threads": "1", "x264-params": "scenecut=0"}),
    "vp9_webm": ("webm", "libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "threads": "1"}),
}


def paint(number: int, width: int = SIDE, height: int = SIDE) -> np.ndarray:
    """A frame (height, width, 3) uint8 that shows `number` in binary."""
    bits = (number >> np.arange(16)) & 1
    cells = np.where(bits, 230, 25).astype(np.uint8).reshape(4, 4)
    grey = np.repeat(np.repeat(cells, height // 4, 0), width // 4, 1)
    return np.repeat(grey[..., None], 3, 2)


def number(frame: np.ndarray) -> int:
    """The number that a decoded frame (H, W, 3) shows."""
    height, width = frame.shape[:2]
    cells = frame.reshape(4, height // 4, 4, width // 4, 3).mean((1, 3, 4)) > 127
    return int((cells.reshape(-1) << np.arange(16)).sum())


def encode(
    path: Path,
    frames: int = 80,
    variant: str = "x264_mp4",
    *,
    keyframe_every: int = 12,
    width: int = SIDE,
    height: int = SIDE,
    options: dict[str, str] | None = None,
) -> Path:
    """Write a clip of `frames` numbered frames at 25 a second; `options` go to the container."""
    suffix, codec, codec_options = VARIANTS[variant]
    with av.open(str(path), "w", format=suffix, options=options or {}) as container:
        stream = container.add_stream(codec, rate=25, options=codec_options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.gop_size = keyframe_every
        stream.codec_context.time_base = Fraction(1, 25)
        for i in range(frames):
            picture = av.VideoFrame.from_ndarray(paint(i, width, height), format="rgb24")
            picture.pts = i
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def encode_sound(path: Path) -> Path:
    """A file without any video stream: half a second of silence."""
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        for i in range(8):
            sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            sound.sample_rate, sound.pts = 16000, i * 1024
            container.mux(stream.encode(sound))
        container.mux(stream.encode())
    return path


def rotate(path: Path, matrix: tuple[int, int, int, int] = (0, 1, -1, 0)) -> Path:
    """Rewrite the display matrix of an mp4 in place, as a phone held upright does: show it turned by 90 degrees.

    matrix: where the first pixel to the right (x, y) and the first below (x, y) of the origin are shown.
    """
    a, b, c, d = (x << 16 for x in matrix)
    data = bytearray(path.read_bytes())
    at = data.index(struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30), data.index(b"tkhd"))
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


def cut(path: Path, share: float, target: Path) -> Path:
    """Write the first `share` of a file's bytes to `target`."""
    data = path.read_bytes()
    target.write_bytes(data[: int(len(data) * share)])
    return target
