"""When to stop: the first step whose calibrated confidence reaches its threshold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gfnet_video.errors import ConfigError

if TYPE_CHECKING:  # a rule is numbers, which engines without torch read too
    from torch import Tensor

NEVER = 2.0  # no probability reaches it


@dataclass(frozen=True)
class ExitRule:
    """Exit at the first step s with max softmax(logits / temperatures[s]) >= thresholds[s]; the last always exits."""

    temperatures: tuple[float, ...]
    thresholds: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.temperatures) != len(self.thresholds) or not self.temperatures:
            raise ConfigError(
                f"{len(self.temperatures)} temperatures, {len(self.thresholds)} thresholds; expected equal"
            )
        if not all(0 < t < math.inf for t in self.temperatures):
            raise ConfigError(f"temperatures are {self.temperatures}; expected finite numbers above 0")
        if not all(t > 0 for t in self.thresholds):
            raise ConfigError(f"thresholds are {self.thresholds}; expected numbers above 0")

    @classmethod
    def never(cls, steps: int, temperatures: Sequence[float] = ()) -> ExitRule:
        """Take all steps."""
        return cls(tuple(temperatures) or (1.0,) * steps, (NEVER,) * steps)

    def at(self, confidence: float) -> ExitRule:
        """The same temperatures with one confidence in the place of all thresholds."""
        if not 0 < confidence <= 1:
            raise ConfigError(f"confidence is {confidence}; expected above 0 and at most 1")
        return ExitRule(self.temperatures, (confidence,) * len(self.temperatures))

    def probabilities(self, logits: Tensor, step: int | Tensor) -> Tensor:
        """Calibrated class probabilities of video-level logits (...,K) after `step` (0-based): one for all, or as many
        as broadcast to (...): each video's own (B,) of logits (B,K), all steps (S,) of logits (B,S,K).
        """
        return (logits / logits.new_tensor(self.temperatures)[step][..., None]).softmax(-1)

    def fires(self, logits: Tensor, step: int | Tensor) -> Tensor:
        """(...) bool: which videos stop after this step; logits and step as `probabilities` takes them."""
        return self.probabilities(logits, step).amax(-1) >= logits.new_tensor(self.thresholds)[step]

    def exits(self, step_logits: Tensor) -> Tensor:
        """(B,) index of the step at which each video stops, from (B,S,K) logits of all steps."""
        import torch

        fired = self.fires(step_logits, torch.arange(step_logits.shape[1]))
        fired[:, -1] = True
        return fired.int().argmax(1)
