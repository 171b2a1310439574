"""`train --init`: what fits is taken to the bit, what does not is new and said, and what fits nowhere is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import yaml
from torch import nn

from gfnet_video import weights
from gfnet_video.checkpoint import Card, load, save
from gfnet_video.cli.main import run
from gfnet_video.config import Config, LookConfig, TrainConfig
from gfnet_video.errors import CheckpointError, ConfigError
from gfnet_video.model import GFNet
from gfnet_video.nn.exit_rule import ExitRule
from gfnet_video.training.initial import initialise
from tests import models, trees

NAME = "mobilenetv2_050"
FULL = LookConfig(NAME, side=64, stride=32)


@pytest.fixture(scope="module")
def static(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A TSM as `convert` makes it: offline shift, plain sum, a focus's backbone at full frames."""
    net = models.model(glance=FULL, focus=None, temporal="both", aggregator="sum")
    folder = tmp_path_factory.mktemp("static") / "tsm"
    save(folder, net, Card(Config("sthv2", net.config, TrainConfig(())), trees.CLASSES, ExitRule.never(net.steps)))
    return folder


def begun(folder: Path | str, classes: tuple[str, ...] = trees.CLASSES, **changes: Any) -> tuple[GFNet, str]:
    """A seeded model after `--init`, and what was said of it."""
    torch.manual_seed(9)
    net = GFNet(models.config(**({"classes": len(classes)} | changes)))
    return net, str(initialise(net, TrainConfig((), initial="none", initial_model=str(folder)), classes))


def same(mine: nn.Module | None, theirs: nn.Module | None) -> bool:
    assert mine is not None and theirs is not None
    held = theirs.state_dict()
    return all(torch.equal(v, held[k]) for k, v in mine.state_dict().items())


def test_a_checkpoint_of_the_same_form_is_taken_whole(checkpoint: Path) -> None:
    net, said = begun(checkpoint)
    source = load(checkpoint)
    assert same(net, source) and said.endswith("new: nothing")
    assert torch.equal(net.eval()(models.frames()).logits, source(models.frames()).logits)


@pytest.mark.parametrize("classes", [("a", "b", "c"), trees.CLASSES[::-1]])
def test_other_classes_have_a_new_head_on_the_same_networks(checkpoint: Path, classes: tuple[str, ...]) -> None:
    net, said = begun(checkpoint, classes)
    source = load(checkpoint)
    assert net.focus_net is not None and source.focus_net is not None
    assert same(net.glance_net.backbone, source.glance_net.backbone) and same(net.policy, source.policy)
    assert same(net.focus_net.backbone, source.focus_net.backbone)
    for mine, theirs in ((net.glance_net, source.glance_net), (net.focus_net, source.focus_net)):
        assert mine.classifier.linear.weight.abs().max() < 0.01 < theirs.classifier.linear.weight.abs().max()
    assert said == (
        f"begins from {checkpoint}: glance backbone, focus backbone, policy; "
        "new: glance head, focus head, aggregator (other classes)"
    )
    assert net(models.frames()).logits.shape == (2, len(classes))


def test_a_static_tsm_becomes_the_focus(static: Path) -> None:
    other = LookConfig("resnet10t", side=48)
    net, said = begun(static, glance=other)
    assert net.focus_net is not None
    assert same(net.focus_net, load(static).glance_net)
    assert said == (
        f"begins from {static}: focus backbone (from its glance), focus head; as train.initial says: glance backbone; "
        "new: glance head, policy, aggregator"
    )


def test_a_static_tsm_becomes_the_full_frame_network(static: Path) -> None:
    net, said = begun(static, glance=FULL, focus=None)
    assert same(net.glance_net, load(static).glance_net)
    assert said == f"begins from {static}: glance backbone, glance head; new: aggregator"


def test_a_network_cut_earlier_takes_what_it_has(static: Path) -> None:
    net, said = begun(static, glance=replace(FULL, stride=16, pool="max_mean"), focus=None)
    assert same(net.glance_net.backbone, load(static).glance_net.backbone)
    assert "new: glance head" in said


