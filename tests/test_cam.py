"""Patches at the peak of a class-activation map; a model that reads each frame for itself sees none twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gfnet_video.checkpoint import Card, Recogniser
from gfnet_video.config import Config, ModelConfig, TrainConfig
from gfnet_video.engines.graphs import graphs_of
from gfnet_video.errors import ConfigError
from gfnet_video.inference.overlay import draw
from gfnet_video.inference.runner import predict
from gfnet_video.model import GFNet
from gfnet_video.nn.controls import Peak
from gfnet_video.nn.exit_rule import ExitRule
from tests import models
from tests.clips import encode, paint


def config(**changes: Any) -> ModelConfig:
    """Reads each frame for itself and looks where its glance's answer lies."""
    base = models.config()
    assert base.focus is not None
    glance, focus = replace(base.glance, pool="mean", shift=False), replace(base.focus, shift=False)
    given = {"glance": glance, "focus": focus, "where": "cam", "aggregator": "sum"} | changes
    return models.config(**given)


def model(**changes: Any) -> GFNet:
    return models.model(**vars(config(**changes)))


def recogniser(**changes: Any) -> Recogniser:
    made = config(**changes)
    rule = ExitRule.never(made.steps)
    net = Recogniser(Card(Config("sthv2", made, TrainConfig(())), tuple("abcde"), rule))
    net.load_state_dict(model(**changes).state_dict())
    return net.eval()


@torch.inference_mode()
def test_the_mean_of_the_map_is_the_logit_of_the_answer() -> None:
    net = model()
    seen, _ = net.glance(models.frames())
    assert seen.map.shape[2] == 1
    bias = net.glance_net.classifier.linear.bias[seen.logits.argmax(-1)]
    assert torch.allclose(seen.map.mean((2, 3, 4)) + bias, seen.logits.amax(-1), atol=1e-4)


def test_the_patch_is_centred_on_the_peak_and_ends_at_the_edge() -> None:
    heat = torch.zeros(1, 2, 1, 4, 4)
    heat[0, 0, 0, 1, 2], heat[0, 1, 0, 3, 0] = 50, 50
    centres, state = Peak(room=0.5)(heat, None)
    assert state is None
    assert torch.allclose(centres[0, 0], torch.tensor([0.25, 0.75]), atol=1e-4)  # places 0.375 and 0.625
    assert centres[0, 1, 0] > 1 and centres[0, 1, 1] < 0  # `locate` keeps both inside


@torch.inference_mode()
@pytest.mark.parametrize("order", ["interleaved", "glance_first"])
def test_all_at_once_equals_frame_by_frame(order: str) -> None:
    net, clip = model(order=order).double(), models.frames(dtype=torch.float64)
    whole = net(clip)
    for chunk in (1, 4):
        steps = list(net.walk(clip.unbind(1), chunk=chunk))
        assert torch.allclose(torch.stack([s.logits for s in steps], 1), whole.step_logits, atol=1e-9)
    assert float(whole.centres.std()) > 0.001


@torch.inference_mode()
def test_repeats_of_a_frame_add_nothing() -> None:
    net, clip = model(order="glance_first"), models.frames(count=1)
    once, often = net(clip), net(clip.expand(-1, 4, -1, -1, -1))
    assert torch.allclose(once.logits, often.logits, atol=1e-5)


def test_a_picture_is_looked_at_once_and_a_short_clip_as_often_as_it_has_frames(tmp_path: Path) -> None:
    net = recogniser(order="glance_first")
    Image.fromarray(paint(5)).save(tmp_path / "photo.png")
    found = predict(net, tmp_path / "photo.png")
    assert (found.steps, found.exit_step, found.frame_indices, len(found.patches)) == (2, 2, (0,), 1)
    short, whole = (predict(net, encode(tmp_path / f"{n}.mp4", n)) for n in (3, 20))
    assert (short.steps, short.frame_indices, len(short.patches)) == (4, (0, 1, 2), 3)
    assert (whole.steps, len(whole.patches)) == (models.FRAMES + 1, models.FRAMES)
    assert found.gmacs == pytest.approx(short.gmacs / 3) and found.gmacs == pytest.approx(whole.gmacs / models.FRAMES)
    stopped = predict(net, tmp_path / "photo.png", confidence=0.01)
    assert (stopped.exited, stopped.exit_step, stopped.patches) == (True, 1, ()) and stopped.gmacs < found.gmacs


def test_a_model_with_shift_repeats_a_picture_as_it_was_trained(checkpoint: Path, tmp_path: Path) -> None:
    from gfnet_video.checkpoint import load

    Image.fromarray(paint(5)).save(tmp_path / "photo.png")
    found = predict(load(checkpoint), tmp_path / "photo.png")
    assert found.frame_indices == (0,) * models.FRAMES and found.steps == models.FRAMES


def test_a_drawn_photograph_has_one_frame(tmp_path: Path) -> None:
    net = recogniser(order="glance_first")
    Image.fromarray(paint(5)).save(tmp_path / "photo.png")
    draw(net, [predict(net, tmp_path / "photo.png")], tmp_path / "one.png")
    clip = encode(tmp_path / "clip.mp4", 20)
    draw(net, [predict(net, tmp_path / "photo.png"), predict(net, clip)], tmp_path / "two.png")
    with Image.open(tmp_path / "one.png") as one, Image.open(tmp_path / "two.png") as two:
        assert one.width < two.width and 1.9 < two.height / one.height < 2.1
        colours = np.unique(np.asarray(one).reshape(-1, 3), axis=0).tolist()
    assert [255, 196, 0] in colours  # the patch is framed


def test_what_has_no_activation_map_is_refused() -> None:
    pooled = replace(config().glance, pool="max_mean")
    for changes in ({"glance": pooled}, {"looks_per_frame": 2}, {"classes": 6, "factors": (2, 3)}):
        with pytest.raises(ConfigError, match=r"where is cam.*wants pool mean and no factors, and gives one look"):
            config(**changes)
    with pytest.raises(ConfigError, match=r"where is cam.*infer with --engine torch"):
        graphs_of(model())
