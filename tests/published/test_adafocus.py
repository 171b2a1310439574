"""AdaFocus's published networks, converted, say what AdaFocus says."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import gfnet_video as gf
from gfnet_video.checkpoint import Recogniser
from gfnet_video.engines.macs import count_macs
from gfnet_video.errors import CheckpointError, ConfigError
from gfnet_video.inference.batch import run_batch
from gfnet_video.nn.actor_policy import ActorPolicy
from gfnet_video.nn.exit_rule import ExitRule
from gfnet_video.nn.folding import folded
from gfnet_video.nn.patches import crop_between, crop_patches
from gfnet_video.published.adafocus import read_v1
from gfnet_video.published.convert import convert
from gfnet_video.published.source import Asked
from tests.published import forms

NAME = "pub_adafocus_sth_144"


@cache
def content() -> dict[str, Any]:
    """What stage 3 of the project saves, the whole once more and then its parts."""
    held = forms.golden(NAME)
    parts = {k: forms.weights(v, held["part_seeds"][k], held["bn_weight"]) for k, v in held["state_dicts"].items()}
    return {"model_state_dict": {f"fc.{k}": v for k, v in parts["fc"].items()}, **parts, **forms.extras()}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Recogniser:
    folder = tmp_path_factory.mktemp(NAME)
    convert(forms.write(folder / "published.pth.tar", content()), folder / "model", asked=Asked(patch=144))
    (folder / "published.pth.tar").unlink()
    return gf.load(folder / "model", verify=True)  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def clips() -> tuple[Tensor, Tensor]:
    held = forms.golden(NAME)
    glance, focus = held["glance_input"], held["focus_input"]
    return forms.clip(glance["seed"], glance["shape"]), forms.clip(focus["seed"], focus["shape"])


@torch.inference_mode()
def test_logits_and_centres_match_at_once_and_with_exits(model: Recogniser, clips: tuple[Tensor, Tensor]) -> None:
    held, (glance, focus) = forms.golden(NAME), clips
    looks = model(focus, glance_frames=glance)
    assert looks.step_logits.shape == (2, 2, 174) and looks.centres.shape == (2, 1, 2)
    assert torch.allclose(looks.centres[:, 0], torch.tensor(held["actions"]), atol=1e-4)
    assert torch.allclose(looks.logits, torch.tensor(held["logits"]), atol=1e-3)
    walked = list(model.walk(focus.unbind(1), glance_frames=glance.unbind(1)))
    assert torch.allclose(torch.stack([s.logits for s in walked], 1), looks.step_logits, atol=1e-3)
    found = run_batch(model, focus, ExitRule.never(2), glance_frames=glance)
    assert torch.allclose(found.logits, looks.logits, atol=1e-3)


@torch.inference_mode()
def test_norms_by_the_batch_are_those_of_training_and_stored_ones_need_no_company(
    model: Recogniser, clips: tuple[Tensor, Tensor]
) -> None:
    """The golden logits are of a class whose `eval()` does not reach its policy; its evaluation script reaches it."""
    assert model.policy is not None and model.config.policy_norm == "batch"
    maps = torch.randn(3, 8, 1280, 7, 7, generator=torch.Generator().manual_seed(3))
    kept = {name: value.clone() for name, value in model.policy.state_dict().items()}
    by_batch, alone = model.locate(maps)[0], torch.cat([model.locate(one)[0] for one in maps.split(1)])
    assert all(torch.equal(value, kept[name]) for name, value in model.policy.state_dict().items())
    twin = ActorPolicy("adafocus", 1280, cells=7, frames=8, hidden=1024)
    twin.load_state_dict(kept)
    assert torch.allclose(twin.train()(maps, None)[0], by_batch, atol=1e-5)
    twin.load_state_dict(kept)
    assert torch.allclose(twin.eval()(maps, None)[0], alone, atol=1e-5)
    assert not torch.allclose(by_batch, alone, atol=1e-2)
    assert torch.allclose(folded(model).locate(maps)[0], by_batch, atol=1e-5)


def test_costs_are_those_of_the_clip(model: Recogniser) -> None:
    """Published: 23.5 GMACs for 8 glances and 12 patches of 144, one of 2.40 for the glances."""
    macs = count_macs(model)
    assert 8 * macs.glance == pytest.approx(2.40, abs=0.06)
    assert 8 * (macs.glance + macs.locate) + 12 * macs.focus == pytest.approx(23.5, abs=0.4)


def test_another_number_of_glance_frames_is_refused(model: Recogniser) -> None:
    few = torch.zeros(1, 2, 3, 224, 224)
    with pytest.raises(ConfigError, match="given 2 glance frames; it reads 8 at once"):
        model(few)


def test_the_patch_must_be_said(tmp_path: Path) -> None:
    file = forms.write(tmp_path / "a.pth", {k: v for k, v in content().items() if k != "focuser"} | {"focuser": {}})
    with pytest.raises(ConfigError, match="does not hold the side of its patch; say it: --patch 144, 160 or 176"):
        convert(file, tmp_path / "model")
    with pytest.raises(ConfigError, match="--patch is 300; expected 1 to 224"):
        convert(file, tmp_path / "model", asked=Asked(patch=300))
    asked = Asked(patch=144, norms="stored")
    assert read_v1(content(), asked, "a.pth").config.policy_norm == "stored"
    with pytest.raises(CheckpointError, match=r"missing focuser.net.base_model.4.0.bn1.bias \(64,\)"):
        convert(file, tmp_path / "model", asked=Asked(patch=144))


def sampled(images: Tensor, action: Tensor, patch: int) -> Tensor:
    """AdaFocus V2's crop by its definition: an affine grid of the patch, sampled bilinearly."""
    side = images.shape[-1]
    theta = torch.zeros(len(action), 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = patch / side
    theta[:, :, 2] = (2 * action.flip(1) * (side - patch) + patch) / side - 1
    grid = F.affine_grid(theta, [len(action), 3, patch, patch], align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def test_a_patch_between_pixels_is_an_affine_grids() -> None:
    images = torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    centres = torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.31, 0.77], [0.5, 0.01], [1.0, 0.123]])
    assert torch.allclose(crop_between(images, centres, size=12), sampled(images, centres, 12), atol=1e-4)
    assert torch.equal(crop_between(images[:2], centres[:2], size=32), images[:2])
    whole = centres.mul(20).floor() / 20
    assert torch.allclose(crop_between(images, whole, size=12), crop_patches(images, whole + 1e-6, size=12), atol=1e-4)
    asked = centres[2:3].clone().requires_grad_()
    crop_between(images[2:3], asked, size=12).sum().backward()
    assert asked.grad is not None and bool((asked.grad != 0).all())


