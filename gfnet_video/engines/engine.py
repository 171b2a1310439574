"""What the exit loop asks of an engine: who it is, and the steps of a clip, one by one.

Letters: B videos, S frame side, F focus looks, K classes.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np

from gfnet_video.config import ModelConfig
from gfnet_video.engines.macs import LookMacs
from gfnet_video.engines.timing import Seconds
from gfnet_video.nn.exit_rule import ExitRule
from gfnet_video.records import Parting


@dataclass(frozen=True)
class About:
    """What an engine says of the model it runs; of an exported one it stands in its folder.

    model, dataset: names, for people. valid_for: where the thresholds of `rule` hold. precision: what the networks
    compute in. interval: seconds between the frames of the clips it was trained on; 0 where nobody noted it. parting:
    of those clips from others, which it may be measured on.
    """

    model: str
    dataset: str
    config: ModelConfig
    classes: tuple[str, ...]
    rule: ExitRule
    macs: LookMacs
    precision: str = "float32"
    valid_for: dict[str, Any] = field(default_factory=dict)
    interval: float = 0.0
    parting: Parting = field(default_factory=Parting)


@dataclass(frozen=True)
class Turn:
    """A step: video-level logits (B,K) after step `index`, the patch's centre (B,2) or None."""

    index: int
    logits: np.ndarray
    centre: np.ndarray | None


@runtime_checkable
class Engine(Protocol):
    """Runs the looks of one model; `name` is torch, onnxruntime or openvino."""

    @property
    def name(self) -> str: ...

    @property
    def about(self) -> About: ...

    def cut(self, pixels: np.ndarray) -> np.ndarray:
        """A decoded frame (H,W,3) uint8 as the working frame (3,S,S) uint8, the same in every engine."""
        ...

    def walk(
        self,
        frames: Iterable[np.ndarray],
        *,
        glance_frames: Iterable[np.ndarray] | None = None,
        chunk: int = 1,
        centres: np.ndarray | None = None,
        seconds: Seconds | None = None,
    ) -> Generator[Turn, None, None]:
        """`GFNet.walk` on frames (B,3,S,S) uint8, each pulled when its turn comes; leaving the loop is the exit.

        centres (B,F,2) force the patches; the seconds of each look are added to `seconds`.
        """
        ...

    def slide(self, frame: np.ndarray, memory: Any = None, *, seconds: Seconds | None = None) -> tuple[Any, Turn]:
        """Look at one more frame (B,3,S,S) uint8 of streams, which `memory` holds (None at their start) and is returned
        anew: the logits are those of the last T frames, as `engines.window` defines them. `Turn.index` is that of the
        step at which a clip of so many frames would be. Only causal, interleaved models have such a step.
        """
        ...

    def look(
        self,
        frames: np.ndarray,
        memories: Sequence[Any],
        *,
        centres: np.ndarray | None = None,
        seconds: Seconds | None = None,
    ) -> tuple[list[Any], np.ndarray, np.ndarray | None]:
        """Look at one more frame (B,3,S,S) uint8 of each of B clips, which need not be equally far.

        Each clip has a memory of its own, None where it begins.

        Returns the memories anew, the video-level logits (B,K) and the patches' centres (B,2), None without a focus;
        centres (B,2) force them. Only models that go from frame to frame (`ModelConfig.frame_by_frame`) can do it, and
        those that glance first, which here focus only: at the centres that `plan` gave. seconds, here and below: as
        `walk` takes it.
        """
        ...

    def glances(self, clips: np.ndarray, *, seconds: Seconds | None = None) -> tuple[list[Any], np.ndarray, Any]:
        """Glance at whole clips (B,T,3,S,S) uint8 of a model that glances first: a memory of each for `look`, the
        video-level logits (B,K), and the maps (B,...) for `plan`, None where it needs none.
        """
        ...

    def plan(self, maps: Any, clips: int, *, seconds: Seconds | None = None) -> np.ndarray:
        """The centres (clips,F,2) of all patches of clips, from their maps as `glances` gave them."""
        ...


def probabilities(rule: ExitRule, turn: Turn) -> np.ndarray:
    """Calibrated class probabilities (B,K) of a step, as `ExitRule.probabilities` gives them."""
    scaled = turn.logits / np.float32(rule.temperatures[turn.index])
    odds = np.exp(scaled - scaled.max(-1, keepdims=True))
    shares: np.ndarray = odds / odds.sum(-1, keepdims=True)
    return shares


def fires(rule: ExitRule, turn: Turn) -> np.ndarray:
    """(B,) bool: which videos stop after this step, as `ExitRule.fires` says it."""
    sure: np.ndarray = probabilities(rule, turn).max(-1) >= np.float32(rule.thresholds[turn.index])
    return sure
