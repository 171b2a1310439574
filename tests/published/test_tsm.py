"""TSM's published networks, converted, say what TSM says."""

from __future__ import annotations

from collections import OrderedDict
from functools import cache
from pathlib import Path

import pytest
import torch

import gfnet_video as gf
from gfnet_video.checkpoint import load
from gfnet_video.errors import CheckpointError, ConfigError
from gfnet_video.nn.backbone import Backbone
from gfnet_video.published import names
from gfnet_video.published.convert import convert
from gfnet_video.published.source import Asked
from gfnet_video.published.tsm import TSM
from tests.published import forms


@pytest.mark.parametrize(("name", "old"), [("pub_tsm_resnet50_8", False), ("pub_tsm_mobilenetv2_8", True)])
def test_offline_networks_match(name: str, old: bool, tmp_path: Path) -> None:
    held = forms.golden(name)
    convert(forms.tsm(tmp_path / "ckpt.pth.tar", name, old=old), tmp_path / "model")
    model = gf.load(tmp_path / "model", verify=True)
    with torch.inference_mode():
        looks = model(forms.clip(held["seed"], held["input_shape"]))
    assert looks.step_logits.shape == (2, 1, held["num_classes"]) and looks.centres.shape == (2, 0, 2)
    assert torch.allclose(looks.logits, torch.tensor(held["logits"]), atol=1e-3)
    assert model.card.classes[:2] == ("class_000", "class_001") and model.card.provenance["class_names"] == "unknown"


def test_the_online_network_matches_frame_by_frame_and_at_once(tmp_path: Path) -> None:
    held = forms.golden("pub_tsm_online_mobilenetv2")
    file = forms.write(tmp_path / "online.pth.tar", forms.weights(held["state_dict"], held["seed"], held["bn_weight"]))
    convert(file, tmp_path / "model", asked=Asked(frames=10))
    model, clip = gf.load(tmp_path / "model"), forms.clip(held["seed"], held["input_shape"])[None]
    frames = torch.tensor(held["logits"])
    mean = frames.cumsum(0) / torch.arange(1, len(frames) + 1)[:, None]
    with torch.inference_mode():
        at_once = model(clip)
    assert at_once.step_logits.shape == (1, 10, 27)
    assert torch.allclose(at_once.step_logits[0], mean, atol=1e-3)
    streamed = torch.cat([step.logits for step in model.stream(clip.unbind(1))])
    assert torch.allclose(streamed, mean, atol=1e-3)


@cache
def mobile() -> OrderedDict[str, torch.Tensor]:
    """The mobile network's tensors."""
    held = forms.golden("pub_tsm_mobilenetv2_8")
    return forms.weights(held["state_dict"], held["seed"], held["bn_weight"])


def small(**changes: torch.Tensor | None) -> dict[str, object]:
    """The mobile network's file, tensors of it changed or (None) left out."""
    state = mobile().copy()
    for name, value in changes.items():
        key = "module." + name
        state.pop(key, None)
        if value is not None:
            state[key] = value
    return {"state_dict": state}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"base_model.features.3.conv.1.bias": None}, r"missing base_model.features.3.conv.1.bias \(144,\)"),
        ({"base_model.ghost.weight": torch.zeros(2)}, r"unexpected base_model.ghost.weight \(2,\)"),
        ({"base_model.features.0.1.bias": torch.zeros(9)}, r"misshapen .*0.1.bias: file \(9,\), expected \(32,\)"),
        ({"new_fc.weight": None}, r"missing new_fc.weight \(classes, width\)"),
    ],
)
def test_tensors_that_do_not_fit_are_named(changes: dict[str, torch.Tensor], words: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=words):
        convert(forms.write(tmp_path / "a.pth", small(**changes)), tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_counters_that_old_torch_did_not_write_are_not_missed(tmp_path: Path) -> None:
    held = small()
    state = {k: v for k, v in held["state_dict"].items() if not k.endswith("num_batches_tracked")}  # type: ignore[attr-defined]
    convert(forms.write(tmp_path / "a.pth", {"state_dict": state}), tmp_path / "model")
    load(tmp_path / "model", verify=True)


def test_what_a_file_is_and_what_was_asked_must_agree(tmp_path: Path) -> None:
    file = forms.write(tmp_path / "a.pth", small())
    with pytest.raises(ConfigError, match="unknown source 'tms'; did you mean 'tsm'"):
        convert(file, tmp_path / "model", source="tms")
    with pytest.raises(ConfigError, match="--patch means nothing to tsm"):
        convert(file, tmp_path / "model", asked=Asked(patch=144))
    with pytest.raises(CheckpointError, match="is not of kind gfnet; it holds state_dict"):
        convert(file, tmp_path / "model", source="gfnet")
    with pytest.raises(CheckpointError, match=r"is of no known kind; known: tsm .* it holds weights, epoch"):
        convert(forms.write(tmp_path / "b.pth", {"weights": torch.zeros(1), "epoch": 1}), tmp_path / "model")


def test_resnet_101_is_shifted_in_every_second_block() -> None:
    with torch.device("meta"):
        net = Backbone("resnet101", shift="both")
    found = set(names.names_of(net, names.same, before="base_model.", wrapped=True).values())
    wrapped = {name for name in found if ".net." in name}
    assert len(wrapped) == 18 and "base_model.layer3.22.conv1.net.weight" in wrapped
    assert {"base_model.layer1.0.conv1.net.weight", "base_model.layer1.1.conv1.weight"} <= found
    with torch.device("meta"):
        held = {"state_dict": {"module." + name: torch.zeros(3, 2) for name in found | {"new_fc.weight"}}}
    read = TSM.read(held, Asked(frames=16), "a.pth").config
    assert (read.glance.backbone, read.frames, read.classes, read.temporal) == ("resnet101", 16, 3, "both")
