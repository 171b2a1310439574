"""A checkpoint folder: what is saved is what is loaded, and what does not fit is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from gfnet_video.checkpoint import Card, load, save
from gfnet_video.config import Config, TrainConfig
from gfnet_video.errors import CheckpointError
from gfnet_video.nn.exit_rule import ExitRule
from tests import models


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model = models.model()
    rule = ExitRule((1.5,) * models.FRAMES, (0.7,) * models.FRAMES)
    card = Card(Config("mini", model.config, TrainConfig(())), tuple("abcde"), rule, {"chunk": 1}, {"from": "a test"})
    save(tmp_path / "model", model, card)
    return tmp_path / "model"


def test_loaded_equals_saved(folder: Path) -> None:
    model, clip = load(folder, verify=True), models.frames()
    with torch.inference_mode():
        assert torch.equal(model(clip).step_logits, models.model()(clip).step_logits)
    assert model.card.classes == tuple("abcde")
    assert model.card.rule.thresholds == (0.7,) * models.FRAMES
    assert not model.training


def test_who_may_read_one_file_of_the_folder_may_read_the_other(folder: Path) -> None:
    weights, card = ((folder / name).stat().st_mode for name in ("model.safetensors", "config.json"))
    assert weights == card


def test_half_precision_selftest_is_of_the_rounded_weights(tmp_path: Path) -> None:
    model = models.model()
    card = Card(Config("mini", model.config, TrainConfig(())), tuple("abcde"), ExitRule.never(models.FRAMES))
    save(tmp_path / "half", model, card, half=True)
    load(tmp_path / "half", verify=True)
    stored = load_file(tmp_path / "half" / "model.safetensors")
    assert {v.dtype for v in stored.values()} == {torch.float16, torch.int64}


def change(folder: Path, **edit: object) -> None:
    path = folder / "model.safetensors"
    weights = load_file(path)
    name = next(k for k in weights if k.endswith("classifier.linear.bias"))
    if "drop" in edit:
        del weights[name]
    if "add" in edit:
        weights["ghost"] = torch.zeros(2)
    if "shape" in edit:
        weights[name] = torch.zeros(7)
    if "value" in edit:
        weights[name] = weights[name] + 5
    save_file(weights, path)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ({"drop": 1}, r"missing .*classifier.linear.bias \(5,\)"),
        ({"add": 1}, r"unexpected ghost \(2,\)"),
        ({"shape": 1}, r"misshapen .*linear.bias: file \(7,\), model \(5,\)"),
    ],
)
def test_tensors_that_do_not_fit_are_named(folder: Path, edit: dict[str, object], message: str) -> None:
    change(folder, **edit)
    with pytest.raises(CheckpointError, match=message):
        load(folder)


def test_selftest_finds_damage(folder: Path) -> None:
    change(folder, value=1)
    with pytest.raises(CheckpointError, match="self-test logits differ"):
        load(folder, verify=True)


def test_unknown_name_and_broken_files(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"unknown model 'gfnet_tsm_mobilenetv3.mini'"):
        load("gfnet_tsm_mobilenetv3.mini")
    with pytest.raises(CheckpointError, match=r"holds no config.json"):
        load(tmp_path)
    with pytest.raises(CheckpointError, match=rf"holds no config\.json; .*; did you mean {folder}\?"):
        load(tmp_path)  # the run's folder in the place of its model's
    with pytest.raises(CheckpointError, match=r"^runs/nope/model: no such folder; expected a checkpoint folder"):
        load("runs/nope/model")
    (tmp_path / "export.json").write_text("{}")
    with pytest.raises(CheckpointError, match="is an exported model; name the checkpoint that it was made of"):
        load(tmp_path)
    (folder / "model.safetensors").write_bytes(b"not tensors")
    with pytest.raises(CheckpointError, match=r"model.safetensors: cannot be read"):
        load(folder)
    (folder / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match="expected a mapping with format 1"):
        load(folder)


def test_config_with_an_unknown_key_is_refused(folder: Path) -> None:
    data = json.loads((folder / "config.json").read_text())
    data["config"]["model"]["glanse"] = 1
    (folder / "config.json").write_text(json.dumps(data))
    with pytest.raises(CheckpointError, match="did you mean 'glance'"):
        load(folder)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("classes", "abcde", "classes is not a list of names"),
        ("classes", [1, 2, 3, 4, 5], "classes is not a list of names"),
        ("classes", ["a"], "1 class names for 5 classes"),
        ("provenance", None, "provenance is not a mapping"),
        ("valid_for", [1], "valid_for is not a mapping"),
        ("exit", {"temperatures": [1.0] * 6, "thresholds": ["a"] * 6}, r"exit.thresholds\[0\] is 'a'"),
        ("exit", {"temperatures": [float("nan")] * 6, "thresholds": [0.5] * 6}, "expected finite numbers above 0"),
        ("exit", {"temperatures": [1.0], "thresholds": [0.5]}, "1 thresholds for 6 steps"),
        ("exit", None, "exit is NoneType"),
    ],
)
def test_a_card_that_makes_no_sense_is_refused(folder: Path, key: str, value: object, message: str) -> None:
    data = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(data | {key: value}))
    with pytest.raises(CheckpointError, match=message):
        load(folder)


def test_weights_that_are_not_finite_are_neither_loaded_nor_written(folder: Path, tmp_path: Path) -> None:
    model = load(folder)
    with torch.no_grad():
        model.glance_net.classifier.linear.bias[0] = 1e5  # float16 ends at 65504
    with pytest.raises(CheckpointError, match=r"not written, for tensors are not finite: glance_net.classifier"):
        save(tmp_path / "half", model, model.card, half=True)
    assert not (tmp_path / "half").exists()
    weights = load_file(folder / "model.safetensors")
    weights["glance_net.classifier.linear.bias"][0] = float("nan")
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"not finite: glance_net.classifier.linear.bias"):
        load(folder)


def test_no_pickle_is_in_the_folder(folder: Path) -> None:
    assert sorted(p.name for p in folder.iterdir()) == ["config.json", "model.safetensors"]
