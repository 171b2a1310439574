"""One clip of `mini`, or one picture of `mini-image`: first a plan drawn from its seed, then its pixels.

Where the digit is must not tell where it goes. Its start is uniform over the places where it is wholly visible and
its path wraps around within them, so its place is uniform at every instant whatever the motion; and each motion
played backwards is another motion of the set.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from gfnet_video.datasets.mini_material import CANVAS, CROPS, SPLITS, background, digits, instances

SIDE, FRAMES, RATE = 240, 36, 12
MOTIONS = {"down": (1.0, 0.0), "left": (0.0, -1.0), "right": (0.0, 1.0), "up": (-1.0, 0.0)}
CLASSES = tuple(f"Moving {digit} {motion}" for digit in range(10) for motion in sorted(MOTIONS))
HEIGHT, TRAVEL, PAN, SWAY = (0.25, 0.36), (0.45, 0.62), 0.15, 0.03  # all as parts of the side
PICTURE_CLASSES = tuple(f"Showing {digit}" for digit in range(10))
PICTURE_HEIGHT = (0.12, 0.18)  # a picture is looked at larger than a clip, so that its digit may be smaller
CELLS = 14.0  # the 8x8 digit with margin, the square in which it is turned


@dataclass(frozen=True)
class Paths:
    """Centres on screen, each (frames,2) as (y,x) in [0,1], and how far the scene has drifted, in the same unit.

    distractor: (0,2) where there is none.
    """

    mover: np.ndarray
    distractor: np.ndarray
    drift: np.ndarray


@dataclass(frozen=True)
class Plan:
    """All that decides a clip apart from its noise. `contrast`, `texture` and `noise` grow harder with `difficulty`.

    distractor_instance: -1 where there is none.
    """

    split: str
    number: int
    label: int
    instance: int
    distractor_instance: int
    background: int
    difficulty: float
    height: float
    travel: float
    contrast: float
    texture: float
    noise: float
    paths: Paths


def draw_paths(rng: np.random.Generator, motion: str, height: float, travel: float) -> Paths:
    """Paths of a mover and of a distractor that rests in the scene; `height` and `travel` as parts of the side."""
    time = np.linspace(0, 1, FRAMES)[:, None]
    angle = rng.uniform(0, 2 * np.pi)
    drift = rng.uniform(0, PAN) * np.array([np.sin(angle), np.cos(angle)]) * time
    ahead = np.array(MOTIONS[motion])
    phase, turns = rng.uniform(0, 2 * np.pi), rng.uniform(0.5, 1.5)
    sway = rng.uniform(0, SWAY) * np.sin(2 * np.pi * turns * time + phase) * ahead[::-1]
    starts = rng.uniform(height / 2, 1 - height / 2, (2, 1, 2))
    mover = _wrap(starts[0] + drift + travel * ahead * time + sway, height)
    return Paths(mover, _wrap(starts[1] + drift, height), drift)


def _wrap(place: np.ndarray, height: float) -> np.ndarray:
    """Leaving the interval in which a square of side `height` is wholly visible means entering on its other side."""
    wrapped: np.ndarray = np.mod(place - height / 2, 1 - height) + height / 2
    return wrapped


def plan_clip(seed: int, split: str, number: int, label: int) -> Plan:
    """The plan of clip `number` of a split, drawn from its seed and place alone. Raises DependencyError."""
    rng = np.random.default_rng([seed, SPLITS.index(split), number, 0])
    digit, motion = divmod(label, len(MOTIONS))
    other = int(rng.choice([d for d in range(10) if d != digit]))
    difficulty = rng.uniform()
    hard = 0.7 * difficulty + 0.3 * rng.uniform(size=5)
    height = HEIGHT[1] - hard[0] * (HEIGHT[1] - HEIGHT[0])
    travel = TRAVEL[0] + hard[1] * (TRAVEL[1] - TRAVEL[0])
    return Plan(
        split, number, label,
        instance=int(rng.choice(instances(split, digit))),
        distractor_instance=int(rng.choice(instances(split, other))),
        background=int(rng.integers(CROPS[split])),
        difficulty=float(difficulty), height=float(height), travel=float(travel),
        contrast=float(1 - 0.35 * hard[2]), texture=float(0.45 + 0.55 * hard[3]), noise=float(5 * hard[4]),
        paths=draw_paths(rng, sorted(MOTIONS)[motion], height, travel),
    )  # fmt: skip


def plan_picture(seed: int, split: str, number: int, label: int) -> Plan:
    """The plan of picture `number` of a split: one digit, small, anywhere, alone. Raises DependencyError."""
    rng = np.random.default_rng([seed, SPLITS.index(split), number, 2])
    difficulty = rng.uniform()
    hard = 0.7 * difficulty + 0.3 * rng.uniform(size=4)
    height = PICTURE_HEIGHT[1] - hard[0] * (PICTURE_HEIGHT[1] - PICTURE_HEIGHT[0])
    place = rng.uniform(height / 2, 1 - height / 2, (1, 2))
    return Plan(
        split, number, label,
        instance=int(rng.choice(instances(split, label))), distractor_instance=-1,
        background=int(rng.integers(CROPS[split])),
        difficulty=float(difficulty), height=float(height), travel=0.0,
        contrast=float(1 - 0.35 * hard[1]), texture=float(0.45 + 0.55 * hard[2]), noise=float(5 * hard[3]),
        paths=Paths(place, np.zeros((0, 2)), np.zeros((1, 2))),
    )  # fmt: skip


def render(plan: Plan, seed: int) -> np.ndarray:
    """The clip's frames (frames,SIDE,SIDE,3) uint8. Raises DependencyError."""
    rng = np.random.default_rng([seed, SPLITS.index(plan.split), plan.number, 1])
    scene = _scene(rng, plan)
    inks = _inks(rng, float(scene.mean()))
    drawn = [(plan.paths.mover, plan.instance), (plan.paths.distractor, plan.distractor_instance)]
    layers = [
        (path, _sprite(rng, digits()[0][instance], round(plan.height * SIDE), plan.contrast))
        for path, instance in drawn
        if len(path)
    ]
    if rng.uniform() < 0.5:  # which one passes before the other must not tell which one moves
        layers.reverse()
    grain = rng.normal(0, plan.noise, (CANVAS, CANVAS, 3)).astype(np.float32)
    frames = np.empty((len(plan.paths.mover), SIDE, SIDE, 3), np.uint8)
    for t, corner in enumerate(_window(rng, plan.paths.drift)):
        frame = _cut(scene, corner).copy()
        for path, sprite in layers:
            _paint(frame, path[t], sprite, inks)
        frame += _cut(grain, rng.integers(CANVAS - SIDE + 1, size=2))
        frames[t] = np.clip(frame, 0, 255, out=frame)
    return frames


