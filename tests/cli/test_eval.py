"""`gfnet-video eval` and `calibrate` on real files: what failed is counted, what is stored is true."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gfnet_video.checkpoint import load, rewrite_card
from gfnet_video.cli.calibrate import in_words
from gfnet_video.cli.main import run
from gfnet_video.datasets.annotations import read_manifest
from gfnet_video.datasets.catalog import dataset
from gfnet_video.engines.macs import count_macs, looked
from gfnet_video.inference.validity import conditions
from tests import trees

Verb = Callable[..., tuple[int, dict[str, Any], str]]


@pytest.fixture
def verb(checkpoint: Path, capfd: pytest.CaptureFixture[str]) -> Verb:
    """Run `eval` with the small model; gives exit code, the JSON on stdout and stderr."""

    def call(*args: object) -> tuple[int, dict[str, Any], str]:
        code = run(["eval", "--model", str(checkpoint), "--dataset", "sthv2", *map(str, args)])
        out, err = capfd.readouterr()
        return code, json.loads(out or "{}"), err

    return call


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_failed_clip_counts_as_wrong_and_is_never_another(
    verb: Verb, tree: Path, own: Path, liar: Path, tmp_path: Path
) -> None:
    (own / trees.FOLDER / "201.webm").write_text("no video")
    (own / trees.FOLDER / "203.webm").unlink()
    shutil.copyfile(liar, own / trees.FOLDER / "203.mp4")
    whole, damaged = tmp_path / "whole.jsonl", tmp_path / "damaged.jsonl"
    assert verb("--data", tree, "--rows", whole)[0] == 0
    code, summary, err = verb("--data", own, "--rows", damaged, "--batch", 2)
    assert code == 1 and summary["clips"] == 5 and summary["failed"] == 2
    assert "failed: 201: is not a video" in err and "failed: 203: decoding ends after" in err
    before, after = rows_of(whole), rows_of(damaged)
    assert [r["id"] for r in after] == [str(200 + n) for n in range(5)]
    assert [n for n, r in enumerate(after) if "error" in r] == [1, 3]
    assert [r for n, r in enumerate(after) if n not in (1, 3)] == [before[n] for n in (0, 2, 4)]
    assert summary["top1"] == sum(r["correct"] for r in after) / 5


def test_stored_thresholds_used_elsewhere_are_told(verb: Verb, checkpoint: Path, tree: Path, tmp_path: Path) -> None:
    shutil.copytree(checkpoint, other := tmp_path / "other")
    rewrite_card(other, replace(load(other).card, valid_for={"chunk": 4, "patch_side": 16}))
    err = verb("--data", tree, "--model", other)[2]
    assert "warning: thresholds were found for chunk 4, used with 1\n" in err
    assert "warning: thresholds were found for patch_side 16, used with 32\n" in err
    assert "warning" not in verb("--data", tree, "--model", other, "--no-exit")[2]


def test_eval_agrees_with_infer(
    verb: Verb, checkpoint: Path, tree: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    verb("--data", tree, "--rows", tmp_path / "rows.jsonl", "--confidence", 0.3)
    files = [str(tree / trees.FOLDER / f"{200 + n}.webm") for n in range(5)]
    assert run(["infer", *files, "--model", str(checkpoint), "--jsonl", "--confidence", "0.3"]) == 0
    alone = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    rows = rows_of(tmp_path / "rows.jsonl")
    assert [r["prediction"] for r in rows] == [a["label"] for a in alone]
    assert [r["exit_step"] for r in rows] == [a["exit_step"] for a in alone]
    assert [r["score"] for r in rows] == pytest.approx([a["score"] for a in alone], abs=1e-3)
    assert [r["gmacs"] for r in rows] == pytest.approx([a["gmacs"] for a in alone], abs=1e-4)


def test_costs_without_and_with_exits(verb: Verb, tree: Path) -> None:
    _, late, _ = verb("--data", tree, "--no-exit")
    _, soon, _ = verb("--data", tree, "--confidence", 0.01)
    assert late["gmacs"] == pytest.approx(late["gmacs_no_exit"]) and late["mean_exit_step"] == late["steps"] == 6
    assert soon["gmacs"] == pytest.approx(soon["gmacs_no_exit"] / 6) and soon["mean_exit_step"] == 1
    assert late["top1"] == late["top1_no_exit"] == soon["top1_no_exit"] == late["top1_after_step"][-1]
    assert soon["top1"] == soon["top1_after_step"][0]


def test_cache_and_limit_change_nothing_else(verb: Verb, own: Path, tmp_path: Path) -> None:
    for name, args in (("direct", ()), ("cached", ("--cache",)), ("first", ("--limit", 3))):
        assert verb("--data", own, "--rows", tmp_path / name, *args)[0] == 0
    rows = {name: rows_of(tmp_path / name) for name in ("direct", "cached", "first")}
    near = [{k: pytest.approx(v, abs=2e-4) if k == "score" else v for k, v in row.items()} for row in rows["direct"]]
    assert rows["cached"] == near and rows["first"] == near[:3]  # a batch of another size rounds otherwise
    assert len(list((own / "cache").iterdir())) == 2  # of --cache alone


def test_a_model_of_other_classes_is_refused(tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["eval", "--dataset", "sthv2", "--data", str(tree)]) == 4  # the bundled model knows mini
    assert "its 5 classes are not the model's 40" in capfd.readouterr().err


@pytest.fixture
def forty(checkpoint: Path, own: Path, tmp_path: Path) -> list[str]:
    """A `calibrate` of a copy of the model on 44 clips, one of them empty."""
    model = Path(shutil.copytree(checkpoint, tmp_path / "model"))
    items = [{"id": str(300 + n), "template": trees.TEMPLATES[n % 5]} for n in range(44)]
    for n, item in enumerate(items):
        shutil.copyfile(own / trees.FOLDER / f"{100 + n % 5}.webm", own / trees.FOLDER / f"{item['id']}.webm")
    (own / trees.FOLDER / "343.webm").write_bytes(b"")
    trees.write(own / "labels" / "validation.json", items)
    return ["calibrate", str(model), "--dataset", "sthv2", "--data", str(own), "--split", "dev"]


def test_calibrate_stores_the_rule_and_where_it_holds(forty: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    model = Path(forty[1])
    weights = (model / "model.safetensors").read_bytes()
    assert run([*forty, "--max-drop", "98.5%", "--confidence", "50%"]) == 1  # one of its clips is empty
    out, err = capfd.readouterr()
    assert "1 of 44 clips could not be read and were left out; `check` names them\n" in err
    printed, card = json.loads(out), load(model, verify=True).card
    assert (list(card.rule.temperatures), list(card.rule.thresholds)) == (
        printed["temperatures"],
        printed["thresholds"],
    )
    assert printed["mean_exit_step"] == 1 and "exits after step 1.00 of 6 on average, at 0." in err
    held = card.valid_for
    assert held == printed["valid_for"] and len(held["digest"]) == 64
    assert (held["clips"], held["failed"], held["fitted"], held["tested"]) == (43, 1, 21, 22)
    assert (held["dataset"], held["split"], held["mode"], held["max_drop"]) == ("sthv2", "dev", "risk", 0.985)
    assert held["confidence"] == 0.5 and "gmacs" not in held
    assert conditions(load(model).config, "float32") == {
        "sampler": "uniform",
        "frames": 6,
        "order": "interleaved",
        "patch_side": load(model).config.focus.side,
        "chunk": 1,
        "precision": "float32",
    }
    assert held == held | conditions(load(model).config, "float32")
    assert (model / "model.safetensors").read_bytes() == weights


def test_calibrate_refuses_the_clips_it_was_trained_on(forty: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    """Under whatever name: the card knows them by their digest."""
    path = Path(forty[1]) / "config.json"
    dev = read_manifest(dataset("sthv2"), Path(forty[5]), "dev")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"provenance": {"train_digest": dev.digest()}}))
    before = path.read_bytes()
    assert run([*forty, "--budget", "0.01"]) == 4
    assert "sthv2: holds the 44 clips that the model was trained on" in capfd.readouterr().err
    assert path.read_bytes() == before


def test_calibrate_to_a_budget(forty: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    macs = count_macs(load(forty[1]))
    first, last = (macs.of(looked(load(forty[1]).config, step, 2)) for step in (0, 5))
    budget = (first + last) / 2
    (Path(forty[5]) / trees.FOLDER / "343.webm").unlink()
    shutil.copyfile(Path(forty[5]) / trees.FOLDER / "342.webm", Path(forty[5]) / trees.FOLDER / "343.webm")
    assert run([*forty, "--budget", str(budget), "--chunk", "2"]) == 0
    printed = json.loads(capfd.readouterr().out)
    assert first < printed["gmacs"] <= budget and printed["gmacs_no_exit"] == pytest.approx(last)
    held = load(forty[1]).card.valid_for
    assert (held["mode"], held["gmacs"], held["chunk"]) == ("budget", budget, 2) and "max_drop" not in held
    before = (Path(forty[1]) / "config.json").read_bytes()
    assert run([*forty, "--budget", str(2 * last), "--chunk", "2"]) == 2
    assert f"budget is {2 * last:g} GMACs a clip; expected {first:.4g}" in capfd.readouterr().err
    assert (Path(forty[1]) / "config.json").read_bytes() == before


def test_calibrate_keeps_to_what_is_proven(forty: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert run([*forty, "--max-drop", "13%"]) == 1
    printed = json.loads(capfd.readouterr().out)
    assert printed["harmful_exits"] == 0  # 22 clips prove 13 % at 95 % where none is harmed


def test_calibrate_says_that_no_exit_is_safe() -> None:
    found = {"mean_exit_step": 6.0, "steps": 6, "gmacs": 0.5, "gmacs_no_exit": 0.5, "harmful_exits": 0}
    said = in_words(found | {"valid_for": {"tested": 300}})
    assert said == "no exit before the last of 6 steps reaches this goal: all looks are taken, 0.500 of 0.500 GMACs"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--max-drop", "1"), "'1' is no percentage; write it with its sign, such as 1% or 0.5%"),
        (("--max-drop", "0.01"), "'0.01' is no percentage"),
        (("--max-drop", "0%"), "'0%' is out of range; expected more than 0% and less than 100%"),
        (("--confidence", "100%"), "'100%' is out of range"),
        (("--budget", "1", "--max-drop", "1%"), "--budget and --max-drop exclude each other"),
        (("--budget", "1", "--confidence", "95%"), "--budget and --confidence exclude each other"),
        (("--budget", "nan"), "budget is nan GMACs; expected more than 0"),
    ],
)
def test_calibrate_refuses_what_it_cannot_mean(
    args: tuple[str, ...], words: str, checkpoint: Path, own: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    call = ["calibrate", str(checkpoint), "--dataset", "sthv2", "--data", str(own), "--split", "dev"]
    assert run([*call, *args]) == 2
    assert words in capfd.readouterr().err


def test_calibrate_leaves_a_bundled_model_as_it_is(
    forty: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    bundled = Path(shutil.copytree(forty[1], tmp_path / "bundled" / "some.model"))
    monkeypatch.setattr("gfnet_video.checkpoint.BUNDLED", bundled.parent)
    before = {p.name: p.read_bytes() for p in bundled.iterdir()}
    args = ["calibrate", "some.model", *forty[2:], "--max-drop", "98.5%", "--confidence", "50%"]
    assert run(args) == 2
    assert "some.model came with the package, which stays as it is; give --out FOLDER" in capfd.readouterr().err
    out = tmp_path / "new" / "calibrated"
    assert run([*args, "--out", str(out)]) == 1  # one of its clips is empty
    assert load(out, verify=True).card.valid_for == json.loads(capfd.readouterr().out)["valid_for"]
    assert {p.name: p.read_bytes() for p in bundled.iterdir()} == before
    assert (out / "model.safetensors").read_bytes() == before["model.safetensors"]
    assert run([*args, "--out", str(out)]) == 2
    assert "calibrated holds something already" in capfd.readouterr().err


def test_no_exit_and_confidence_exclude_each_other(verb: Verb, tree: Path) -> None:
    code, _, err = verb("--data", tree, "--no-exit", "--confidence", 0.5)
    assert code == 2 and "exclude each other" in err


def test_calibrate_refuses_too_few_clips(checkpoint: Path, own: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = (checkpoint / "config.json").read_bytes()
    args = ["calibrate", str(checkpoint), "--dataset", "sthv2", "--data", str(own), "--split", "dev"]
    assert run(args) == 4
    assert "5 calibration clips; expected at least 399: 299 to prove with 95 % confidence" in capfd.readouterr().err
    assert (checkpoint / "config.json").read_bytes() == before
