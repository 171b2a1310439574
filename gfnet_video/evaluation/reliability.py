"""Whether a confidence of 0.8 is right in 8 of 10 clips: reliability and expected calibration error.

Guo et al., On Calibration of Modern Neural Networks, 2017. Letters: N clips, S steps, K classes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from gfnet_video.errors import DataError
from gfnet_video.nn.exit_rule import ExitRule

BINS = 15


@dataclass(frozen=True)
class Bin:
    """Clips whose confidence is above `low` and at most `high`; their means are None where there are none."""

    low: float
    high: float
    clips: int
    confidence: float | None
    accuracy: float | None


def reliability(confidence: Tensor, right: Tensor, *, bins: int = BINS) -> list[Bin]:
    """Bins of equal width. confidence (N,): of the answer given, in [0, 1]; right (N,) bool: whether it is right."""
    edges = torch.arange(bins + 1, dtype=torch.double) / bins
    confidence, right = confidence.double(), right.double()
    place = torch.bucketize(confidence, edges[1:-1])  # an inner edge belongs to the bin below it
    counts, sure, hits = (
        torch.zeros(bins, dtype=torch.double).index_add_(0, place, values)
        for values in (torch.ones_like(confidence), confidence, right)
    )
    return [
        Bin(low, high, int(n), s / n if n else None, h / n if n else None)
        for low, high, n, s, h in zip(
            *(t.tolist() for t in (edges[:-1], edges[1:], counts, sure, hits)),
            strict=True,
        )
    ]


def ece(confidence: Tensor, right: Tensor, *, bins: int = BINS) -> float:
    """Expected calibration error: how far confidence is from accuracy, the mean over bins weighted by their clips.

    Arguments as in `reliability`. Raises DataError without clips.
    """
    if not len(confidence):
        raise DataError("no clip could be read: a calibration error needs at least one")
    found = reliability(confidence, right, bins=bins)
    return sum(b.clips * abs(b.accuracy - b.confidence) for b in found if b.clips) / len(confidence)  # type: ignore[operator]


def calibration_report(rule: ExitRule, step_logits: Tensor, labels: Tensor, exits: Tensor) -> dict[str, Any]:
    """ECE before and after the rule's temperatures, after each step and at the exits; plain data.

    step_logits (N,S,K) and labels (N,) of clips that could be read; exits (N,): the step each stops after.
    """
    steps = range(step_logits.shape[1])
    right = step_logits.argmax(-1) == labels[:, None]  # (N,S)
    sure = {
        "before": step_logits.softmax(-1).amax(-1),
        "after": rule.probabilities(step_logits, torch.arange(len(steps))).amax(-1),
    }
    rows = torch.arange(len(exits))
    left = {when: values[rows, exits] for when, values in sure.items()}
    last = {when: values[:, -1] for when, values in sure.items()}
    left_right, last_right = right[rows, exits], right[:, -1]
    return {
        "bins": BINS,
        "clips": len(labels),
        "temperatures": list(rule.temperatures),
        "steps": [{"step": s + 1} | {f"ece_{w}": ece(v[:, s], right[:, s]) for w, v in sure.items()} for s in steps],
        "exits": _both(left, left_right),
        "last_step": _both(last, last_right),
    }


def _both(sure: dict[str, Tensor], right: Tensor) -> dict[str, Any]:
    errors = {f"ece_{when}": ece(values, right) for when, values in sure.items()}
    return errors | {f"bins_{when}": [asdict(b) for b in reliability(v, right)] for when, v in sure.items()}
