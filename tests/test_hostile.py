"""Two hundred damaged and hostile files through check and infer: no crash, no hang, every one accounted for."""

from __future__ import annotations

import json
from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import yaml

from gfnet_video.cli.main import run
from gfnet_video.datasets.quarantine import read_quarantine
from gfnet_video.errors import printable
from gfnet_video.inference.report import encodable
from gfnet_video.video.probe import BAD, examine
from gfnet_video.video.reader import VideoReader
from tests import hostile
from tests.clips import number
from tests.hostile import FRAMES, Case


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    return hostile.plant(tmp_path_factory.mktemp("hostile") / "set")


@pytest.fixture(scope="module")
def root(cases: list[Case]) -> Path:
    return cases[0].path.parents[1]


def test_they_are_two_hundred_and_the_same_each_time(cases: list[Case], tmp_path: Path) -> None:
    again = hostile.plant(tmp_path / "set")
    assert len({c.path for c in cases}) == len(again) == hostile.COUNT
    assert len(Counter(c.family for c in cases)) == 6
    for case, other in zip(cases, again, strict=True):
        regular = case.path.is_file() and not case.path.is_symlink()
        assert not regular or case.path.read_bytes() == other.path.read_bytes()


def test_check_accounts_for_each(
    cases: list[Case], root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(root)
    assert run(["check", ".", "--workers", "2", "--json", "--quarantine"]) == 1
    out, err = capfd.readouterr()
    rows = json.loads(out)
    assert [r["path"] for r in rows] == [encodable(str(c.path.relative_to(root))) for c in cases]
    for case, row in zip(cases, rows, strict=True):
        assert row["status"] in ("ok", "bad", "missing") and (row["kind"] in BAD) == (row["status"] != "ok")
        assert row["kind"] not in ("time_out", "crashed"), row
        if case.whole:
            assert (row["status"], row["frames"]) == ("ok", FRAMES), row
        if case.family == "bomb":
            assert row["status"] != "ok", row
        if case.family == "truncated":
            assert row["kind"] == "truncated" or any(n.startswith("truncated") for n in row["notes"]), row
    assert len(read_quarantine(root)) == sum(r["status"] != "ok" for r in rows)
    kinds = Counter(r["kind"] or "ok" for r in rows)
    assert all(f"{n} {kind}" in err for kind, n in kinds.items()) and err.count("\n") == 2
    assert not (root / "executed").exists()


def test_infer_accounts_for_each_and_sees_only_their_own_frames(
    cases: list[Case], root: Path, checkpoint: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """What the model was shown is what PyAV decodes from the start, or there is an error, or `check` says that frames
    are damaged: how decoders fill the holes of those is not the same."""
    assert run(["infer", str(root), "--model", str(checkpoint), "--jsonl"]) == 1
    out, err = capfd.readouterr()
    rows = [json.loads(line) for line in out.splitlines()]
    assert [r["path"] for r in rows] == [encodable(str(c.path)) for c in cases]
    failed = [r for r in rows if "error" in r]
    assert f"{len(failed)} of {hostile.COUNT} inputs failed" in err and "Traceback" not in err
    compared = 0
    for case, row in zip(cases, rows, strict=True):
        assert not (case.whole and "error" in row), row
        assert not (case.family == "bomb" and case.path.name != "many.gif" and "label" in row), row
        if "label" in row:
            compared += _compare(case, row["frame_indices"])
    assert compared > 0.9 * (hostile.COUNT - len(failed))


def _compare(case: Case, indices: list[int]) -> bool:
    """Hold the frames against PyAV's; False where the file is too damaged to."""
    if any(note.startswith("damaged") for note in examine(case.path).notes):
        assert case.family in ("damaged", "truncated")
        return False
    with VideoReader(case.path) as video:
        shown = list(video.read(indices))
    with VideoReader(case.path, reader="pyav") as video:
        truth = list(islice(video.every(), indices[-1] + 1))
    for index, frame in zip(indices, shown, strict=True):
        assert np.abs(frame.astype(int) - truth[index]).mean() < 1, (case, index)
        assert not case.whole or number(frame) == index
    return True


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A model that trains in seconds."""
    look = {"backbone": "mobilenetv2_050", "side": 32, "stride": 16}
    stage = {"name": "s", "epochs": 1, "lr": 0.001, "batch": 8, "train": ["glance", "aggregator"]}
    model = {"classes": 2, "frames": 2, "frame_side": 32, "glance": look}
    train = {"initial": "none", "cache": False, "max_bad": 1.0, "stages": [stage]}
    (tmp_path / "small.yaml").write_text(yaml.safe_dump({"dataset": "folder", "model": model, "train": train}))
    return tmp_path / "small.yaml"


def test_train_accounts_for_each(tmp_path: Path, config: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What cannot be read is named once and counted, never another clip in its place; quarantine spares the rest."""
    cases, root = hostile.plant(tmp_path / "set"), tmp_path / "two classes"
    kind = {family: "ab"[n % 2] for n, family in enumerate(sorted({c.family for c in cases}))}
    for family, name in kind.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / family).rename(root / name / family)
    paths = {root / kind[c.family] / c.path.relative_to(tmp_path / "set"): c.whole for c in cases}
    command = ["train", str(root), "--config", str(config), "--run"]
    assert run([*command, str(tmp_path / "one")]) == 0
    err = capfd.readouterr().err
    lost = {line.removeprefix("left out: ") for line in err.splitlines() if line.startswith("left out: ")}
    row = json.loads((tmp_path / "one" / "log.jsonl").read_text())
    assert row["bad"] == len(lost) > 20 and "Traceback" not in err
    named = [path for path in paths if any(line.startswith(f"{printable(str(path))}: ") for line in lost)]
    assert len(named) == len(lost) and not any(paths[path] for path in named)
    # With the usual cap the run ends, and says by which file it began.
    assert run([*command, str(tmp_path / "two"), "--set", "train.max_bad=0.01"]) == 4
    assert "training clips cannot be read; allowed are 1% (train.max_bad); first: " in capfd.readouterr().err
    assert run(["check", str(root), "--quarantine"]) == 1
    assert run([*command, str(tmp_path / "three")]) == 0
    assert json.loads((tmp_path / "three" / "log.jsonl").read_text())["bad"] == 0
    assert "clips are in quarantine and left out: " in capfd.readouterr().err
