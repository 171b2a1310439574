"""The networks that the table of `mini` compares: every recipe, on each backbone family, from each seed; and ablations.

A run's folder is runs/NAME, of the recipe's config with the family's name and the seed in it: seed 1 of the full-frame
EfficientNet is tsm_efficientnet_lite0_full_seed1. What a recipe starts from is of its own family and seed.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from gfnet_video.cli.train import config_path
from gfnet_video.config import Config, LookConfig, load_config
from gfnet_video.engines.macs import costs_of
from gfnet_video.model import GFNet

RUNS = Path("runs")
FAMILIES = {"mobilenetv2": "mobilenetv2_100", "efficientnet_lite0": "tf_efficientnet_lite0"}
SEEDS = (0, 1)


@dataclass(frozen=True)
class Recipe:
    """A row of the table: its words, the shipped config and what is changed in it.

    Its exits, found on the calibration split: proven to harm at most `max_drop` of clips, or the best that cost at most
    `cost` of the full-frame network on average; it has none where both are 0. A cost of 0.355 is a third on dev's
    digits over other photographs, whose clips exit sooner; one of 0.3 is 28 % there, and for a glance of side 32, or
    patches of 48, more brings little.
    """

    title: str
    config: str
    changes: tuple[str, ...] = ()
    max_drop: float = 0.0
    cost: float = 0.0


def _static(title: str, name: str, side: int) -> Recipe:
    return Recipe(title, "mini_mobilenetv2_glance", (f"name=tsm_mobilenetv2_{name}", f"model.glance.side={side}"))


def _control(where: str) -> tuple[str, ...]:
    return (f"name=control_tsm_mobilenetv2_{where}", f"model.where={where}", f"train.stages.0.patches={where}")


def _learner(name: str, reward: str, tracks: int) -> tuple[str, ...]:
    changes = (f"learner={name}", f"reward={reward}", f"tracks={tracks}", "policy_dropout=0")
    return (f"name=gfnet_tsm_mobilenetv2_{name}", *(f"train.stages.0.{change}" for change in changes))


FIRST = "mini_mobilenetv2_gfnet_glance_first"
TINY = (
    "name=gfnet_tsm_mobilenetv2_tiny_first",
    "model.glance.side=32",
    "train.initial_glance=runs/tsm_mobilenetv2_tiny/model",
)
PATCH_48 = ("name=gfnet_tsm_mobilenetv2_patch48_first", "model.focus.side=48")
GLANCE_LONG = ("name=tsm_mobilenetv2_glance_long", "train.stages.0.epochs=16")
LONG = (
    "name=gfnet_tsm_mobilenetv2_long_first",
    "train.initial_glance=runs/tsm_mobilenetv2_glance_long/model",
    "train.stages.1.epochs=8",
)
RECIPES = {
    "full": Recipe("full-frame static TSM, side 96", "mini_mobilenetv2_full"),
    "glance": Recipe("glance-side static TSM, side 36", "mini_mobilenetv2_glance"),
    "glance_long": Recipe("glance-side static TSM, side 36, twice as long", "mini_mobilenetv2_glance", GLANCE_LONG),
    "tiny": _static("static TSM, side 32", "tiny", 32),
    "smaller": _static("static TSM, side 48", "smaller", 48),
    "small": _static("static TSM at no less cost than GFNet with exits, side 52", "small", 52),
    "gfnet": Recipe("GFNet, glance first", FIRST, cost=0.355),
    "gfnet_tiny": Recipe("GFNet, glance first, glance of side 32", FIRST, TINY, cost=0.3),
    "gfnet_48": Recipe("GFNet, glance first, patches of 48", FIRST, PATCH_48, cost=0.3),
    "gfnet_long": Recipe("GFNet, glance first, glance and focus learned twice as long", FIRST, LONG, cost=0.355),
    "streaming": Recipe("GFNet, interleaved (streaming)", "mini_mobilenetv2_gfnet", max_drop=0.01),
    "random": Recipe("patches at random", "mini_mobilenetv2_control", _control("random")),
    "centre": Recipe("patches at the centre", "mini_mobilenetv2_control", _control("centre")),
    "oracle": Recipe("patches on the truth (oracle)", "mini_mobilenetv2_control", _control("oracle")),
    "reinforce": Recipe("policy by REINFORCE", FIRST, _learner("reinforce", "alone", 8)),
    "ppo": Recipe("policy by PPO", FIRST, _learner("ppo", "contrastive", 1), cost=0.355),
    "end_to_end": Recipe("policy end to end", "mini_mobilenetv2_gfnet_end_to_end"),
}


def _changed(title: str, name: str, *changes: str) -> Recipe:
    return Recipe(title, FIRST, (f"name=ablated_tsm_mobilenetv2_{name}", *changes))


ABLATIONS = {  # of "gfnet", one thing changed
    "gru": _changed("a GRU over the features for the mean of what they say", "gru", "model.aggregator=gru"),
    "no_shift": _changed("patches without temporal shift", "no_shift", "model.focus.shift=false"),
    "past": _changed("the policy sees past frames only", "past", "model.policy_sees=past"),
    "shared": _changed("one patch place for the clip", "shared", "model.patch=shared", "model.policy_sees=past"),
    "two_looks": _changed(
        "two patches of 44 a frame for one of 64", "two_looks", "model.looks_per_frame=2", "model.focus.side=44"
    ),
    "side_48": _changed("patches of 48", "side_48", "model.focus.side=48"),
    "alone": _changed("proposals rewarded by the answer to them alone", "alone", "train.stages.0.reward=alone"),
    "aside": _changed("the focus' own loss weighs 0.5 for 3", "aside", "train.stages.1.auxiliary=0.5"),
}
TRAINED = RECIPES | ABLATIONS

BUNDLES = {  # the models that the package carries, in float16: of which recipe, under which name
    "bundled": ("streaming", "gfnet_tsm_mobilenetv2.mini"),
    "bundled_first": ("gfnet_48", "gfnet_tsm_mobilenetv2_glance_first.mini"),
}
STATIC = {  # what they start from and are measured against, carried as well: nobody need train an hour to compare
    "full": "tsm_mobilenetv2_full.mini",
    "glance": "tsm_mobilenetv2_glance.mini",
}
TITLES = {key: recipe.title for key, recipe in RECIPES.items()} | {
    "bundled": "bundled, interleaved (streaming), float16",
    "bundled_first": "bundled, glance first, float16",
}


@cache
def config_of(key: str, family: str = "mobilenetv2", seed: int = 0) -> Config:
    """The config of a recipe on a backbone family from a seed."""
    recipe = TRAINED[key]
    config = load_config(config_path(recipe.config), recipe.changes)
    model, train = config.model, config.train
    focus = model.focus and _on(model.focus, family)
    starts = (train.initial_glance, train.initial_focus)
    glance_from, focus_from = (
        str(RUNS / _named(Path(s).parts[1], family, seed) / "model") if s else "" for s in starts
    )
    return replace(
        config,
        name=_named(config.name, family, seed),
        model=replace(model, glance=_on(model.glance, family), focus=focus),
        train=replace(train, seed=seed, initial_glance=glance_from, initial_focus=focus_from),
    )


@cache
def cost_of(key: str, family: str = "mobilenetv2") -> float:
    """GMACs of a clip that a recipe's network takes all looks at."""
    return costs_of(GFNet(config_of(key, family).model).eval())[-1]


