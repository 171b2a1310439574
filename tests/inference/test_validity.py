"""Thresholds that are used elsewhere than where they were found: the prediction says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import gfnet_video as gf
from gfnet_video.checkpoint import Recogniser
from gfnet_video.engines.engine import About
from gfnet_video.engines.macs import LookMacs
from gfnet_video.engines.torch_engine import TorchEngine, precision_of
from gfnet_video.inference.runner import Options
from gfnet_video.inference.stream import choices, warnings
from gfnet_video.inference.validity import conditions, elsewhere
from tests import models


def told(model: Recogniser, **valid_for: Any) -> Recogniser:
    """The same model whose card says where its thresholds hold."""
    model.card = replace(model.card, valid_for=valid_for)
    return model


def now(model: Recogniser) -> dict[str, Any]:
    """What the thresholds would be used under."""
    return conditions(model.config, precision_of(model))


def said(model: Recogniser) -> tuple[str, ...]:
    return elsewhere(TorchEngine(model, LookMacs(0, 0, 0, 0)).about)


@pytest.fixture
def model(checkpoint: Path) -> Recogniser:
    return gf.load(checkpoint)


def test_nothing_is_said_where_they_were_found_or_where_nobody_knows(model: Recogniser, clip: Path) -> None:
    assert gf.predict(model, clip).warnings == ()
    assert gf.predict(told(model, **now(model)), clip).warnings == ()


@pytest.mark.parametrize(
    ("held", "words"),
    [
        ({"sampler": "dense"}, "thresholds were found for sampler dense, used with uniform"),
        ({"frames": 8}, "thresholds were found for frames 8, used with 6"),
        ({"order": "glance_first"}, "thresholds were found for order glance_first, used with interleaved"),
        ({"chunk": 2}, "thresholds were found for chunk 2, used with 1"),
        ({"precision": "bfloat16"}, "thresholds were found for precision bfloat16, used with float32"),
    ],
)
def test_each_condition_is_warned_of(model: Recogniser, clip: Path, held: dict[str, Any], words: str) -> None:
    assert gf.predict(told(model, **now(model) | held), clip, options=Options(chunk=1)).warnings == (words,)


def test_the_stored_chunk_is_taken_where_no_other_is_asked_for(model: Recogniser, clip: Path) -> None:
    for held, decoded in ((2, 2), (4, 4), ("four", 1)):
        found = gf.predict(told(model, **now(model) | {"chunk": held}), clip, confidence=0.01)
        assert (found.exit_step, found.frames_decoded, found.warnings) == (1, decoded, ())
    assert gf.predict(told(model, chunk=4), clip, options=Options(0.01, chunk=1)).frames_decoded == 1


def test_only_stored_thresholds_are_warned_of(model: Recogniser, clip: Path) -> None:
    told(model, chunk=2)
    assert gf.predict(model, clip, confidence=0.5).warnings == () == gf.predict(model, clip, exits=False).warnings
    assert len(gf.predict(model, clip, options=Options(chunk=3)).warnings) == 1
    assert gf.predict(model, clip, options=Options(chunk=2)).warnings == ()


def test_precision_is_what_the_networks_compute_in(model: Recogniser) -> None:
    told(model, **now(model))
    with torch.autocast("cpu", torch.bfloat16):
        assert said(model) == ("thresholds were found for precision float32, used with bfloat16",)
    assert said(model.double()) == ("thresholds were found for precision float32, used with float64",)


def test_the_model_as_it_runs_is_compared(model: Recogniser) -> None:
    """A card goes along when the same weights are given another config."""
    told(model, **now(model))
    card = replace(model.card, config=replace(model.card.config, model=models.config(frames=4)))
    assert said(Recogniser(card)) == ("thresholds were found for frames 6, used with 4",)


class Int8(TorchEngine):
    """An engine that says that it rounds."""

    name = "onnxruntime"

    @property
    def about(self) -> About:
        return replace(super().about, precision="int8")


def test_in_int8_the_engine_counts_and_in_float32_it_does_not(model: Recogniser, clip: Path) -> None:
    words = ("thresholds were found for engine openvino, used with onnxruntime",)
    for held, said in (("onnxruntime", ()), ("openvino", words)):
        engine = Int8(told(model, **conditions(model.config, "int8", engine=held)), LookMacs(0, 0, 0, 0))
        assert gf.predict(engine, clip).warnings == said
        assert warnings(engine, choices(engine.about, every=0.1), confidence=None) == said
    assert gf.predict(told(model, **now(model), engine="openvino"), clip).warnings == ()
