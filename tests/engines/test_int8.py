"""Graphs in int8: little is lost, nothing of the state, and what is lost is told."""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gfnet_video.checkpoint import load
from gfnet_video.cli.main import run
from gfnet_video.engines.engine import Turn
from gfnet_video.engines.torch_engine import TorchEngine
from gfnet_video.errors import CheckpointError, ConfigError, DataError, VideoError
from gfnet_video.inference.agreement import Agreement, agree, check_agreement
from gfnet_video.inference.export_int8 import RANGES, export_int8, parted
from gfnet_video.inference.material import material_of
from gfnet_video.inference.steps import Clip, Material
from tests.clips import encode
from tests.engines.conftest import python
from tests.trees import CLASSES

BUNDLED = "gfnet_tsm_mobilenetv2.mini"


@pytest.mark.skipif(
    any(find_spec(p) is None for p in ("onnx", "onnxscript", "onnxruntime")), reason="onnxruntime or onnx is missing"
)
def test_the_bundled_model_in_int8() -> None:
    """Frame by frame and at once: had the state's ranges not been seen, it would be cut off, and they would differ."""
    done = python("-m", "tests.engines.int8", BUNDLED, "onnx")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    weights = said.pop("weights")
    assert set(said) == {"onnxruntime"} | ({"openvino"} if find_spec("openvino") else set())
    for engine in said.values():
        assert engine["precision"] == "int8" and engine["found"]["ranges"] == engine["found"]["clips"] == 3
        assert engine["found"]["same"] == 1 and engine["label"] == engine["torch_label"] == "Moving 4 down"
        assert 1e-3 < engine["lost"] < 0.25 and engine["apart"] < engine["lost"] / 2
        assert engine["warnings"] == ["thresholds were found for precision float32, used with int8"]
    for name, held in weights.items():
        heavy = name in ("glance.onnx", "focus.onnx")
        assert (held["int8"] > 5 * held["float32"]) if heavy else held["int8"] == 0


class Turned(TorchEngine):
    """Torch, that answers otherwise."""

    name = "turned"

    def walk(self, *args: Any, **kwargs: Any) -> Generator[Turn, None, None]:
        for turn in super().walk(*args, **kwargs):
            yield replace(turn, logits=-turn.logits)


def test_agreement_counts_what_is_the_same_and_what_is_right(checkpoint: Path, clip: Path) -> None:
    engine = TorchEngine(load(checkpoint))
    material = material_of(engine, [str(clip)], "", None)
    assert material.labels == (None,)
    answer = int(next(t for t in engine.walk(material.read(0).frames, chunk=6) if t.index == 5).logits.argmax())

    def read(i: int) -> Clip:
        if i == 2:
            raise VideoError("bad.mp4", "no frame can be decoded")
        return material.read(0)

    told = Material((answer, None, 0, answer), read)
    others = {"torch": engine, "turned": Turned(engine.model)}
    found = agree(engine, others, told, range(4))
    assert found["torch"] == Agreement(3, 1, 1.0, 0.0, found["torch"].scale, 2, 1.0, 1.0)
    turned = found["turned"]
    assert (turned.same, turned.top1, turned.torch_top1) == (0.0, 0.0, 1.0)
    assert turned.logits == pytest.approx(2 * turned.scale)
    assert agree(engine, others, material, [0])["turned"].top1 is None
    with pytest.raises(DataError, match=r"none of 1 clips can be read: bad\.mp4: no frame"):
        agree(engine, others, told, [2])


def test_too_little_agreement_is_refused() -> None:
    found = Agreement(40, 0, 0.85, 0.5, 7.0, 0, None, None)
    check_agreement({"openvino": found}, 0.85)
    with pytest.raises(
        CheckpointError, match=r"int8 on openvino answers as float32 does on 85\.0 % of 40 clips; .* 90 %"
    ):
        check_agreement({"openvino": found}, 0.9)
    with pytest.raises(CheckpointError, match="--min-agreement"):
        check_agreement({"openvino": replace(found, logits=float("nan"))}, 0.0)


def test_clips_that_set_ranges_are_not_those_that_judge() -> None:
    for count in (2, 5, 63, 128, 129, 464, 3000):
        ranging, judging = parted(count)
        assert not set(ranging) & set(judging) and sorted([*ranging, *judging]) == list(range(count))
        assert 1 <= len(ranging) <= RANGES and ranging[-1] >= count // 2 - 1
    with pytest.raises(ConfigError, match="no clip to calibrate int8 on"):
        parted(0)


def test_a_file_is_of_the_class_that_its_folder_is_named_after(checkpoint: Path, tmp_path: Path) -> None:
    for folder in (CLASSES[2], "other"):
        (tmp_path / folder).mkdir()
        encode(tmp_path / folder / "a.mp4", 8)
    (tmp_path / "list.csv").write_text(f"path,label\n{CLASSES[2]}/a.mp4,{CLASSES[2]}\nother/a.mp4,{CLASSES[0]}\n")
    engine = TorchEngine(load(checkpoint))
    files = material_of(engine, [str(tmp_path)], "", None)
    assert sorted(files.labels, key=str) == [2, None]
    listed = material_of(engine, [str(tmp_path / "list.csv")], "", None)
    assert listed.labels == (2, 0)
    at = files.labels.index(2)
    one, other = files.read(at), listed.read(0)
    assert np.array_equal(np.stack(one.frames), np.stack(other.frames))


def test_words_that_do_not_go_together(checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for args, words in (
        (["--precision", "bf16"], "bf16 is no graph of its own"),
        (["--dataset", "mini"], "--dataset, --data and --limit are of int8"),
        (["--precision", "int8"], "give either --clips or --dataset"),
        (["--precision", "int8", "--clips", "a.mp4", "--min-agreement", "0.9"], "is no percentage"),
    ):
        assert run(["export", str(checkpoint), str(tmp_path / "new"), *args]) == 2
        assert words in capsys.readouterr().err
    with pytest.raises(ConfigError, match="unknown form 'tflite'"):
        export_int8(load(checkpoint), tmp_path / "new", "tflite", Material((None,), lambda i: None))  # type: ignore
    assert not (tmp_path / "new").exists()