def model_of(key: str, family: str, seed: int) -> Path:
    """Where the trained model of a recipe lies, or will."""
    return RUNS / config_of(key, family, seed).name / "model"


def recipe_of(key: str, family: str, seed: int) -> str:
    """A hash of all that a network is trained by: its config, and those of the networks it starts from.

    Fields at their defaults are left out, so that one more field of the configuration changes no recipe.
    """
    config = config_of(key, family, seed)
    starts = {config.train.initial_glance, config.train.initial_focus} - {""}
    of = [recipe_of(k, family, seed) for k in RECIPES if str(model_of(k, family, seed)) in starts]
    return hashlib.sha256("".join([json.dumps(_stated(config)), *of]).encode()).hexdigest()[:16]


def _stated(value: Any) -> Any:
    """What a configuration says besides its defaults, in plain values."""
    if is_dataclass(value):
        held = {f.name: getattr(value, f.name) for f in fields(value)}
        return {f.name: _stated(held[f.name]) for f in fields(value) if held[f.name] != f.default}
    return [_stated(one) for one in value] if isinstance(value, tuple) else value


def _named(name: str, family: str, seed: int) -> str:
    return name.replace("mobilenetv2", family) + (f"_seed{seed}" if seed else "")


def _on(look: LookConfig, family: str) -> LookConfig:
    return replace(look, backbone=FAMILIES[family])
