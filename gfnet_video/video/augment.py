"""Augmentation of a clip: one draw for all its frames, and so for glance and focus alike, which see the same frame.

Published code draws a crop for the glance's frames and another for the focus', so that a centre means two places; here
both are cut from one working frame. All of it is done in uint8, before anything is normalised.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gfnet_video.config import TrainConfig, randaugment_of
from gfnet_video.errors import ConfigError
from gfnet_video.video.transforms import check_frames, resize, resize_crop

SCALES = (1.0, 0.875, 0.75, 0.66)  # of the short side; TSM's for Something-Something and Kinetics
DISTORTION = 1  # height and width may be this many scales apart
# (down, right) in quarters of the room that a crop leaves: corners, middle, sides, and half way to the corners.
PLACES = ((0, 0), (0, 4), (4, 0), (4, 4), (2, 2), (2, 0), (2, 4), (4, 2), (0, 2), (1, 1), (1, 3), (3, 1), (3, 3))
SHAPES = tuple((h, w) for h in SCALES for w in SCALES if abs(SCALES.index(h) - SCALES.index(w)) <= DISTORTION)


@dataclass(frozen=True)
class Recipe:
    """What may happen to a training clip. mirror: for each class the class of its mirror image, -1 where that is none
    of the classes, so that its clips are never flipped; empty: no flip. randaugment: how many operations and their
    magnitude of 30, or None."""

    crops: str = "none"
    mirror: tuple[int, ...] = ()
    randaugment: tuple[int, int] | None = None


@dataclass(frozen=True)
class Draw:
    """What happens to one clip. crop: (height, width) in shares of the short side and (down, right) in quarters of the
    room left, None: the centre square. seed: of RandAugment's dice."""

    crop: tuple[tuple[float, float], tuple[int, int]] | None
    flip: bool
    randaugment: tuple[int, int] | None
    seed: int


def recipe_of(config: TrainConfig, classes: Sequence[str], pairs: Sequence[tuple[str, str]]) -> Recipe:
    """The recipe that a config asks for; `pairs` names the classes that a mirror image exchanges.

    Raises ConfigError as `mirrored` does.
    """
    mirror = mirrored(classes, pairs) if config.flip else ()
    return Recipe(config.crops, mirror, randaugment_of(config.randaugment) if config.randaugment else None)


def mirrored(classes: Sequence[str], pairs: Sequence[tuple[str, str]]) -> tuple[int, ...]:
    """For each class the class of its mirror image, found by name: labels differ between lists, names do not.

    -1: its mirror image is named in `pairs` but is none of the classes. Raises ConfigError where pairs are given and no
    class is in any: then the names are written otherwise, and a flip would teach wrong labels.

    >>> mirrored(["Swiping Left", "Stop Sign", "Swiping Right"], [("Swiping Left", "Swiping Right")])
    (2, 1, 0)
    """
    other = {**dict(pairs), **{b: a for a, b in pairs}}
    place = {name: i for i, name in enumerate(classes)}
    if other and not other.keys() & place.keys():
        raise ConfigError(
            f"flip is on, but none of the classes that mirror each other ({', '.join(sorted(other))}) is among the "
            f"{len(place)} classes; set train.flip to false, or correct the class names"
        )
    return tuple(place.get(other.get(name, name), -1) for name in classes)


def draw(recipe: Recipe, label: int, rng: np.random.Generator) -> Draw:
    """Throw the dice for one clip of class `label`.

    Each throw is made whatever the recipe, so that switching one part on leaves the others as they were.
    """
    shape, place = SHAPES[int(rng.integers(len(SHAPES)))], PLACES[int(rng.integers(len(PLACES)))]
    heads, seed = bool(rng.random() < 0.5), int(rng.integers(2**31))
    flip = heads and bool(recipe.mirror) and recipe.mirror[label] >= 0
    return Draw((shape, place) if recipe.crops == "multi_scale" else None, flip, recipe.randaugment, seed)


def window(height: int, width: int, crop: tuple[tuple[float, float], tuple[int, int]]) -> tuple[int, int, int, int]:
    """(top, left, height, width) of a crop in a frame of that size, whole pixels.

    >>> window(240, 320, ((1.0, 0.875), (0, 4)))
    (0, 110, 240, 210)
    """
    (tall, wide), (down, right) = crop
    h, w = (max(1, int(min(height, width) * share)) for share in (tall, wide))
    return down * (height - h) // 4, right * (width - w) // 4, h, w


def augmented(frames: np.ndarray | Tensor, how: Draw, *, frame_side: int, short_side: int = 0) -> Tensor:
    """Crop, resize, flip and RandAugment (T,H,W,3) uint8, every frame alike; returns (T,3,frame_side,frame_side) uint8.

    Raises ConfigError as `resize_crop` does.
    """
    if how.crop is None:
        pixels = resize_crop(frames, frame_side=frame_side, short_side=short_side)
    else:
        whole = check_frames(frames, frame_side)
        top, left, h, w = window(whole.shape[-2], whole.shape[-1], how.crop)
        pixels = resize(whole[..., top : top + h, left : left + w], (frame_side, frame_side))
    pixels = pixels.flip(-1) if how.flip else pixels
    return _randaugment(pixels, how.randaugment, how.seed) if how.randaugment else pixels


def _randaugment(pixels: Tensor, strength: tuple[int, int], seed: int) -> Tensor:
    """torchvision's RandAugment (arXiv 1909.13719), which has no flip, with one draw for all frames (T,3,H,W)."""
    from torchvision.transforms.v2 import RandAugment  # a second to import, and few need it

    # It throws torch's own dice only: they are lent to it and put back.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        changed: Tensor = RandAugment(num_ops=strength[0], magnitude=strength[1])(pixels)
        return changed