def _scene(rng: np.random.Generator, plan: Plan) -> np.ndarray:
    """The background with its own light, tint and a smooth procedural shade, (CANVAS,CANVAS,3)."""
    picture = background(plan.split, plan.background)
    mean = picture.mean()
    level = np.clip(mean, 70, 185) + rng.uniform(-20, 20)
    shade = ndimage.zoom(rng.normal(0, 12, (6, 6)).astype(np.float32), CANVAS / 6, order=1)
    tint = rng.uniform(0.85, 1.15, 3).astype(np.float32)
    scene: np.ndarray = (((picture - mean) * plan.texture + level + shade[..., None]) * tint).astype(np.float32)
    return scene


def _inks(rng: np.random.Generator, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Stroke and outline colours: light on dark scenes, dark on light ones, either on those between."""
    light = rng.uniform(205, 255, 3).astype(np.float32)
    dark = rng.uniform(0, 50, 3).astype(np.float32)
    return (light, dark) if rng.uniform(105, 150) > level else (dark, light)


def _sprite(rng: np.random.Generator, digit: np.ndarray, size: int, contrast: float) -> tuple[np.ndarray, np.ndarray]:
    """Coverage of stroke and outline, each (size,size,1) in [0,1], of an 8x8 digit turned and sheared a little."""
    angle, shear = np.deg2rad(rng.uniform(-10, 10)), rng.uniform(-0.12, 0.12)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle) + shear, np.cos(angle)]])
    spline = ndimage.spline_filter(np.pad(digit, 3))
    rough = _sample(spline, turn, np.array([6.5, 6.5]), CELLS / 56, 56) > 0.4
    rows, columns = (np.flatnonzero(rough.any(axis)) for axis in (1, 0))
    extent = (max(np.ptp(rows), np.ptp(columns)) + 1) * CELLS / 56
    middle = np.array([rows[0] + rows[-1], columns[0] + columns[-1]]) / 2 - 27.5
    fine = _sample(spline, turn, 6.5 + turn @ middle * CELLS / 56, extent / (0.9 * size), size)
    cell = 0.9 * size / extent
    # Against its surroundings rather than a fixed level: faint strokes stay joined, and loops stay open.
    ridge = fine - 0.9 * ndimage.gaussian_filter(fine, 1.2 * cell)
    stroke = np.clip((ridge - 0.06) / 0.1, 0, 1)
    outline = np.clip(1.8 * ndimage.gaussian_filter(stroke, size / 40), 0, 1)
    return contrast * stroke[..., None], contrast * 0.8 * outline[..., None]


def _sample(spline: np.ndarray, turn: np.ndarray, centre: np.ndarray, step: float, size: int) -> np.ndarray:
    """(size,size) values of a spline around `centre`, `step` cells from pixel to pixel."""
    offset = centre - turn @ np.full(2, (size - 1) / 2) * step
    values: np.ndarray = ndimage.affine_transform(spline, turn * step, offset, (size, size), order=3, prefilter=False)
    return values


def _window(rng: np.random.Generator, drift: np.ndarray) -> np.ndarray:
    """Upper left corners (FRAMES,2) of the frame on the canvas: the window moves against the scene's drift."""
    moved = -drift * SIDE
    low, high = -moved.min(0), CANVAS - SIDE - moved.max(0)
    corners: np.ndarray = np.rint(rng.uniform(low, high) + moved).astype(np.int64)
    return corners


def _cut(picture: np.ndarray, corner: np.ndarray) -> np.ndarray:
    top, left = corner
    return picture[top : top + SIDE, left : left + SIDE]


def _paint(
    frame: np.ndarray, centre: np.ndarray, sprite: tuple[np.ndarray, np.ndarray], inks: tuple[np.ndarray, np.ndarray]
) -> None:
    """Draw a digit onto a frame, outline first."""
    size = len(sprite[0])
    top, left = np.clip(np.rint(centre * SIDE - size / 2), 0, SIDE - size).astype(int)
    place = frame[top : top + size, left : left + size]
    for cover, ink in zip(reversed(sprite), reversed(inks), strict=True):
        place += cover * (ink - place)
