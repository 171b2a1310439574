"""Where a checkpoint's thresholds hold: what they were found under, and what a prediction does otherwise."""

from __future__ import annotations

import torch

from gfnet_video.checkpoint import Recogniser
from gfnet_video.nn.device import device_of


def conditions(model: Recogniser, *, chunk: int = 1) -> dict[str, str | int]:
    """What thresholds depend on beside the weights: sampler, frames a clip, order of looks, chunk, precision."""
    config = model.config
    return {
        "sampler": config.sampler,
        "frames": config.frames,
        "order": config.order,
        "chunk": chunk,
        "precision": _precision(model),
    }


def elsewhere(model: Recogniser, *, chunk: int = 1) -> tuple[str, ...]:
    """A sentence for each condition that is another than the stored thresholds' own; what the card leaves out fits."""
    held = model.card.valid_for
    now = conditions(model, chunk=chunk)
    return tuple(
        f"thresholds were found for {name} {held[name]}, used with {value}"
        for name, value in now.items()
        if held.get(name, value) != value
    )


def _precision(model: Recogniser) -> str:
    """What the networks compute in: autocast's type where it is on, else the weights'."""
    kind = device_of(model).type
    if torch.is_autocast_enabled(kind):
        return str(torch.get_autocast_dtype(kind)).removeprefix("torch.")
    return str(next(model.parameters()).dtype).removeprefix("torch.")
