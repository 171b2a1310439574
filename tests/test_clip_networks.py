"""Networks of whole clips (X3D, Slow-R50) as the focus and as the only look: they are pytorchvideo's own, a clip is one
look to them, and every way to run the model ends in the same logits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pytorchvideo.models.resnet import create_resnet
from pytorchvideo.models.x3d import create_x3d
from torch import Tensor, nn

import gfnet_video as gf
from gfnet_video.checkpoint import Card, load, save
from gfnet_video.config import Config, LookConfig, ModelConfig, StageConfig, TrainConfig
from gfnet_video.config.words import CLIP_NETWORKS
from gfnet_video.engines.graphs import graphs_of
from gfnet_video.engines.macs import costs_of, count_macs, looked
from gfnet_video.errors import ConfigError
from gfnet_video.inference.batch import run_batch
from gfnet_video.inference.runner import Options
from gfnet_video.inference.stream import check_streams
from gfnet_video.model import GFNet
from gfnet_video.nn.clip_backbone import PUBLISHED, ClipBackbone, create_whole
from gfnet_video.nn.exit_rule import ExitRule
from gfnet_video.training import trainer
from gfnet_video.training.rewards import alone, glance_at, odds_alone
from tests import models

GLANCES, LOOKS, PATCH = 3, 4, 48
WHOLE = {"temporal": "both", "patch": "shared", "order": "glance_first", "frames": GLANCES, "focus_frames": LOOKS}
STATIC = {"focus": None, "temporal": "both", "frames": LOOKS}


def look(name: str = "x3d_xs", side: int = PATCH, **changes: object) -> LookConfig:
    return LookConfig(name, side, shift=False, **changes)  # type: ignore[arg-type]


def made(dtype: torch.dtype = torch.float64, **changes: object) -> GFNet:
    """A seeded model with a clip network, whose branches say something: pytorchvideo begins them near zero."""
    base = {} if changes.get("focus", True) is None else {"focus": look(), **WHOLE}
    model = models.model(dtype=dtype, **{**base, **changes})
    generator = torch.Generator().manual_seed(7)
    for name, value in model.state_dict().items():
        if ".blocks." in name and name.endswith("weight") and value.ndim == 1:
            value.copy_(1 + 0.2 * torch.randn(value.shape, generator=generator))
    return model


def own(model: GFNet, part: str, name: str, frames: int, side: int) -> nn.Module:
    """pytorchvideo's own whole network for such clips, with all the tensors of one of a model's looks and no others."""
    if name == "slow_r50":
        cells = -(-side // 32)
        whole = create_resnet(
            model_num_class=models.CLASSES,
            stem_conv_kernel_size=(1, 7, 7),
            head_pool_kernel_size=(frames, cells, cells),
        )
    else:
        whole = create_x3d(
            model_num_class=models.CLASSES, input_clip_length=frames, input_crop_size=side, head_activation=None
        )
    net = getattr(model, part)
    linear = {f"blocks.5.proj.{leaf}": value for leaf, value in net.classifier.linear.state_dict().items()}
    whole.load_state_dict(net.backbone.state_dict() | linear, strict=True)
    return whole.double().eval()


def clips(count: int, seed: int = 2) -> Tensor:
    return models.frames(2, count, torch.float64, seed)


@pytest.mark.parametrize(("name", "frames", "side"), [("x3d_xs", 4, 64), ("x3d_m", 5, 50), ("slow_r50", 3, 64)])
def test_the_focus_says_exactly_what_pytorchvideos_own_network_says(name: str, frames: int, side: int) -> None:
    model = made(focus=look(name, side), focus_frames=frames, frame_side=80, aggregator="sum")
    whole = own(model, "focus_net", name, frames, side)
    pixels = nn.functional.interpolate(clips(frames).flatten(0, 1), size=80).unflatten(0, (2, frames))
    with torch.inference_mode():
        said = whole(pixels[..., :side, 80 - side :].transpose(1, 2))  # the patch at centre (0, 1)
        at = torch.tensor([0.0, 1.0], dtype=torch.float64).expand(2, frames, 2)
        patch, state = model.focus(pixels, at)
        assert patch.logits.shape == (2, frames, models.CLASSES) and state == () and said.std() > 0.01
        for row in patch.logits.unbind(1):
            assert torch.allclose(row, said, atol=1e-10)
        _, logits = model.aggregate(None, focus=patch, centres=at)
        assert logits.shape[1] == 1 and torch.allclose(logits[:, 0], said, atol=1e-10)
        looks = model(pixels, glance_frames=pixels[:, :GLANCES], centres=at)
        assert torch.allclose(looks.logits, looks.step_logits[:, 0] + said, atol=1e-10)


def test_a_clip_is_one_witness_and_its_patches_track_is_where_it_stood() -> None:
    """The mean aggregator scales n looks by the root of n: here n is 1, whatever the number of frames."""
    model, at = made(), torch.full((2, LOOKS, 2), 0.25, dtype=torch.float64)
    with torch.inference_mode():
        patch, _ = model.focus(clips(LOOKS), at)
        evidence, logits = model.aggregate(None, focus=patch, centres=at)
        where = model.aggregator.track(torch.tensor([0.25, 0.25, 0, 0], dtype=torch.float64))
    assert torch.allclose(logits[:, -1], patch.logits[:, 0] + where, atol=1e-10)
    assert evidence.focused.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("glance", "aggregator"),
    [("mobilenetv2_050", "mean"), ("mobilenetv2_050", "sum"), ("mobilenetv2_050", "gru"), ("x3d_xs", "mean")],
)
def test_forward_is_the_walk_is_the_batch(aggregator: str, glance: str) -> None:
    changes = {} if glance == "mobilenetv2_050" else {"glance": look(glance, 40)}
    model = made(aggregator=aggregator, **changes)
    frames, glanced = clips(LOOKS), clips(GLANCES, 3)
    with torch.inference_mode():
        whole = model(frames, glance_frames=glanced)
    assert model.steps == 2 == whole.step_logits.shape[1] and whole.centres.shape == (2, 1, 2)
    assert not torch.allclose(whole.step_logits[:, 0], whole.step_logits[:, 1], atol=1e-3)
    steps = list(model.walk(frames.unbind(1), glance_frames=glanced.unbind(1)))
    assert [s.index for s in steps] == [0, 1] and torch.equal(steps[1].centre, whole.centres[:, 0])
    assert torch.allclose(torch.stack([s.logits for s in steps], 1), whole.step_logits, atol=1e-9)
    sure = (whole.step_logits[:, 0] / 20).softmax(-1).amax(-1)
    rule = ExitRule((20.0, 20.0), (float(sure.mean()), 2.0))  # one clip leaves after its glance
    for seats in (2, 1):
        exits = run_batch(model, frames, rule, glance_frames=glanced, seats=seats)
        assert sorted(exits.steps.tolist()) == [0, 1]
        assert torch.allclose(exits.logits, whole.step_logits[torch.arange(2), exits.steps], atol=1e-9)


@pytest.mark.parametrize("aggregator", ["mean", "gru"])
def test_alone_it_is_a_static_network(aggregator: str) -> None:
    model, frames = made(**STATIC, glance=look("x3d_s", 64), aggregator=aggregator), clips(LOOKS)
    with torch.inference_mode():
        looks = model(frames)
        if aggregator == "mean":  # of one row
            said = own(model, "glance_net", "x3d_s", LOOKS, 64)(frames.transpose(1, 2))
            assert torch.allclose(looks.logits, said, atol=1e-10)
    assert model.steps == 1 == looks.step_logits.shape[1]
    (step,) = model.walk(frames.unbind(1))
    assert torch.allclose(step.logits, looks.logits, atol=1e-9)
    assert torch.allclose(run_batch(model, frames, ExitRule.never(1), seats=1).logits, looks.logits, atol=1e-9)


def test_one_network_sees_patches_of_several_sides() -> None:
    model = made(torch.float32, patch_sides=(32, PATCH))
    frames, glanced = models.frames(2, LOOKS), models.frames(2, GLANCES)
    other = model.at_side(32)
    only = GFNet(replace(model.config, focus=look(side=32), patch_sides=())).eval()
    only.load_state_dict(model.state_dict())
    with torch.inference_mode():
        looks = [net(frames, glance_frames=glanced).logits for net in (other, only, model)]
    assert torch.equal(looks[0], looks[1]) and not torch.allclose(looks[0], looks[2], atol=1e-3)
    assert count_macs(other).focus == pytest.approx(count_macs(only).focus) != count_macs(model).focus


def test_the_frames_of_a_clip_are_seen_together_and_in_order() -> None:
    model, frames = made(**STATIC, glance=look(side=64), aggregator="sum"), clips(LOOKS)
    assert not model.config.timeless  # or a short clip would be given fewer frames
    with torch.inference_mode():
        assert not torch.allclose(model(frames).logits, model(frames.flip(1)).logits, atol=1e-3)


@pytest.mark.parametrize(("glance", "aggregator"), [("mobilenetv2_050", "mean"), ("x3d_xs", "gru")])
def test_macs_are_those_of_the_looks(aggregator: str, glance: str) -> None:
    changes = {} if glance == "mobilenetv2_050" else {"glance": look(glance, 40)}
    model = made(torch.float32, aggregator=aggregator, **changes)
    with models.counted() as first:
        model.aggregate(None, glance=model.glance(models.frames(1, GLANCES))[0])
    with models.counted() as counter:
        model(models.frames(1, LOOKS), glance_frames=models.frames(1, GLANCES))
    spent = [c.get_total_flops() / 2e9 for c in (first, counter)]
    assert costs_of(model) == pytest.approx(spent, rel=1e-9)


@pytest.mark.parametrize(
    ("name", "gmacs"),
    [("x3d_xs", 0.605), ("x3d_s", 1.963), ("x3d_m", 4.732), ("slow_r50", 54.52)],
)
def test_the_published_settings_cost_what_was_published(name: str, gmacs: float) -> None:
    """0.60, 1.96 and 4.73 in SlowFast's model zoo, 54.52 in pytorchvideo's."""
    setting = PUBLISHED[name]
    config = ModelConfig(400, setting.frames, setting.side, look(name, setting.side), temporal="both", aggregator="sum")
    with torch.device("meta"):
        model = GFNet(config).eval()
    assert count_macs(model).of(looked(config, 0)) == pytest.approx(gmacs, rel=1e-3)


def test_a_policy_is_rewarded_for_what_the_clip_says_of_its_patch() -> None:
    model, labels = made(), torch.tensor([0, 1])
    seen = glance_at(model, clips(LOOKS), labels, clips(GLANCES, 3))
    centres = torch.rand(2, 2, 1, 2, dtype=torch.float64)  # two tracks of two clips, one decision each
    with torch.inference_mode():
        said = torch.stack([model.focus(clips(LOOKS), c.expand(-1, LOOKS, -1))[0].logits[:, 0] for c in centres])
    scores = (seen.glance.logits.mean(1) + said).log_softmax(-1)[:, torch.arange(2), labels]
    assert torch.allclose(alone(model, seen, centres)[..., 0], scores, atol=1e-9)
    odds = scores - (-scores.exp()).log1p()
    assert torch.allclose(odds_alone(model, seen, centres)[..., 0], odds, atol=1e-6)


def test_all_stages_train(tmp_path: Path) -> None:
    from tests.training.test_trainer import NoiseClips

    drawn = {"patches": "sampled", "train": ("policy",), "learner": "ppo", "reward": "contrastive"}
    stages = (
        StageConfig("warm-up", 1, 1e-3, patches="random", batch=4),
        StageConfig("policy", 1, 1e-3, batch=4, **drawn),  # type: ignore[arg-type]
        StageConfig("fine-tune", 1, 1e-3, patches="policy", batch=4),
    )
    small = look(side=32, frozen=2, dropout=0.5)
    model = made(torch.float32, focus=small, frames=models.FRAMES, focus_frames=0)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    trainer.train(model, NoiseClips(), Config("mini", model.config, TrainConfig(stages)), tmp_path)
    moved = {k for k, v in model.state_dict().items() if not torch.equal(before[k], v)}
    assert {k.split(".")[0] for k in moved} == {"glance_net", "focus_net", "policy", "aggregator"}
    blocks = {k.split(".")[3] for k in moved if ".blocks." in k and k.startswith("focus")}
    assert blocks == {"3", "4", "5"}  # the stem and two stages stay, statistics too


def test_a_checkpoint_recognises_a_file(clip: Path, tmp_path: Path) -> None:
    model = made(torch.float32)
    card = Card(Config("mini", model.config, TrainConfig(())), tuple("abcde"), ExitRule.never(2))
    save(tmp_path / "model", model, card)
    found = load(tmp_path / "model", verify=True)
    whole, soon = gf.predict(found, clip), gf.predict(found, clip, confidence=0.01)
    assert (whole.exit_step, whole.frames_decoded, len(whole.patches)) == (2, GLANCES + LOOKS, 1)
    assert (soon.exit_step, soon.frames_decoded, len(soon.patches)) == (1, GLANCES, 0)
    assert (soon.gmacs, whole.gmacs) == pytest.approx(costs_of(found))
    assert gf.predict(found, clip, options=Options(ahead=True)).step_scores == pytest.approx(whole.step_scores)


def test_it_neither_streams_nor_is_exported() -> None:
    model = made(torch.float32)
    with pytest.raises(ConfigError, match="temporal is both: each frame's look needs the frame after it"):
        next(model.stream(models.frames(1, LOOKS).unbind(1)))
    with pytest.raises(ConfigError, match="a stream needs a causal model"):
        check_streams(model.config)
    with pytest.raises(ConfigError, match="backbone is x3d_xs: a network of whole clips is no graph yet; infer with"):
        graphs_of(model)


PARTS = "goes with temporal both, and where there is a focus with patch shared, glance_first"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"temporal": "causal"}, PARTS),
        ({"temporal": "causal", "patch": "per_frame", "focus_frames": 0}, PARTS),
        ({"patch": "per_frame", "focus_frames": 0}, PARTS),
        ({"order": "interleaved"}, f"backbone is x3d_xs, temporal both, patch shared and order interleaved.*{PARTS}"),
        ({"focus": None, "glance": look(side=64), "temporal": "causal"}, PARTS),
        (
            {"sampler": "coarse_to_fine", "glance": LookConfig("resnet18", 48, shift=False)},
            "reads frames in time's order",
        ),
        ({"patch_sides": (24, 48)}, r"patch_sides is \[24, 48\]; x3d_xs wants sides from 32 on"),
        ({"glance": look(side=40), "where": "cam"}, "glance.backbone is x3d_xs, where cam and policy heat"),
        ({"glance": look(side=40), "policy": "adafocus"}, "suits policy heat and the controls"),
    ],
)
def test_another_setting_is_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        models.config(**{"focus": look(), **WHOLE, **changes})


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "backbone is x3d_s, shift true, stride 32 and pool mean; a network of whole clips has shift: false"),
        ({"shift": False, "stride": 16}, "stride 16"),
        ({"shift": False, "pool": "max_mean"}, "pool max_mean"),
        ({"shift": False, "side": 31}, "backbone is x3d_s and side 31; expected a side of 32 at least"),
    ],
)
def test_fields_that_mean_nothing_to_it_are_refused(fields: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        LookConfig(**{"backbone": "x3d_s", "side": 64, **fields})  # type: ignore[arg-type]


def test_names_and_the_smallest_clips() -> None:
    assert tuple(PUBLISHED) == CLIP_NETWORKS
    for name in ("x3d_xs", "slow_r50"):
        with torch.inference_mode():  # one frame of 32 pixels
            assert ClipBackbone(name).eval()(torch.zeros(1, 1, 3, 32, 32))[2].shape == (1, 1, 2048)
    with pytest.raises(ConfigError, match="unknown clip network 'x3d_q'; did you mean"):
        create_whole("x3d_q", frames=4, side=64, classes=2)
    with pytest.raises(ConfigError, match="x3d_s on 4 frames of 31 pixels; expected at least 1 frame of 32"):
        create_whole("x3d_s", frames=4, side=31, classes=2)
    with pytest.raises(ConfigError, match="unknown backbone 'x3d_l'; did you mean 'x3d_"):
        GFNet(replace(made(torch.float32).config, focus=look("x3d_l")))
