"""Exported models: what torch says, without torch. All that runs onnxruntime or openvino is a process of its own."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gfnet_video.cli.main import run
from gfnet_video.engines.folder import NAME, READERS
from gfnet_video.engines.opening import fastest, open_engine
from gfnet_video.engines.processor import has_bf16
from gfnet_video.errors import CheckpointError, ConfigError
from gfnet_video.video.pixels import cut_frame
from gfnet_video.video.transforms import resize_crop
from tests.engines.conftest import python

for package in ("onnx", "onnxscript", "onnxruntime"):
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed", allow_module_level=True)

OPENVINO = pytest.mark.skipif(find_spec("openvino") is None, reason="openvino is not installed")
# Rows of walks.WALKS, beside `exported`; the others take a minute more: python -m tests.engines.walks onnx
WALKED = ("both",)
BLOCKED = "import sys; sys.modules['torch'] = None; from gfnet_video.cli.main import main; main(sys.argv[1:])"


def infer(model: object, clip: Path, *args: object) -> dict[str, Any]:
    done = python("-c", BLOCKED, "infer", clip, "--model", model, "--jsonl", *args)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def engines_of(form: str) -> set[str]:
    """The installed engines that run a form."""
    return {name for name in READERS[form] if find_spec(name) is not None}


@pytest.mark.parametrize(("form", "walked"), [("onnx", WALKED), pytest.param("openvino", ("tsm",), marks=OPENVINO)])
def test_every_walk_says_what_torch_says(form: str, walked: tuple[str, ...]) -> None:
    """`export` itself compares, one clip and frame at a time, three and eight; here its word is compared with less."""
    done = python("-m", "tests.engines.walks", form, *walked)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert tuple(told) == walked
    for engines in told.values():
        assert set(engines) == engines_of(form)
        for parity in engines.values():
            assert parity["clips"] == 2 and parity["pixels"] < 1e-3 and parity["logits"] < 1e-5


@pytest.fixture(scope="module")
def scenes(exported: Path, checkpoint: Path, clip: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What each scene of tests/engines/scenes.py found."""
    done = python("-m", "tests.engines.scenes", exported, checkpoint, clip, tmp_path_factory.mktemp("scenes"))
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_several_looks_at_a_frame_say_what_torch_says(scenes: dict[str, Any]) -> None:
    """Of the same graphs, which are of one look each, and of a frame that is cut from a wider one."""
    said = scenes["several_looks"]
    assert len(said) == len(engines_of("onnx")), said
    assert all(pixels < 1e-3 and logits < 1e-5 for pixels, logits in said)


def test_a_glance_at_the_clip_first_says_what_torch_says(scenes: dict[str, Any]) -> None:
    """Of the same networks; and so do clips that share looks."""
    said = scenes["sees_clip"]
    assert set(said["seated"]) == set(said["parity"]) == engines_of("onnx"), said
    for parity in said["parity"].values():
        assert parity["clips"] == 1 and parity["pixels"] < 1e-3 and parity["logits"] < 1e-5


def test_a_stream_says_what_torch_says(scenes: dict[str, Any]) -> None:
    """Logits after each of 15 frames of two streams, more than two windows, and the patches; on every engine."""
    assert isinstance(scenes["stream"], list), scenes["stream"]
    logits, centres = scenes["stream"]
    assert logits < 1e-4 and centres < 1e-5


def test_an_exported_model_has_the_side_of_its_focus_alone(exported: Path) -> None:
    assert open_engine(exported, "onnxruntime", 1, side=32).about.config == open_engine(exported).about.config
    with pytest.raises(ConfigError, match="was exported with patches of side 32, not 24; name the checkpoint"):
        open_engine(exported, side=24)


def test_clips_that_share_looks_say_what_torch_says(scenes: dict[str, Any], exported: Path, clip: Path) -> None:
    """One clip a frame ahead of the other; and two files at once, without torch."""
    assert isinstance(scenes["shared_looks"], float), scenes["shared_looks"]
    assert scenes["shared_looks"] < 1e-4
    alone = infer(exported, clip)
    args = ("infer", clip, clip, "--model", exported, "--jobs", 2, "--jsonl")
    done = python("-c", BLOCKED, *args)
    assert done.returncode == 0 and "2 files in" in done.stderr and "the limit" in done.stderr
    for found in map(json.loads, done.stdout.splitlines()):
        assert found["label"] == alone["label"] and found["exit_step"] == alone["exit_step"]
        assert found["step_scores"] == pytest.approx(alone["step_scores"], abs=1e-5)


