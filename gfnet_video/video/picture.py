"""A picture as a video of one frame: by Pillow, upright, as a viewer shows it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from gfnet_video.errors import ConfigError, VideoError
from gfnet_video.video.reader import VideoEnded
from gfnet_video.video.suffixes import PICTURES

PIXELS = 2**26  # twice 8K
FORMATS = ("JPEG", "PNG", "WEBP", "BMP")
HEADS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")  # how a JPEG and a PNG begin
ORIENTATION = 0x0112  # EXIF's tag; what each value asks for
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def is_picture(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a picture, by its suffix, or under another name by its first bytes."""
    if Path(os.fsdecode(path)).suffix.lower() in PICTURES:
        return True
    try:
        if not os.path.isfile(path):  # a pipe would wait
            return False
        with open(path, "rb") as file:
            head = file.read(12)
    except (OSError, ValueError):
        return False
    return head.startswith(HEADS) or (head[:4] == b"RIFF" and head[8:] == b"WEBP")


class PictureReader:
    """One picture with the reading surface of VideoReader; it is decoded when its frame is asked for.

    Raises VideoError for what is no file.
    """

    fps: float | None = None
    duration: float | None = None
    header_frames: int | None = 1

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fsdecode(path)
        _check_file(self.path)

    def __enter__(self) -> PictureReader:
        return self

    def __exit__(self, *raised: object) -> None:
        """Between reads no file is open."""

    def count(self) -> int:
        """One."""
        return 1

    def every(self) -> Iterator[np.ndarray]:
        """The one frame."""
        yield from self.read([0])

    def read(self, indices: Sequence[int]) -> Iterator[np.ndarray]:
        """The frame (H,W,3) uint8 RGB as often as index 0 is asked for. Raises VideoError, VideoEnded beyond it."""
        if any(index < 0 for index in indices):
            raise ConfigError("frame indices must not be negative")
        return self._read(indices)

    def _read(self, indices: Sequence[int]) -> Iterator[np.ndarray]:
        frame: np.ndarray | None = None
        for index in indices:
            if index > 0:
                raise VideoEnded(self.path, 1)
            frame = read_picture(self.path) if frame is None else frame
            yield frame


def read_picture(file: str | os.PathLike[str], formats: tuple[str, ...] = FORMATS) -> np.ndarray:
    """One picture as (H,W,3) uint8 RGB, turned as its EXIF asks, what is transparent white. Raises VideoError.

    By Pillow: torchvision takes a third less time, but a damaged PNG ends its process and a damaged JPEG prints.
    """
    _check_file(file)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of damaged EXIF
            with Image.open(file, formats=formats) as picture:
                _admit(file, picture)
                return np.array(_opaque(_upright(picture)))
    except UnidentifiedImageError as error:
        words = f"is not a {', '.join(formats[:-1])} or {formats[-1]} picture"
        raise VideoError(file, "is empty (0 bytes)" if not os.path.getsize(file) else words) from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:  # SyntaxError: a broken PNG
        raise VideoError(file, f"cannot be decoded ({getattr(error, 'strerror', None) or error})") from error


def _check_file(file: str | os.PathLike[str]) -> None:
    """Only a regular file is opened: a pipe would wait."""
    if not os.path.isfile(file):
        raise VideoError(file, "is not a regular file" if os.path.exists(file) else "no such file")


def _admit(file: str | os.PathLike[str], picture: Image.Image) -> None:
    """Nothing is decoded yet: this is what the header says."""
    if picture.width * picture.height > PIXELS:
        raise VideoError(file, f"is {picture.width}x{picture.height}; at most {PIXELS:,} pixels are read")
    if picture.format != "MPO" and getattr(picture, "is_animated", False):  # cameras append previews to a JPEG: MPO
        raise VideoError(file, f"moves ({getattr(picture, 'n_frames', '?')} frames); convert it to a video")


def _upright(picture: Image.Image) -> Image.Image:
    try:
        turn = TURNS.get(picture.getexif().get(ORIENTATION, 1))
    except Exception:  # damaged EXIF raises many kinds, and viewers show such a picture as it is stored
        turn = None
    return picture if turn is None else picture.transpose(turn)


def _opaque(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):  # grey of 16 bits, which Pillow would cut off at 255
        return Image.fromarray((np.asarray(picture) >> 8).clip(0, 255).astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        white = Image.new("RGBA", picture.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, picture.convert("RGBA")).convert("RGB")
    return picture if picture.mode == "RGB" else picture.convert("RGB")
