"""Several sides of patches in one model: what another side changes, how training draws it, how inference chooses."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch

from gfnet_video.checkpoint import Card, Recogniser, load, save
from gfnet_video.cli.main import run
from gfnet_video.config import Config, ModelConfig, StageConfig, TrainConfig
from gfnet_video.engines.macs import count_macs
from gfnet_video.engines.torch_engine import TorchEngine
from gfnet_video.errors import ConfigError
from gfnet_video.inference.batch import run_batch
from gfnet_video.inference.validity import conditions, elsewhere
from gfnet_video.model import GFNet
from gfnet_video.nn.exit_rule import ExitRule
from gfnet_video.training.dice import Dice, Share
from gfnet_video.training.learning import start_learning
from gfnet_video.training.step import Seen, Turn, at_drawn_side, losses
from tests import models

SIDES = (24, 32, 48)
MODES = {
    "image": models.image(patch_sides=SIDES),
    "cascade": models.image(aggregator="cascade", patch_sides=SIDES),
    "video": models.config(patch_sides=SIDES),
    "cam": models.config(where="cam", glance=replace(models.config().glance, pool="mean"), patch_sides=SIDES),
}


@cache
def made(mode: str) -> GFNet:
    return models.model(**vars(MODES[mode]))


def alone(config: ModelConfig, side: int) -> ModelConfig:
    """The config of a model that has that side and no other."""
    assert config.focus is not None
    return replace(config, focus=replace(config.focus, side=side), patch_sides=())


@pytest.mark.parametrize("mode", MODES)
@torch.no_grad()
def test_another_side_is_the_model_that_has_no_other(mode: str) -> None:
    model, clip = made(mode), models.frames(2, MODES[mode].frames)
    other, only = model.at_side(48), GFNet(alone(model.config, 48)).eval()
    only.load_state_dict(model.state_dict())
    looks, expected, own = other(clip), only(clip), model(clip)
    assert torch.equal(looks.step_logits, expected.step_logits) and torch.equal(looks.centres, expected.centres)
    assert not torch.allclose(looks.logits, own.logits, atol=1e-3)
    assert all(a is b for a, b in zip(model.parameters(), other.parameters(), strict=True))
    assert torch.equal(model(clip).step_logits, own.step_logits)  # the model itself is as it was
    walked = list(other.walk(clip.unbind(1)))
    assert torch.allclose(torch.stack([s.logits for s in walked], 1), looks.step_logits, rtol=1e-3, atol=1e-3)
    never = run_batch(other, clip, ExitRule.never(model.steps))
    assert torch.allclose(never.logits, looks.logits, rtol=1e-3, atol=1e-3)
    counted = count_macs(other)
    assert counted == count_macs(only) and counted.focus > count_macs(model).focus
    assert model.at_side(None) is model.at_side(32) is model


def test_a_side_that_was_not_learned_is_refused_with_those_that_were() -> None:
    with pytest.raises(ConfigError, match="patch side 40 is none that this model has learned; it has 24, 32, 48"):
        made("image").at_side(40)
    with pytest.raises(ConfigError, match=r"patch side 24 .*; it has 32 "):
        GFNet(alone(MODES["image"], 32)).at_side(24)
    with pytest.raises(ConfigError, match=r"patch side 24 .*; it has no focus"):
        GFNet(models.config(focus=None)).at_side(24)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"patch_sides": (24, 48)}, r"patch_sides is \[24, 48\]; .* focus.side \(32\) among them"),
        ({"patch_sides": (32, 32)}, "expected different sides"),
        ({"patch_sides": (32, 65)}, r"from 1 to frame_side \(64\)"),
        ({"patch_sides": (0, 32)}, "side is 0; expected at least 1"),
        ({"patch_sides": (32,), "focus": None}, r"patch_sides \[32\], but without a focus there is no patch"),
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        models.config(**changes)


# -- training -------------------------------------------------------------------------------------------------------


def drawn(model: GFNet, seed: int, share: Share | None = None) -> int:
    focus = at_drawn_side(model, Dice.seeded(seed, share)).config.focus
    assert focus is not None
    return focus.side


def test_each_batch_draws_a_side_by_its_own_dice() -> None:
    model = made("image")
    found = [drawn(model, seed) for seed in range(60)]
    assert found == [drawn(model, seed, Share(2, 1, 3)) for seed in range(60)]  # as every process of a training
    assert set(found) == set(SIDES) and min(found.count(side) for side in SIDES) > 10
    one, dice, before = GFNet(alone(MODES["image"], 32)), Dice.seeded(0), Dice.seeded(0).get_state()
    assert at_drawn_side(one, dice) is one and torch.equal(dice.get_state(), before)  # of one side nothing is drawn


@pytest.mark.parametrize("mode", ["image", "video"])
@pytest.mark.parametrize("patches", ["random", "policy", "sampled"])
def test_a_batch_is_learned_at_the_side_that_it_draws(mode: str, patches: str) -> None:
    policy = {"train": ("policy",), "learner": "ppo", "reward": "increment"} if patches == "sampled" else {}
    stage = StageConfig("stage", 1, 1e-3, patches, batch=2, **policy)  # type: ignore[arg-type]
    clip, labels = models.frames(2, MODES[mode].frames), torch.tensor([0, 1])

    def loss(model: GFNet, dice: Dice) -> float:
        learning = start_learning(model, stage, 0.0, 0)
        seen = Seen(clip, labels, torch.empty(2, 0, 2))
        found, _ = next(iter(losses(learning, Turn(stage, 0.0, None, dice), seen)))
        return float(found.detach())

    for seed in range(8):
        if (side := drawn(made(mode), seed)) != 32:
            break
    only = GFNet(alone(MODES[mode], side)).eval()
    only.load_state_dict(made(mode).state_dict())
    dice = Dice.seeded(seed)
    torch.randint(3, (), generator=dice)  # the side's own draw
    assert loss(made(mode), Dice.seeded(seed)) == loss(only, dice)


# -- inference ------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    valid = conditions(made("image").at_side(24).config, "float32")
    card = Card(Config("photos", MODES["image"], TrainConfig(())), tuple("abcde"), ExitRule.never(3), valid)
    save(tmp_path / "model", made("image"), card)
    return tmp_path / "model"


def test_thresholds_hold_for_the_side_that_they_were_found_at(folder: Path) -> None:
    model: Recogniser = load(folder, verify=True)
    assert elsewhere(TorchEngine(model.at_side(24)).about) == ()
    (said,) = elsewhere(TorchEngine(model).about)
    assert said == "thresholds were found for patch_side 24, used with 32"


def test_infer_takes_the_side_that_is_asked_for(folder: Path, clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = {}
    for side in (24, 32, 48):
        assert run(["infer", str(clip), "--model", str(folder), "--jsonl", "--patch-side", str(side)]) == 0
        found[side] = json.loads(capsys.readouterr().out)
    assert run(["infer", str(clip), "--model", str(folder), "--jsonl"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert plain["gmacs"] == found[32]["gmacs"] and plain["step_scores"] == found[32]["step_scores"]
    assert found[24]["gmacs"] < found[32]["gmacs"] < found[48]["gmacs"]
    assert found[24]["warnings"] == [] and "patch_side 24, used with 48" in found[48]["warnings"][0]


@pytest.mark.parametrize("verb", ["infer", "eval", "calibrate", "bench"])
def test_every_verb_that_runs_a_model_knows_its_sides(
    verb: str, folder: Path, clip: Path, tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ["--dataset", "sthv2", "--data", str(tree)]
    args = {
        "infer": [str(clip), "--model", str(folder)],
        "bench": [str(clip), "--model", str(folder), "--engine", "torch"],
        "eval": ["--model", str(folder), *data],
        "calibrate": [str(folder), *data],
    }[verb]
    assert run([verb, *args, "--patch-side", "40"]) == 2
    assert "patch side 40 is none that this model has learned; it has 24, 32, 48" in capsys.readouterr().err