def test_a_deeper_network_does_not_pass_for_a_shallower(tmp_path: Path) -> None:
    """Each tensor of a ResNet-18 is in a ResNet-34, in its shape."""
    look = LookConfig("resnet34", side=32)
    net = GFNet(models.config(glance=look, focus=None))
    save(tmp_path, net, Card(Config("x", net.config, TrainConfig(())), trees.CLASSES, ExitRule.never(net.steps)))
    with pytest.raises(CheckpointError, match=r"no backbone fits: it has glance resnet34.*this config has glance resn"):
        begun(tmp_path, glance=replace(look, backbone="resnet18"), focus=None)


def test_a_network_that_goes_on_further_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    card = load(checkpoint).card
    cut = GFNet(models.config(focus=None))  # its glance ends at stride 16
    save(tmp_path, cut, replace(card, config=replace(card.config, model=cut.config)))
    with pytest.raises(CheckpointError, match=r"it has glance mobilenetv2_050, to stride 16; .*to stride 32"):
        begun(tmp_path, glance=FULL, focus=None)


def test_a_timm_name_fills_the_looks_that_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real, asked = timm.create_model, []

    def create(name: str, pretrained: bool = False, **options: Any) -> nn.Module:
        asked.extend([name] if pretrained else [])
        return real(name, **options)

    monkeypatch.setattr(timm, "create_model", create)
    net = GFNet(models.config(NAME, focus=LookConfig("resnet10t", side=32)))
    initialise(net, TrainConfig((), initial=f"{NAME}.lamb_in1k"))
    assert asked == [f"{NAME}.lamb_in1k", "resnet10t"]  # the other look begins from its own network's weights
    with pytest.raises(
        ConfigError, match=r"initial is resnet50, but no look .*glance mobilenetv2_050, focus resnet10t"
    ):
        initialise(net, TrainConfig((), initial="resnet50"))


def test_names_without_weights_are_refused_and_those_with_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """timm only warns, and hands out random weights."""
    net = GFNet(models.config(NAME))
    with pytest.raises(ConfigError, match=rf"no weights of {NAME}\.no_such; its names with weights: {NAME}\.lamb_in1k"):
        initialise(net, TrainConfig((), initial=f"{NAME}.no_such"))
    monkeypatch.setattr(weights, "is_model_pretrained", lambda name: False)
    with pytest.raises(ConfigError, match=f"timm has no weights of {NAME}"):
        initialise(net, TrainConfig((), initial="timm"))


def train(*args: object) -> int:
    return run(["train", "--dataset", "sthv2", *map(str, args)])


def test_one_command_trains_on_from_a_checkpoint(
    static: Path, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    look = {"backbone": NAME, "side": 32}
    stage = {"name": "heads", "epochs": 1, "lr": 0.01, "patches": "random", "batch": 4, "backbone_scale": 0.0}
    small = {"classes": 5, "frames": 3, "frame_side": 48, "glance": look, "focus": look}
    config = {"name": "s", "dataset": "sthv2", "model": small, "train": {"initial": "none", "stages": [stage]}}
    Path("s.yaml").write_text(yaml.safe_dump(config))
    assert train("--config", "s.yaml", "--data", tree, "--init", static) == 0
    said = [line for line in capfd.readouterr().err.splitlines() if line.startswith("begins from")]
    assert len(said) == 1 and "glance backbone, " in said[0] and "focus backbone (from its glance)" in said[0]
    trained, source = load("runs/s/model"), load(static)
    assert trained.card.config.train.initial_model == str(static)
    frozen, before = dict(trained.glance_net.backbone.named_parameters()), source.glance_net.backbone
    assert all(torch.equal(frozen[k], v) for k, v in before.named_parameters())


@pytest.mark.parametrize(
    ("given", "words"),
    [("runs/absent", "initial is 'runs/absent'"), ("", "initial is ''"), (".", "holds no config.json")],
)
def test_what_is_nothing_to_begin_from_is_said(
    given: str,
    words: str,
    tree: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    small = [word for n in range(3) for word in ("--set", f"train.stages.{n}.batch=2")]  # there are ten clips
    assert train("--data", tree, "--set", "model.classes=5", *small, "--init", given) in (2, 4)
    assert words in " ".join(capfd.readouterr().err.split())
