"""Which engine runs what in which precision, and with whose thresholds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gfnet_video.checkpoint import load
from gfnet_video.engines import precisions
from gfnet_video.engines.exported import graphs_needed
from gfnet_video.engines.folder import Thresholds, describe, keep_thresholds, read_export
from gfnet_video.engines.opening import open_engine
from gfnet_video.engines.precisions import Pair, pairs
from gfnet_video.engines.processor import features, has_bf16
from gfnet_video.engines.torch_engine import TorchEngine
from gfnet_video.errors import CheckpointError, ConfigError
from gfnet_video.inference.validity import elsewhere
from gfnet_video.nn.exit_rule import ExitRule

BOTH = ["onnxruntime", "openvino"]
PLAIN = [("onnxruntime", "float32"), ("openvino", "float32")]


@pytest.mark.parametrize(
    ("engines", "written", "asked", "able", "found"),
    [
        (BOTH, "float32", None, True, PLAIN),
        (BOTH, "float32", "float32", True, PLAIN),
        (BOTH, "float32", "auto", True, [*PLAIN, ("openvino", "bfloat16")]),
        (BOTH, "float32", "auto", False, PLAIN),
        (BOTH, "float32", "bf16", True, [("openvino", "bfloat16")]),
        (["onnxruntime"], "float32", "auto", True, [("onnxruntime", "float32")]),
        (["onnxruntime"], "int8", "auto", True, [("onnxruntime", "int8")]),
        (BOTH, "int8", "auto", True, [("onnxruntime", "int8"), ("openvino", "int8")]),
        (BOTH, "int8", None, True, [("onnxruntime", "int8"), ("openvino", "int8")]),
    ],
)
def test_ways_to_run_a_folder(
    engines: list[str],
    written: str,
    asked: str | None,
    able: bool,
    found: list[Pair],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(precisions, "has_bf16", lambda: able)
    assert pairs(engines, written, asked, "folder") == found


@pytest.mark.parametrize(
    ("engines", "written", "asked", "able", "words"),
    [
        (BOTH, "float32", "bf16", False, "neither avx512_bf16 nor amx_bf16"),
        (["onnxruntime"], "float32", "bf16", True, "onnxruntime cannot compute in bf16 .* --engine openvino"),
        (BOTH, "int8", "float32", True, "folder holds int8 graphs, not float32; export the model anew"),
        (BOTH, "int8", "bf16", True, "folder holds int8 graphs, not bf16"),
        (BOTH, "float32", "int8", True, "export the model anew --precision int8"),
    ],
)
def test_what_cannot_be_run_is_refused(
    engines: list[str], written: str, asked: str, able: bool, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precisions, "has_bf16", lambda: able)
    monkeypatch.setattr(precisions, "installed", lambda engine: True)
    with pytest.raises(ConfigError, match=words):
        pairs(engines, written, asked, "folder")


def test_a_checkpoint_has_float32_alone(checkpoint: Path) -> None:
    for asked in (None, "auto", "float32"):
        assert open_engine(checkpoint, precision=asked).about.precision == "float32"
    with pytest.raises(ConfigError, match=r"not in bf16; write `gfnet-video export .* --to openvino DIR`"):
        open_engine(checkpoint, precision="bf16")
    with pytest.raises(ConfigError, match=r"--precision int8 --clips"):
        open_engine(checkpoint, precision="int8")
    with pytest.raises(ConfigError, match="unknown precision 'fp16'"):
        open_engine(checkpoint, precision="fp16")


def test_the_processor_says_what_it_has(tmp_path: Path) -> None:
    file = tmp_path / "cpuinfo"
    for flags, able in (("fpu avx2 avx512_bf16", True), ("amx_bf16", True), ("avx2 avx512f", False)):
        file.write_text(f"processor\t: 0\nflags\t\t: {flags}\nbugs\t: none\n")
        assert has_bf16(file) is able
    file.write_text("processor\t: 0\nFeatures\t: asimd bf16\n")  # of ARM, for which openvino has no bfloat16
    assert features(file) == ["asimd", "bf16"] and not has_bf16(file)
    assert not has_bf16(tmp_path / "absent")


def test_thresholds_of_no_known_precision_are_float32s(checkpoint: Path) -> None:
    about = TorchEngine(load(checkpoint)).about
    assert about.valid_for == {} and elsewhere(about) == ()
    for precision in ("int8", "bfloat16"):
        said = elsewhere(replace(about, precision=precision))
        assert said == (f"thresholds were found for precision float32, used with {precision}",)


def test_each_precision_keeps_thresholds_of_its_own(checkpoint: Path, tmp_path: Path) -> None:
    about = TorchEngine(load(checkpoint)).about
    for graph in graphs_needed(about.config):
        (tmp_path / f"{graph}.onnx").touch()
    describe(tmp_path, "onnx", about, {})
    rules = {p: ExitRule((1.0,) * 6, (t,) * 6) for p, t in (("bfloat16", 0.5), ("float32", 0.6))}
    for precision, rule in [("bfloat16", ExitRule.never(6)), *rules.items()]:
        keep_thresholds(tmp_path, Thresholds(precision, rule, {"precision": precision}))
    export = read_export(tmp_path)
    assert len(export.thresholds) == 2
    for precision, rule in rules.items():
        found = export.about_in(precision)
        assert found.rule == rule and found.precision == precision and elsewhere(found) == ()
    assert export.about_in("int8").rule == export.about.rule == about.rule
    keep_thresholds(tmp_path, Thresholds("int8", ExitRule.never(5), {}))
    with pytest.raises(CheckpointError, match="thresholds of int8 are not 6, one a step"):
        read_export(tmp_path)
