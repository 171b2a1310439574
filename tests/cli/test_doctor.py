"""The doctor tells what is there, and what is not well by its exit code."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from gfnet_video import checkpoint
from gfnet_video.cli import doctor
from gfnet_video.cli.main import run


def told(capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, str]:
    code = run(["doctor", *more])
    return code, capsys.readouterr().out


def test_a_whole_installation_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    code, out = told(capsys, "--json")
    found = {row["part"]: row for row in json.loads(out)}
    assert code == 0, out
    assert {"torch", "decord2", "av", "FFmpeg of PyAV", "FFmpeg of Decord", "processor", "GPU"} <= found.keys()
    for reader in ("PyAV", "Decord"):
        assert found[f"FFmpeg of {reader}"]["found"].startswith("libavcodec ")
    assert "self-test passed" in found["bundled models"]["found"]


def test_a_damaged_model_is_told_and_the_rest_as_well(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.copytree(checkpoint.BUNDLED, tmp_path / "models")
    weights = next((tmp_path / "models").glob("*/model.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1000])
    monkeypatch.setattr(checkpoint, "BUNDLED", tmp_path / "models")
    code, out = told(capsys)
    line = next(line for line in out.splitlines() if line.startswith("bundled models"))
    assert code == 3
    assert "CheckpointError" in line and str(weights) in line and line.endswith("<- not well")
    assert "a bundled clip" in out


def test_a_missing_package_is_a_fault_only_where_it_is_needed() -> None:
    assert not doctor._version("no-such-package", needed=True).well
    assert doctor._version("no-such-package", needed=False) == ("no-such-package", "not installed", True)


def test_the_whole_time_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    clip = min(checkpoint.CLIPS.glob("*.*"))
    said = SimpleNamespace(
        label=clip.stem.split("_", 1)[1].replace("_", " "),
        score=1.0,
        frames_decoded=2,
        seconds={"decode": 0.1, "glance": 0.2, "total": 0.4},
    )
    monkeypatch.setattr("gfnet_video.checkpoint.load", lambda _: None)
    monkeypatch.setattr("gfnet_video.inference.runner.predict", lambda *_: said)
    assert doctor._recognises().endswith("2 frames decoded, 400 ms")