def v2() -> dict[str, Tensor]:
    """V2's tensors: V1's networks under its names, a policy of its own, and the classifiers that only train."""
    held = forms.golden(NAME)
    rows = []
    for name, shape, kind in held["state_dicts"]["glancer"]:
        inner = name.removeprefix("net.")
        if not inner.startswith("classifier."):
            rows.append([f"module.global_CNN.base_model.{inner}", shape, kind])
    stages = {"0": "conv1", "1": "bn1", **{str(i): f"layer{i - 3}" for i in range(4, 8)}}
    for name, shape, kind in held["state_dicts"]["focuser"]:
        number, _, rest = name.removeprefix("net.base_model.").partition(".")
        rows.append([f"module.local_CNN.base_model.{stages[number]}.{rest}", shape, kind])
    for look, width in (("global", 1280), ("local", 2048)):
        for head in ("new_fc", "new_new_fc"):
            rows += [
                [f"module.{look}_CNN.{head}.weight", [174, width], ""],
                [f"module.{look}_CNN.{head}.bias", [174], ""],
            ]
    layers: dict[int, list[int]] = {0: [64, 10240, 1, 1], 4: [1024, 3136], 7: [512, 1024], 10: [2, 512]}
    for number, shape in layers.items():
        rows.append([f"module.policy_stn.{number}.weight", shape, ""])
        rows += [[f"module.policy_stn.{number}.bias", shape[:1], ""]] if number else []
    for number, width in ((1, 64), (5, 1024), (8, 512)):
        rows += [[f"module.policy_stn.{number}.{leaf}", [width], ""] for leaf in ("weight", "bias")]
        rows += [[f"module.policy_stn.{number}.running_{leaf}", [width], ""] for leaf in ("mean", "var")]
    return forms.weights(rows, 9, held["bn_weight"])


@torch.inference_mode()
def test_v2_is_the_same_walk_with_its_own_policy_and_crop(
    model: Recogniser, clips: tuple[Tensor, Tensor], tmp_path: Path
) -> None:
    """Against V1's networks with V2's tensors, the policy and the crop computed here by V2's definition."""
    state, (glance, focus) = v2(), (clip[:1] for clip in clips)
    file = forms.write(tmp_path / "v2.pth.tar", {"state_dict": state, **forms.extras()})
    card = convert(file, tmp_path / "model", asked=Asked(patch=128))
    assert card.provenance["published_by"].startswith("AdaFocus V2")
    assert {name.split(".")[1] for name in card.provenance["left_out"]} == {"new_new_fc"}
    found = gf.load(tmp_path / "model", verify=True)
    looks = found(focus, glance_frames=glance)

    seen, _ = found.glance(glance)
    assert seen.map.shape == (1, 8, 1280, 7, 7)
    x = F.conv2d(seen.map.flatten(1, 2), state["module.policy_stn.0.weight"])
    for number, linear in ((1, 4), (5, 7), (8, 10)):
        norm = {
            leaf: state[f"module.policy_stn.{number}.{leaf}"]
            for leaf in ("running_mean", "running_var", "weight", "bias")
        }
        x = F.batch_norm(x, **norm).tanh().flatten(1)
        x = F.linear(x, state[f"module.policy_stn.{linear}.weight"], state[f"module.policy_stn.{linear}.bias"])
    assert torch.allclose(looks.centres[:, 0], x.sigmoid(), atol=1e-5)

    patches = sampled(focus[0], x.sigmoid().expand(12, 2), 128)[None]
    assert found.focus_net is not None
    aimed, _ = found.focus_net(patches)
    assert torch.allclose(looks.logits, seen.logits.mean(1) + aimed.logits.mean(1), atol=1e-3)
