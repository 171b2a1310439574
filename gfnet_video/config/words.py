"""The words that a configuration may use, and the numbers between which it may choose."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from gfnet_video.errors import ConfigError, unknown

ORDERS = ("interleaved", "glance_first")
TEMPORAL = ("causal", "both")
PATCH = ("per_frame", "shared")
SAMPLERS = ("uniform", "dense", "coarse_to_fine")
STEPWISE = ("gru_steps", "gru_steps_own_first", "cascade")  # aggregators of image mode
AGGREGATORS = ("mean", "gru", "sum", *STEPWISE)
WHERE = ("policy", "cam", "centre", "random", "oracle")
PATCHES = ("none", "random", "sampled", "policy", "centre", "oracle")
CROPS = ("none", "multi_scale")
PARTS = ("glance", "focus", "policy", "aggregator")
OPTIMISERS = ("adamw", "sgd")
SCHEDULES = ("cosine", "steps")
BALANCES = ("none", "loss")
PRECISIONS = ("float32", "bf16")
SEES = ("past", "clip", "latest")
POLICIES = ("heat", "gfnet", "gfnet_conv", "adafocus", "adafocus_v2")
RESIZES = ("antialias", "bicubic", "bilinear", "nearest")
CROPPED = ("pixels", "between")
NORMS = ("stored", "batch")
CLIP_NETWORKS = ("x3d_xs", "x3d_s", "x3d_m", "slow_r50")  # nn/clip_backbone.py has them
# And the rewards that each can learn from; end to end, the loss itself tells and a reward is not asked.
LEARNERS = {
    "reinforce": ("alone",),
    "proposals": ("alone", "activation"),
    "ppo": ("increment", "contrastive"),
    "end_to_end": ("alone",),
}
REWARDS = ("alone", "activation", "increment", "contrastive")


def known(of: object, words: Mapping[str, Iterable[str]]) -> None:
    """Raise ConfigError unless each named field of a configuration is one of its words."""
    for name, allowed in words.items():
        if getattr(of, name) not in allowed:
            raise ConfigError(unknown(name, getattr(of, name), allowed))


def within(name: str, value: float, low: float, high: float = math.inf) -> None:
    """Raise ConfigError unless low <= value <= high; a NaN is not."""
    if not low <= value <= high:
        above = f"at least {low}" if high == math.inf else f"{low} to {high}"
        raise ConfigError(f"{name} is {value}; expected {above}")
