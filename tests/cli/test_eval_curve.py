"""`gfnet-video eval --curve`: what stands in the folder agrees with the summary, and what cannot be is said at once."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gfnet_video.cli.main import run
from gfnet_video.datasets.difficulty import TRUTH
from gfnet_video.evaluation import exit_timing
from tests import trees

FILES = ["anytime.png", "confusion.csv", "confusion.png", "curve.json", "difficulty.png", "reliability.png"]
FILES += ["thresholds.png", "time.png"]
Verb = Callable[..., tuple[int, dict[str, Any], str]]


@pytest.fixture
def verb(checkpoint: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Verb:
    """Run `eval` with the small model, timing briefly; gives exit code, the JSON on stdout and stderr."""
    monkeypatch.setattr(exit_timing, "ROUNDS", 1)
    monkeypatch.setattr(exit_timing, "CONFIDENCES", (0.3,))

    def call(*args: object) -> tuple[int, dict[str, Any], str]:
        code = run(["eval", "--model", str(checkpoint), "--dataset", "sthv2", *map(str, args)])
        out, err = capfd.readouterr()
        return code, json.loads(out or "{}"), err

    return call


@pytest.fixture
def never(monkeypatch: pytest.MonkeyPatch) -> None:
    """The long part must not begin."""
    monkeypatch.setattr("gfnet_video.evaluation.evaluate.evaluate", lambda *_, **__: pytest.fail("evaluated"))


def report_in(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "curve.json").read_text())
    return found


def test_the_folder_agrees_with_the_summary(verb: Verb, own: Path, tmp_path: Path) -> None:
    (own / trees.FOLDER / "201.webm").write_text("no video")
    code, summary, err = verb("--data", own, "--confidence", 0.3, "--curve", tmp_path / "a" / "curve")
    assert code == 1 and summary["failed"] == 1 and "failed: 201" in err
    assert sorted(p.name for p in (tmp_path / "a" / "curve").iterdir()) == FILES
    report = report_in(tmp_path / "a" / "curve")
    assert (report["clips"], report["failed"], report["split"]) == (5, 1, "test")
    for name in ("top1", "gmacs", "mean_exit_step"):
        assert report["this_run"][name] == pytest.approx(summary[name], rel=1e-5)
    assert [r["top1"] for r in report["anytime"]] == summary["top1_after_step"]
    assert report["thresholds"][-1]["top1"] == summary["top1_no_exit"]
    assert report["thresholds"][-1]["gmacs"] == pytest.approx(summary["gmacs_no_exit"])
    assert report["this_run"]["exits_that_differ"] == [] and sum(report["this_run"]["exit_steps"]) == 4
    assert sum(r["right"] for r in report["per_class"]) == summary["top1"] * 5
    assert len(report["worst"]) == 4 - summary["top1"] * 5
    assert all(Path(r["path"]).is_file() and r["label"] != r["prediction"] for r in report["worst"])
    assert sum(g["clips"] for g in report["difficulty"]["groups"]) == report["calibration"]["clips"] == 4
    assert report["difficulty"]["source"].startswith("rank of the first step's confidence")
    assert report["machine"]["threads"] >= 1 and report["machine"]["torch"] and report["machine"]["processor"]
    head, *rows = csv.reader((tmp_path / "a" / "curve" / "confusion.csv").read_text().splitlines())
    table = np.array([row[1:] for row in rows], int)
    assert head[1:-1] == [row[0] for row in rows] == list(trees.CLASSES)
    assert (table.sum(), table[:, -1].sum(), np.trace(table)) == (5, 1, summary["top1"] * 5)


def test_the_rule_marks_its_point_and_leaves_the_curves(verb: Verb, own: Path, tmp_path: Path) -> None:
    """--confidence and --no-exit say which exits this run has; the sweep over confidences is the same."""
    ids = [str(200 + n) for n in range(5)]
    np.savez(own / TRUTH, id=np.array(ids), difficulty=np.linspace(0, 1, 5))
    (tmp_path / "soon").mkdir()
    (tmp_path / "soon" / "curve.json").write_text("of another run")
    (tmp_path / "soon" / "mine.txt").touch()
    assert verb("--data", own, "--no-exit", "--curve", tmp_path / "late")[0] == 0
    assert verb("--data", own, "--confidence", 0.01, "--curve", tmp_path / "soon")[0] == 0
    assert sorted(p.name for p in (tmp_path / "soon").iterdir()) == sorted([*FILES, "mine.txt"])
    late, soon = report_in(tmp_path / "late"), report_in(tmp_path / "soon")
    assert (late["exits"], soon["exits"]) == ("no exit", "confidence 0.01")
    assert late["this_run"]["exit_steps"] == [0, 0, 0, 0, 0, 5] and soon["this_run"]["exit_steps"] == [5, 0, 0, 0, 0, 0]
    for name in ("anytime", "thresholds"):
        assert late[name] == soon[name]
    assert late["calibration"]["steps"] == soon["calibration"]["steps"]
    assert late["calibration"]["exits"] == late["calibration"]["last_step"]
    assert late["difficulty"]["source"] == "labels/truth.npz of the data set"
    assert [g["from"] for g in late["difficulty"]["groups"]] == [0.0, 0.25, 0.5, 0.75, 1.0]
    marked = [r["setting"] for r in late["time"]["network"] if r["this_run"]]
    assert marked == ["no exit", "no exit"]


def test_without_matplotlib_nothing_begins(
    verb: Verb, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, never: None
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    code, _, err = verb("--data", tree, "--curve", tmp_path / "curve")
    assert code == 3 and "pip install 'gfnet-video[plot]'" in err and not (tmp_path / "curve").exists()


def test_a_folder_that_cannot_be_is_said_before_anything_begins(
    verb: Verb, tree: Path, tmp_path: Path, never: None
) -> None:
    (tmp_path / "file").touch()
    code, _, err = verb("--data", tree, "--curve", tmp_path / "file" / "curve")
    assert code == 3 and f"{tmp_path / 'file' / 'curve'}: Not a directory" in err
    code, _, err = verb("--data", tree, "--curve", tmp_path / "file")
    assert code == 2 and "is a file" in err


def test_a_broken_difficulty_is_said_before_anything_begins(verb: Verb, own: Path, tmp_path: Path, never: None) -> None:
    (own / TRUTH).write_bytes(b"no archive")
    code, _, err = verb("--data", own, "--curve", tmp_path / "curve")
    assert code == 4 and "truth.npz: cannot be read" in err


def test_a_split_of_which_nothing_can_be_read_has_no_curve(verb: Verb, own: Path, tmp_path: Path) -> None:
    for n in range(5):
        (own / trees.FOLDER / f"{200 + n}.webm").write_bytes(b"")
    code, summary, err = verb("--data", own, "--curve", tmp_path / "curve")
    assert code == 4 and summary["failed"] == 5 and "no clip of split 'test' could be read" in err
    assert not list((tmp_path / "curve").iterdir())


def test_an_empty_split_is_refused(verb: Verb, own: Path, tmp_path: Path) -> None:
    trees.write(own / "labels" / "validation.json", [])
    code, summary, err = verb("--data", own, "--curve", tmp_path / "curve")
    assert code == 4 and not summary and "holds no clip" in err


def test_curves_are_of_exits(verb: Verb, tree: Path, tmp_path: Path) -> None:
    code, _, err = verb("--data", tree, "--curve", tmp_path / "curve", "--protocol", "centre")
    assert code == 2 and "--curve" in err and not (tmp_path / "curve").exists()