def test_infer_runs_it_without_torch_and_exits(
    exported: Path, checkpoint: Path, clip: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for args in (("--no-exit",), ("--confidence", "0.01"), ("--chunk", "4")):
        assert run(["infer", str(clip), "--model", str(checkpoint), "--jsonl", *args]) == 0
        torch = json.loads(capfd.readouterr().out)
        for engine in engines_of("onnx") if args[0] == "--confidence" else ("onnxruntime",):
            found = infer(exported, clip, *args, "--engine", engine, "--threads", 1)
            same = ("label", "exit_step", "frames_decoded", "frame_indices", "gmacs")
            assert {k: found[k] for k in same} == {k: torch[k] for k in same}
            assert found["step_scores"] == pytest.approx(torch["step_scores"], abs=1e-5)
            assert np.allclose(found["patches"], torch["patches"], atol=1e-5)
            assert set(found["seconds"]) == set(torch["seconds"])


@pytest.mark.skipif(find_spec("openvino") is None or not has_bf16(), reason="no openvino, or no bfloat16 in hardware")
def test_openvino_computes_in_bf16_and_says_so(scenes: dict[str, Any]) -> None:
    """Not as float32 does, but nearly, however many frames at once, and thresholds of float32 are warned of."""
    assert isinstance(scenes["bf16"], list), scenes["bf16"]
    precisions, sizes, apart, warnings = scenes["bf16"]
    assert precisions == ["float32", "bfloat16"] and sizes == [4, 2]
    assert all(1e-4 < far < 0.1 for far in apart), apart
    assert warnings == [[], ["thresholds were found for precision float32, used with bfloat16"]]


def test_a_folder_that_holds_something_is_left_as_it_is(
    exported: Path, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    before = {p.name: p.stat().st_mtime_ns for p in exported.iterdir()}
    assert run(["export", str(checkpoint), str(exported)]) == 2
    assert "holds something already" in capfd.readouterr().err
    assert {p.name: p.stat().st_mtime_ns for p in exported.iterdir()} == before
    monkeypatch.chdir(tmp_path)
    assert run(["export", str(checkpoint), "."]) == 2 and not list(tmp_path.iterdir())
    assert ". is the working folder, which cannot be written anew; name a new folder" in capfd.readouterr().err


def test_what_differs_from_torch_is_not_left_written(scenes: dict[str, Any], clip: Path) -> None:
    """Of graphs that were written before the model's weights moved."""
    said = scenes["stale"]
    assert said["words"].startswith(f"CheckpointError: {clip}: onnxruntime and torch differ"), said
    assert said["left"] == ["same"]


def test_a_damaged_folder_is_named(exported: Path, tmp_path: Path) -> None:
    for change, words in (
        (lambda f: (f / "glance.onnx").write_bytes(b"x"), "glance.onnx: is not the file that export.json names"),
        (lambda f: (f / "focus.onnx").unlink(), "focus.onnx: cannot be read"),
        (lambda f: (f / NAME).write_text("{}"), "export.json: cannot be read: export.json lacks about"),
        (lambda f: (f / NAME).write_text((f / NAME).read_text().replace('"onnx"', '"tflite"')), "form 'tflite'"),
        (lambda f: (f / NAME).write_text((f / NAME).read_text().replace("combine", "gather")), "export the model anew"),
    ):
        folder = Path(shutil.copytree(exported, tmp_path / "copy"))
        change(folder)
        done = python("-m", "gfnet_video", "infer", "none.mp4", "--model", folder, "--engine", "onnxruntime")
        assert done.returncode == 4 and words in done.stderr, done.stderr
        shutil.rmtree(folder)


def test_engines_and_models_that_do_not_go_together(exported: Path, checkpoint: Path) -> None:
    with pytest.raises(ConfigError, match=r"gfnet-video export .* --to onnx DIR"):
        open_engine(checkpoint, "onnxruntime")
    with pytest.raises(ConfigError, match="onnxruntime or openvino runs, not torch"):
        open_engine(exported, "torch")
    with pytest.raises(ConfigError, match="did you mean 'onnxruntime'"):
        open_engine(checkpoint, "onnxruntim")
    with pytest.raises(CheckpointError, match="unknown model"):
        open_engine("nothing")
    code = f"import sys; sys.modules['onnxruntime'] = None; {BLOCKED}"
    done = python("-c", code, "infer", "a.mp4", "--model", exported, "--engine", "onnxruntime")
    assert done.returncode == 3 and "pip install 'gfnet-video[onnx]'" in done.stderr


def test_auto_takes_the_faster(checkpoint: Path) -> None:
    import time

    quick, slow = open_engine(checkpoint), open_engine(checkpoint)
    walk = slow.walk

    def slower(*args: Any, **kwargs: Any) -> Any:
        time.sleep(0.3)
        return walk(*args, **kwargs)

    slow.walk = slower  # type: ignore[method-assign]
    assert fastest([slow, quick]) is quick and fastest([quick, slow]) is quick


def test_pixels_are_cut_as_torch_cuts_them() -> None:
    rng = np.random.default_rng(0)
    for _ in range(60):
        height, width, side = (int(n) for n in rng.integers([5, 5, 4], [300, 300, 200]))
        short = int(rng.choice([0, side, side + 17]))
        frame = rng.integers(0, 256, (height, width, 3), np.uint8)
        frame = frame if rng.random() < 0.5 else np.where(frame > 127, 255, 0).astype(np.uint8)
        whole = resize_crop(frame[None], frame_side=side, short_side=short)[0].numpy()
        assert np.array_equal(cut_frame(frame, frame_side=side, short_side=short), whole)
