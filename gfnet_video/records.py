"""What the parts hand to each other: frozen records, checked at birth, whose repr shows shapes.

Letters: B videos, T frames, C channels, H W pixels, K classes, P patch side, D feature width, S steps, F focus looks.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from gfnet_video.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor


def _show(value: Any) -> str:
    shape = getattr(value, "shape", None)
    return repr(value) if shape is None else f"{type(value).__name__}{tuple(shape)}"


class _Shown:
    """A repr with shapes in the place of numbers."""

    def __repr__(self) -> str:
        parts = ", ".join(f"{f.name}={_show(getattr(self, f.name))}" for f in fields(self))  # type: ignore[arg-type]
        return f"{type(self).__name__}({parts})"


def _expect(name: str, tensor: Tensor, dims: int) -> None:
    if tensor.ndim != dims:
        raise ConfigError(f"{name} has shape {tuple(tensor.shape)}; expected {dims} dimensions")


@dataclass(frozen=True)
class Parting:
    """How the clips a model was trained on were parted from others: by which seed, and a digest of which they were;
    empty where nobody noted it."""

    seed: int = 0
    digest: str = ""


@dataclass(frozen=True, repr=False)
class Features(_Shown):
    """What a look returns for each frame: `map` (B,T,C,h,w), `pooled` (B,T,D), `logits` (B,T,K)."""

    map: Tensor
    pooled: Tensor
    logits: Tensor

    def __post_init__(self) -> None:
        _expect("map", self.map, 5)
        _expect("pooled", self.pooled, 3)
        _expect("logits", self.logits, 3)


@dataclass(frozen=True, repr=False)
class Looks(_Shown):
    """`GFNet.forward`'s answer: `logits` (B,K), `step_logits` (B,S,K), `centres` (B,F,2) as (y, x) in [0, 1].

    `step_logits` are the uncalibrated video-level logits after each step; `logits` are the last of them.
    """

    logits: Tensor
    step_logits: Tensor
    centres: Tensor

    def __post_init__(self) -> None:
        _expect("logits", self.logits, 2)
        _expect("step_logits", self.step_logits, 3)
        _expect("centres", self.centres, 3)


@dataclass(frozen=True, repr=False)
class Step(_Shown):
    """One turn of the loop: video-level `logits` (B,K) after step `index`, the patch's `centre` (B,2) or None."""

    index: int
    logits: Tensor
    centre: Tensor | None

    @property
    def confidence(self) -> float:
        """The highest class probability of the first video in the batch, uncalibrated."""
        return float(self.logits[0].softmax(-1).max())


@dataclass(frozen=True)
class Prediction:
    """What the tool says of one video. frame_indices: of the frames looked at; frames_decoded: of those that were
    decoded for it, where they are decoded ahead some in vain; seconds: of each part of the work."""

    path: str
    label: str
    score: float
    top5: tuple[tuple[str, float], ...]
    exit_step: int
    steps: int
    exited: bool
    frames_decoded: int
    frame_indices: tuple[int, ...]
    patches: tuple[tuple[float, float], ...]
    gmacs: float
    seconds: dict[str, float]
    step_scores: tuple[float, ...]
    warnings: tuple[str, ...] = ()
