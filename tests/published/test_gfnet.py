"""GFNet's published image networks, converted, say what GFNet says, at once and step by step."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
import torch

import gfnet_video as gf
from gfnet_video.checkpoint import Recogniser
from gfnet_video.engines.graphs import graphs_of
from gfnet_video.engines.macs import costs_of
from gfnet_video.errors import CheckpointError, ConfigError
from gfnet_video.inference.batch import run_batch
from gfnet_video.model import GFNet
from gfnet_video.nn.exit_rule import NEVER, ExitRule
from gfnet_video.published.convert import convert
from gfnet_video.published.fitting import fill
from gfnet_video.published.gfnet import GFNET
from gfnet_video.published.source import Asked
from tests.published import forms

NAMES = ("pub_gfnet_resnet50_96", "pub_gfnet_mobilenetv3_large_100_96")


@cache
def content(name: str) -> dict[str, Any]:
    """What the project's file holds; the thresholds of a budget are ascending in it, the last none."""
    held = forms.golden(name)
    steps, seeds = held["steps"], held["part_seeds"]
    parts = {k: forms.weights(v, seeds[k], held["bn_weight"]) for k, v in held["state_dicts"].items()}
    rows = torch.linspace(0.3, 0.9, 39)[:, None].repeat(1, steps)
    rows[:, 0], rows[:, -1] = 1e8, -1e8
    return {
        **parts,
        "model_name": held["model_name"],
        "patch_size": held["patch_size"],
        "flops": [1e8 * (i + 1) for i in range(steps)],
        "model_flops": 1e8,
        "policy_flops": 1e6,
        "fc_flops": [0.0] * steps,
        "anytime_classification": [70.0] * steps,
        "budgeted_batch_classification": [[], []],
        "dynamic_threshold": rows,
        **forms.extras(),
    }


@pytest.fixture(scope="module", params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def model(name: str, tmp_path_factory: pytest.TempPathFactory) -> Recogniser:
    folder = tmp_path_factory.mktemp(name)
    convert(forms.write(folder / "published.pth.tar", content(name)), folder / "model")
    (folder / "published.pth.tar").unlink()
    return gf.load(folder / "model", verify=True)  # type: ignore[no-any-return]


@torch.inference_mode()
def test_logits_and_centres_match(model: Recogniser, name: str) -> None:
    held = forms.golden(name)
    images, actions = forms.clip(held["seed"], held["input_shape"])[:, None], torch.tensor(held["actions"])
    looks = model(images)
    assert looks.step_logits.shape == (2, held["steps"], 1000)
    assert torch.allclose(looks.centres, actions.transpose(0, 1), atol=1e-4)
    expected = torch.tensor(held["logits_first16"]).transpose(0, 1)
    assert torch.allclose(looks.step_logits[..., :16], expected, atol=1e-3)
    assert looks.step_logits.argmax(-1).T.tolist() == held["argmax"]


@torch.inference_mode()
def test_one_by_one_and_with_exits_is_the_same(model: Recogniser, name: str) -> None:
    held = forms.golden(name)
    images = forms.clip(held["seed"], held["input_shape"])[:, None]
    looks = model(images)
    walked = list(model.walk(images.unbind(1)))
    assert [step.index for step in walked] == list(range(held["steps"])) and walked[0].centre is None
    assert torch.allclose(torch.stack([s.logits for s in walked], 1), looks.step_logits, atol=1e-4)
    for seats in (None, 1):
        never = run_batch(model, images, ExitRule.never(model.steps), seats=seats)
        assert torch.allclose(never.logits, looks.logits, atol=1e-3) and never.steps.tolist() == [model.steps - 1] * 2
    confident = looks.step_logits.softmax(-1).amax(-1)  # (B,S)
    edge = float(confident[:, 1].mean())  # one of the two leaves at the second step
    rule = ExitRule((1.0,) * model.steps, (NEVER, edge) + (NEVER,) * (model.steps - 2))
    found = run_batch(model, images, rule)
    assert sorted(found.steps.tolist()) == sorted({1, model.steps - 1}) and found.steps.equal(
        rule.exits(looks.step_logits)
    )
    costs = costs_of(model)
    assert all(a < b for a, b in pairwise(costs))


def test_the_card_holds_the_stored_thresholds(model: Recogniser) -> None:
    rule, told = model.card.rule, model.card.provenance
    assert rule.thresholds[0] == NEVER and rule.thresholds[-1] == NEVER
    assert rule.thresholds[1:-1] == pytest.approx([0.6] * (model.steps - 2))
    assert (
        told["thresholds"].startswith("row 20 of 39 stored, with which as many images leave")
        and len(told["all_thresholds"]) == 39
    )
    assert any("critic" in name for name in told["left_out"])
    assert all("critic" in name or "fc_4" in name or "fc_5" in name for name in told["left_out"])


def test_an_image_is_one_frame(model: Recogniser) -> None:
    with pytest.raises(ConfigError, match=r"shape \(1, 2, 3, 224, 224\); expected \(B, 1, 3, 224, 224\)"):
        model(torch.zeros(1, 2, 3, 224, 224))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model_name": "resnet500"}, "unknown model_name 'resnet500'; did you mean 'resnet50'"),
        ({"model_name": ["a"]}, "unknown model_name"),
        ({"dynamic_threshold": 3}, "dynamic_threshold is no table of numbers"),
        ({"patch_size": 500}, "patch_size is 500; expected pixels, 1 to 224"),
        ({"patch_size": 128}, r"misshapen policy.state_encoder.3.weight: file \(256, 288\), expected \(256, 512\)"),
        ({"flops": 3}, "flops is 3; expected the cost of each of 2 or more steps"),
        ({"flops": [1.0] * 6, "dynamic_threshold": None}, r"missing fc.fc_6.weight \(1000, 7680\)"),
        ({"dynamic_threshold": torch.zeros(39, 9)}, r"dynamic_threshold has shape \(39, 9\); expected numbers"),
    ],
)
def test_what_does_not_fit_is_named(changes: dict[str, Any], words: str) -> None:
    held = content(NAMES[1]) | changes
    with pytest.raises(CheckpointError, match=words):
        found = GFNET.read(held, Asked(), "a.pth")
        model = GFNet(found.config)
        fill(model, found.names(model), found.tensors, spare=found.spare, where="a.pth")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"frames": 2}, "image mode.*expected frames 1, glance_first, causal, per_frame and a focus"),
        ({"aggregator": "mean"}, "image mode .* takes policy gfnet or gfnet_conv, and aggregator gru_steps"),
        ({"policy_sees": "past"}, "in image mode alone"),
        ({"focus": None}, "and a focus"),
    ],
)
def test_what_image_mode_is_made_of(changes: dict[str, Any], words: str) -> None:
    config = GFNET.read(content(NAMES[1]), Asked(), "a.pth").config
    with pytest.raises(ConfigError, match=words):
        replace(config, **changes)


def test_a_published_policy_is_not_exported() -> None:
    config = GFNET.read(content(NAMES[1]), Asked(), "a.pth").config
    with pytest.raises(ConfigError, match=r"policy is gfnet_conv .* run on torch alone and cannot be exported"):
        graphs_of(GFNet(config))
