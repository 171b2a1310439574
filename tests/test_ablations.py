"""Ablations of mini's GFNet: each undoes one choice, is measured at one cost, and stands beside what it was before."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from gfnet_video.checkpoint import BUNDLED
from gfnet_video.config import LookConfig, ModelConfig
from gfnet_video.engines.macs import costs_of
from gfnet_video.errors import DataError
from gfnet_video.evaluation.metrics import StepLogits
from gfnet_video.model import GFNet
from tests.test_mini_table import OBJECTS, row
from tools import ablations
from tools.mini_runs import ABLATIONS, BUNDLES, RECIPES, config_of, cost_of, recipe_of

CHANGED = {"gru": 1, "no_shift": 1, "past": 1, "shared": 2, "two_looks": 2, "side_48": 1, "alone": 1, "aside": 1}


def said(config: object) -> dict[str, object]:
    """What a configuration says, flat."""
    fields = vars(config).items() if isinstance(config, ModelConfig | LookConfig) else ()
    return {f"{name}.{k}": v for name, value in fields for k, v in (said(value) or {"": value}).items()}


def test_each_undoes_one_choice_and_is_a_run_of_its_own() -> None:
    base = config_of("gfnet")
    for key in ABLATIONS:
        config, model = config_of(key), said(config_of(key).model)
        stages = zip(config.train.stages, base.train.stages, strict=True)
        apart = [k for k, v in model.items() if v != said(base.model)[k]]
        apart += [k for a, b in stages for k, v in vars(a).items() if v != getattr(b, k)]
        assert len(apart) == CHANGED[key], apart
        assert config.train.initial_glance == base.train.initial_glance
        assert config.train.initial_focus == base.train.initial_focus
    assert len({recipe_of(k, "mobilenetv2", 0) for k in (*RECIPES, *ABLATIONS)}) == len(RECIPES) + len(ABLATIONS)


def test_all_are_apart_from_the_network_as_it_is_on_the_same_clips() -> None:
    rows = [row("gfnet", 360, gmacs=0.2), row("gfnet+third", 340), row("gru", 380, gmacs=0.2), row("gru+third", 300)]
    lines = ablations.markdown(rows, OBJECTS).splitlines()
    assert lines[2] == "| the gfnet | 90.0 | 0.200 |  | 85.0 |  |"
    assert lines[3].startswith("| the gru | 95.0 | 0.200 | +5.0 (") and "| 75.0 | -10.0 (" in lines[3]
    assert len(lines) == 4  # what is not there has no line


def test_a_network_is_measured_with_all_looks_and_within_a_third(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bundled network, with answers that grow surer and are right at last, the same on dev and calibration."""
    labels, dice = torch.arange(200) % 40, torch.Generator().manual_seed(0)
    surer = torch.linspace(0, 30, 9)[:, None] * torch.nn.functional.one_hot(labels, 40)[:, None]
    steps = StepLogits(torch.randn(200, 9, 40, generator=dice) + surer, labels, torch.empty(0), {}, 0.0)
    bundled, name = BUNDLES["bundled_first"]
    folder = BUNDLED / name
    monkeypatch.setattr(ablations, "model_of", lambda key, *_: folder if key == "gfnet" else Path("nowhere"))
    monkeypatch.setattr(ablations, "open_clips", lambda manifest, *_: manifest)
    monkeypatch.setattr(ablations, "step_logits_of", lambda _, clips: clips.steps)
    split = SimpleNamespace(labels=labels.numpy(), steps=steps)
    whole, third = ablations.measured(split, split, Path())  # type: ignore[arg-type]
    assert (whole.key, third.key) == ("gfnet", "gfnet+third")
    assert whole.right.all() and whole.gmacs == pytest.approx(costs_of(GFNet(config_of(bundled).model).eval())[-1])
    assert third.gmacs is not None and 0.06 < third.gmacs <= cost_of("full") / 3
    assert 0.5 < third.right.mean() <= 1


def test_without_the_network_as_it_is_there_is_nothing_to_compare(monkeypatch: pytest.MonkeyPatch) -> None:
    split = SimpleNamespace(digest=lambda: "s")
    monkeypatch.setattr(ablations, "read_manifest", lambda *_: split)
    monkeypatch.setattr(ablations, "measured", lambda *_: [])
    with pytest.raises(DataError, match=r"tsm_mobilenetv2_glance_first.* is not trained.*--train"):
        ablations.measure(Path(), {})
