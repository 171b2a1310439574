"""What ships in the wheel: the model is whole, small and says where it comes from; the clips are its held-out ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import gfnet_video as gf
from gfnet_video.checkpoint import BUNDLED, load
from gfnet_video.cli.infer import DEFAULT_MODEL
from gfnet_video.cli.main import run

CLIPS = sorted((BUNDLED.parent / "clips").iterdir())
FIRST = "gfnet_tsm_mobilenetv2_glance_first.mini"


@pytest.mark.parametrize("name", [DEFAULT_MODEL, FIRST])
def test_model_is_whole_and_small(name: str) -> None:
    model = load(name, verify=True)
    assert len(model.card.classes) == 40
    size = sum(p.stat().st_size for p in (BUNDLED / name).iterdir())
    assert size <= 5 * 2**20
    assert model.card.provenance["made_by"] == "make train-mini"
    assert model.card.valid_for["split"] == "calibration"


@pytest.mark.parametrize("name", ["tsm_mobilenetv2_full.mini", "tsm_mobilenetv2_glance.mini"])
def test_the_static_networks_it_is_compared_with_ship_too_and_never_exit(name: str) -> None:
    model = load(name, verify=True)
    assert model.card.provenance["made_by"] == "make train-mini" and not model.card.valid_for
    assert sum(p.stat().st_size for p in (BUNDLED / name).iterdir()) <= 1.5 * 2**20
    found = [gf.predict(model, clip) for clip in CLIPS]
    assert not any(p.exited or p.patches for p in found)
    if "full" in name:
        assert [p.label.lower().replace(" ", "_") for p in found] == [clip.stem.split("_", 1)[1] for clip in CLIPS]


def test_clips_are_named_by_their_label() -> None:
    names = {c.lower().replace(" ", "_") for c in load(DEFAULT_MODEL).card.classes}
    assert len(CLIPS) >= 4
    for clip in CLIPS:
        number, label = clip.stem.split("_", 1)
        assert label in names and number.startswith("4")  # clips of the test split


@pytest.mark.parametrize("clip", CLIPS, ids=lambda p: p.stem)
def test_the_exit_is_executed_and_changes_nothing_before_it(clip: Path) -> None:
    model = load(DEFAULT_MODEL)
    stopped, whole = gf.predict(model, clip), gf.predict(model, clip, exits=False)
    assert stopped.frames_decoded == stopped.exit_step <= whole.frames_decoded == model.config.frames
    assert stopped.gmacs == pytest.approx(whole.gmacs * stopped.exit_step / whole.exit_step)
    assert stopped.step_scores == pytest.approx(whole.step_scores[: stopped.exit_step], abs=1e-6)
    assert np.allclose(stopped.patches, whole.patches[: stopped.exit_step], atol=1e-6)


@pytest.mark.parametrize("name", [DEFAULT_MODEL, FIRST])
def test_some_clip_exits_early(name: str) -> None:
    model = load(name)
    assert any(gf.predict(model, clip).exited for clip in CLIPS)


def test_glance_first_decodes_the_whole_clip_before_it_focuses() -> None:
    model = load(FIRST)
    for clip in CLIPS:
        p = gf.predict(model, clip)
        assert p.frames_decoded == model.config.frames
        assert len(p.patches) == p.exit_step - 1


def test_demo_leaves_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from PIL import Image

    assert run(["demo", "--picture", str(tmp_path / "demo.png")]) == 0
    with Image.open(tmp_path / "demo.png") as picture:
        assert picture.width > 900
    assert "rendered from real handwriting" in capsys.readouterr().err


def test_stream_from_the_public_names() -> None:
    model = gf.load(DEFAULT_MODEL)
    first = gf.predict(model, CLIPS[0], exits=False)
    steps = list(model.stream(gf.frames(model, CLIPS[0])))
    with torch.inference_mode():
        scores = [float(model.card.rule.probabilities(s.logits, s.index).max()) for s in steps]
    assert scores == pytest.approx(first.step_scores, abs=1e-6)
