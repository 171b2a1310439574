"""What `mini` is made of: handwritten digits and photographs out of installed packages, and which split owns which.

Nothing is downloaded. The photographs lie in the wheels of scikit-image and scikit-learn; a digit or a photograph
belongs to one split only, so that no test clip shows an object or a place that a training clip has shown.
The digits are the "Optical Recognition of Handwritten Digits" set (E. Alpaydin and C. Kaynak, UCI, CC-BY 4.0).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from gfnet_video.errors import DependencyError

SPLITS = ("train", "dev", "calibration", "test")
CANVAS = 288  # pixels a side: the window of 240 and room to pan by 0.15 of it


@dataclass(frozen=True)
class Photograph:
    """One photograph: `file` inside `package`, what its package says of its licence, and the split that owns it."""

    package: str
    file: str
    licence: str
    split: str

    @property
    def path(self) -> Path:
        """Where the installed package keeps it. Raises DependencyError."""
        return _package(*HOMES[self.package]) / self.file


HOMES = {
    "scikit-image": ("skimage", "scikit-image", "data"),
    "scikit-learn": ("sklearn", "scikit-learn", "datasets/images"),
}

# Test clips may be bundled with a release, so `test` holds only CC0 and public-domain photographs.
PHOTOGRAPHS = (
    Photograph("scikit-image", "astronaut.png", "public domain (NASA)", "train"),
    Photograph("scikit-image", "hubble_deep_field.jpg", "public domain (NASA)", "train"),
    Photograph("scikit-image", "retina.jpg", "CC0 1.0", "train"),
    Photograph("scikit-image", "grass.png", "CC0 1.0", "train"),
    Photograph("scikit-image", "motorcycle_left.png", "none stated (Middlebury stereo 2014)", "train"),
    Photograph("scikit-image", "cell.png", "CC0", "train"),
    Photograph("scikit-learn", "china.jpg", "CC-BY 2.0 (danielbuechele)", "train"),
    Photograph("scikit-image", "clock_motion.png", "public domain (Stefan van der Walt)", "train"),
    Photograph("scikit-image", "microaneurysms.png", "CC0 (Andreas Maier)", "train"),
    Photograph("scikit-image", "ihc.png", "no known copyright restrictions", "dev"),
    Photograph("scikit-learn", "flower.jpg", "CC-BY 2.0 (vultilion)", "dev"),
    Photograph("scikit-image", "coins.png", "no known copyright restrictions", "calibration"),
    Photograph("scikit-image", "gravel.png", "CC0 1.0", "calibration"),
    Photograph("scikit-image", "camera.png", "CC0 (Lav Varshney)", "calibration"),
    Photograph("scikit-image", "coffee.png", "CC0 (Rachel Michetti)", "test"),
    Photograph("scikit-image", "chelsea.png", "CC0 (Stefan van der Walt)", "test"),
    Photograph("scikit-image", "rocket.jpg", "public domain (SpaceX)", "test"),
    Photograph("scikit-image", "brick.png", "CC0 1.0", "test"),
)
CROPS = {"train": 240, "dev": 80, "calibration": 80, "test": 80}
# Shares of each digit's instances, in the package's order: neighbours come from the same writers, so blocks part them.
SHARES = {"train": (0.0, 0.6), "dev": (0.6, 0.68), "calibration": (0.68, 0.8), "test": (0.8, 1.0)}


@dataclass(frozen=True)
class Crop:
    """A square of a photograph: corner and side in pixels, then turned by `turns` quarter turns."""

    photograph: int
    top: int
    left: int
    side: int
    turns: int


def check_packages() -> None:
    """Raise DependencyError unless both packages are installed; nothing is imported."""
    for home in HOMES.values():
        _package(*home)


def _package(module: str, name: str, folder: str) -> Path:
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise DependencyError.of(name, "mini")
    return Path(spec.origin).parent / folder


@lru_cache(maxsize=1)
def digits() -> tuple[np.ndarray, np.ndarray]:
    """All handwritten digits: images (1797,8,8) float32 in [0,1] and their classes (1797,). Raises DependencyError."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise DependencyError.of("scikit-learn", "mini") from error
    found = load_digits()
    return (found.images / 16).astype(np.float32), found.target.astype(np.int64)


@lru_cache(maxsize=64)
def instances(split: str, digit: int) -> np.ndarray:
    """Indices into `digits()` of one class that belong to a split."""
    mine = np.flatnonzero(digits()[1] == digit)
    start, stop = (round(share * len(mine)) for share in SHARES[split])
    return mine[start:stop]


@lru_cache(maxsize=len(PHOTOGRAPHS))
def photograph(index: int) -> np.ndarray:
    """Photograph `index` of PHOTOGRAPHS as (h,w,3) uint8. Raises DependencyError."""
    with Image.open(PHOTOGRAPHS[index].path) as image:
        return np.asarray(image.convert("RGB"))


@lru_cache(maxsize=len(SPLITS))
def crops(split: str) -> tuple[Crop, ...]:
    """The fixed backgrounds of a split: the same list for every seed of the generator."""
    rng = np.random.default_rng([11, SPLITS.index(split)])
    own = [i for i, p in enumerate(PHOTOGRAPHS) if p.split == split]
    return tuple(_crop(rng, own[n % len(own)]) for n in range(CROPS[split]))


def _crop(rng: np.random.Generator, index: int) -> Crop:
    """A crop that is not blank: microscope slides and the sky leave corners with nothing in them."""
    picture = photograph(index)
    height, width = picture.shape[:2]
    shorter = min(height, width)
    for _ in range(20):
        side = round(shorter * rng.uniform(0.4, 0.95)) if shorter < 800 else round(rng.uniform(200, 600))
        top, left = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
        if picture[top : top + side, left : left + side].std() > 14:
            break
    return Crop(index, top, left, side, int(rng.integers(4)))


@lru_cache(maxsize=512)
def background(split: str, number: int) -> np.ndarray:
    """Background `number` of a split, (CANVAS,CANVAS,3) float32 in [0,255]."""
    crop = crops(split)[number]
    piece = photograph(crop.photograph)[crop.top : crop.top + crop.side, crop.left : crop.left + crop.side]
    scaled = Image.fromarray(piece).resize((CANVAS, CANVAS), Image.Resampling.BICUBIC)
    return np.rot90(np.asarray(scaled, np.float32), crop.turns)
