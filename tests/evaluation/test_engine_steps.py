"""A split on an engine says what the model says at once, and thresholds go where they were found."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gfnet_video.checkpoint import load
from gfnet_video.datasets.annotations import read_manifest
from gfnet_video.datasets.catalog import dataset
from gfnet_video.datasets.clips import open_clips
from gfnet_video.datasets.source import CatalogSource
from gfnet_video.engines.exported import graphs_needed
from gfnet_video.engines.folder import describe, read_export
from gfnet_video.engines.macs import LookMacs, costs_of
from gfnet_video.engines.torch_engine import TorchEngine
from gfnet_video.evaluation import session
from gfnet_video.evaluation.calibration import Budget
from gfnet_video.evaluation.engine_steps import engine_step_logits
from gfnet_video.evaluation.metrics import step_logits_of
from gfnet_video.inference.validity import elsewhere
from tests import models, trees
from tests.engines.walks import WALKS, recogniser

KINDS = {"own": {}, "random": {"where": "random"}, "both": WALKS["both"]}


@pytest.mark.parametrize("kind", KINDS)
def test_an_engine_takes_the_models_steps(kind: str, own: Path) -> None:
    """Three clips side by side, one of which is empty."""
    model = recogniser(models.config("resnet10t", **KINDS[kind]))
    (own / trees.FOLDER / "201.webm").write_bytes(b"")
    clips = open_clips(read_manifest(dataset("sthv2"), own, "test"), model.config, None)
    told: list[tuple[int, int]] = []
    wanted = step_logits_of(model, clips, batch=3, progress=lambda done, total: told.append((done, total)))
    assert told == [(done, len(clips)) for done in range(0, len(clips), 3)]
    found = engine_step_logits(TorchEngine(model, LookMacs(0, 0, 0, 0)), clips, batch=3)
    assert found.failed == wanted.failed and list(found.failed) == [1]
    assert torch.equal(found.labels, wanted.labels)
    assert torch.allclose(found.logits, wanted.logits, rtol=1e-3, atol=1e-3, equal_nan=True)
    if kind != "both":  # whose centres are one for the clip
        assert torch.allclose(found.centres, wanted.centres, atol=1e-4, equal_nan=True)


class Other:
    """An engine that is not torch's own, in int8 as it says."""

    name = "other"

    def __init__(self, engine: TorchEngine, precision: str) -> None:
        self.about = replace(engine.about, precision=precision)
        self.cut, self.walk = engine.cut, engine.walk


def test_an_exported_folder_keeps_what_was_found_on_its_engine(
    checkpoint: Path, own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, folder = load(checkpoint), tmp_path / "exported"
    folder.mkdir()
    engine = TorchEngine(model)
    for graph in graphs_needed(model.config):
        (folder / f"{graph}.onnx").touch()
    describe(folder, "onnx", replace(engine.about, precision="int8"), {})
    asked = []

    def opened(name: Path, engine_name: str, *, side: int | None, precision: str | None) -> Other:
        asked.append((name, engine_name, precision))
        return Other(engine, "int8")

    monkeypatch.setattr(session, "open_engine", opened)
    items = [{"id": str(300 + n), "template": trees.TEMPLATES[n % 5]} for n in range(44)]
    for n, item in enumerate(items):
        shutil.copyfile(own / trees.FOLDER / f"{100 + n % 5}.webm", own / trees.FOLDER / f"{item['id']}.webm")
    trees.write(own / "labels" / "validation.json", items)
    subject = session.subject_of(folder, "openvino", "int8")
    budget = sum(costs_of(model)[::5]) / 2
    found = session.calibrated(subject, CatalogSource(dataset("sthv2"), own), "dev", Budget(budget))
    assert asked == [(folder, "openvino", "int8")]
    export = read_export(folder)
    about = export.about_in("int8")
    assert about.rule.thresholds == tuple(found["thresholds"]) != engine.about.rule.thresholds
    assert about.valid_for == found["valid_for"] and elsewhere(about, engine="other") == ()
    assert about.valid_for["precision"] == "int8" and about.valid_for["engine"] == "other"
    assert export.about.rule == engine.about.rule  # the checkpoint's stay
    assert found["gmacs"] <= budget and found["gmacs_no_exit"] == pytest.approx(costs_of(model)[-1])
