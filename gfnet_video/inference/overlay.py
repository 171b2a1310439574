"""A picture of what was looked at: a row a video, a cell a frame, the patch framed, the exit marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gfnet_video.errors import ConfigError, DataError, printable, unknown
from gfnet_video.files import whole
from gfnet_video.inference.runner import open_video
from gfnet_video.records import Prediction
from gfnet_video.video.pixels import cut_frame

if TYPE_CHECKING:
    from gfnet_video.checkpoint import Recogniser
    from gfnet_video.engines.engine import About

CELL, GAP, BAR, TITLE = 120, 6, 10, 26  # pixels
INK, PAPER, PATCH, SURE, IDLE = (30, 30, 34), (255, 255, 255), (255, 196, 0), (36, 160, 92), (228, 228, 232)
MAX_ROWS = 24
TITLED = 4  # cells that a title takes


def draw(model: Recogniser | About, predictions: Sequence[Prediction], path: Path) -> None:
    """Write the picture in the format of its suffix, at most 24 rows.

    Raises ConfigError for a suffix of no picture, DataError for nothing to draw.
    """
    rows = [_row(model, p) for p in predictions[:MAX_ROWS]]
    if not rows:
        raise DataError(f"{printable(path)}: no video was recognised, so there is nothing to draw")
    sheet = Image.new("RGB", (max(r.width for r in rows), sum(r.height for r in rows) + GAP), PAPER)
    top = 0
    for row in rows:
        sheet.paste(row, (0, top))
        top += row.height
    with whole(path) as temporary:
        sheet.save(temporary, format=picture_format(path))


def picture_format(path: Path) -> str:
    """The format its suffix stands for. Raises ConfigError for a suffix of none."""
    known = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
    if path.suffix.lower() not in known:
        raise ConfigError(f"{printable(path)}: {unknown('suffix of a picture', path.suffix, known)}")
    return known[path.suffix.lower()]


def _row(model: Recogniser | About, p: Prediction) -> Image.Image:
    frames = _frames(model, p)
    row = Image.new("RGB", (GAP + max(frames, TITLED) * (CELL + GAP), TITLE + CELL + BAR + 2 * GAP), PAPER)
    pen, font = ImageDraw.Draw(row), ImageFont.load_default(15)
    saved = f"stopped after {len(p.frame_indices)} of {frames} frames" if p.exited else "all looks taken"
    if p.exited and len(p.frame_indices) == frames:
        saved = f"stopped at step {p.exit_step} of {p.steps}"
    title = f"{Path(printable(p.path)).name}:  {p.label}  ({p.score:.2f}),  {saved},  {p.gmacs:.3f} GMACs"
    pen.text((GAP, 4), title, INK, font)
    for i in range(frames):
        left = GAP + i * (CELL + GAP)
        pen.rectangle((left, TITLE, left + CELL - 1, TITLE + CELL - 1), IDLE)
    for i, pixels in enumerate(_looked_at(model, p)):
        left = GAP + i * (CELL + GAP)
        row.paste(_cell(model, pixels, _centres(model, p, i)), (left, TITLE))
    _confidences(pen, p, model.config.looks_per_frame)
    return row


def _frames(model: Recogniser | About, p: Prediction) -> int:
    """How many frames the clip was sampled at: fewer than the model's where it has fewer, and says so by its steps."""
    shorter = (replace(model.config, frames=n) for n in range(1, model.config.frames))
    fits = (config.frames for config in shorter if model.config.timeless and config.steps == p.steps)
    return next(fits, model.config.frames)


def _looked_at(model: Recogniser | About, p: Prediction) -> list[np.ndarray]:
    """The frames the model saw, uncut: only those that were decoded for it."""
    config = model.config
    with open_video(p.path) as video:
        wanted = p.frame_indices[: config.frames]  # where the focus has frames of its own, those of the glance
        cut = partial(cut_frame, frame_side=config.frame_side, short_side=config.short_side)
        shown = dict(zip(sorted(wanted), video.read(sorted(wanted)), strict=True))
        return [cut(shown[i]).transpose(1, 2, 0) for i in wanted]


def _centres(model: Recogniser | About, p: Prediction, frame: int) -> tuple[tuple[float, float], ...]:
    """Where the patches of a frame were, none where the focus never came to it."""
    if model.config.patch == "shared":
        return p.patches[-1:]
    looks = model.config.looks_per_frame
    return p.patches[frame * looks : (frame + 1) * looks]


def _cell(model: Recogniser | About, pixels: np.ndarray, centres: tuple[tuple[float, float], ...]) -> Image.Image:
    """The frame dimmed as the glance sees it, each patch in full strength inside its frame."""
    image = Image.fromarray(pixels).resize((CELL, CELL), Image.Resampling.BICUBIC)
    if not centres or model.config.focus is None:
        return image
    scale = CELL / model.config.frame_side
    room, size = model.config.frame_side - model.config.focus.side, model.config.focus.side
    dimmed = Image.blend(image, Image.new("RGB", image.size, PAPER), 0.45)
    for centre in centres:
        top, left = (int(c * room) * scale for c in centre)
        box = (round(left), round(top), round(left + size * scale) - 1, round(top + size * scale) - 1)
        dimmed.paste(image.crop(box), box[:2])
        ImageDraw.Draw(dimmed).rectangle(box, outline=PATCH, width=3)
    return dimmed


def _confidences(pen: ImageDraw.ImageDraw, p: Prediction, looks: int) -> None:
    """Under each frame how sure the model was after its last look; green where it stopped."""
    offset = 1 if len(p.step_scores) > looks * len(p.frame_indices) else 0  # glance_first has a step before its frames
    scores = p.step_scores[offset:]
    for i in range(-(-len(scores) // looks)):
        after = min((i + 1) * looks, len(scores))
        score = scores[after - 1]
        left, top = GAP + i * (CELL + GAP), TITLE + CELL + 3
        stop = p.exited and after - 1 + offset == p.exit_step - 1
        pen.rectangle((left, top, left + CELL - 1, top + BAR - 1), IDLE)
        pen.rectangle((left, top, left + max(1, round(score * CELL)) - 1, top + BAR - 1), SURE if stop else INK)
