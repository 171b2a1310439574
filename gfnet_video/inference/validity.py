"""Where a checkpoint's thresholds hold: what they were found under, and what a prediction does otherwise."""

from __future__ import annotations

from gfnet_video.config import ModelConfig
from gfnet_video.engines.engine import About


def conditions(config: ModelConfig, precision: str, *, chunk: int = 1, engine: str = "") -> dict[str, str | int]:
    """What thresholds depend on beside the weights: sampler, frames a clip, order of looks, patches' side, chunk,
    precision, and in int8, where each rounds in its own way, the engine."""
    side = {} if config.focus is None else {"patch_side": config.focus.side}
    rounds = {"engine": engine} if precision == "int8" and engine else {}
    return {
        "sampler": config.sampler,
        "frames": config.frames,
        "order": config.order,
        **side,
        "chunk": chunk,
        "precision": precision,
        **rounds,
    }


def stored_chunk(about: About) -> int:
    """How many frames are computed together where nobody says it: as the thresholds were found, else one by one."""
    chunk = about.valid_for.get("chunk", 1)
    return chunk if isinstance(chunk, int) and chunk > 0 else 1


def elsewhere(about: About, *, chunk: int = 1, engine: str = "") -> tuple[str, ...]:
    """A sentence for each condition that is another than the stored thresholds' own; what the model leaves out fits,
    but that thresholds of nowhere are those of float32, which every checkpoint computes in. engine: that looks."""
    held = (
        about.valid_for if about.precision not in ("bfloat16", "int8") else {"precision": "float32"} | about.valid_for
    )
    now = conditions(about.config, about.precision, chunk=chunk, engine=engine)
    plain = ("thresholds are plain confidences, calibrated on nothing",) if held.get("calibrated") is False else ()
    return plain + tuple(
        f"thresholds were found for {name} {held[name]}, used with {value}"
        for name, value in now.items()
        if held.get(name, value) != value
    )
