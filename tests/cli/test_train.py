"""`gfnet-video train`, and what it leaves behind: a model that eval and infer take as it is."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from gfnet_video.checkpoint import load, rewrite_card
from gfnet_video.cli.main import run
from gfnet_video.config import load_config
from tests import trees

SMALL = {
    "name": "small",
    "dataset": "sthv2",
    "model": {
        "classes": 5,
        "frames": 3,
        "frame_side": 48,
        "glance": {"backbone": "test_resnet", "side": 32, "stride": 16},
        "focus": {"backbone": "test_resnet", "side": 32, "stride": 16},
    },
    "train": {
        "initial": "none",
        "max_bad": 0.2,
        "stages": [
            {"name": "warm-up", "epochs": 1, "lr": 0.001, "patches": "random", "batch": 4},
            {"name": "policy", "epochs": 1, "lr": 0.001, "patches": "sampled", "train": ["policy"], "batch": 4}
            | {"tracks": 2},
        ],
    },
}


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small config in an empty working folder."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(SMALL))
    return path


def train(*args: object) -> int:
    return run(["train", "--dataset", "sthv2", *map(str, args)])


def args_of(changed: tuple[str, ...]) -> list[str]:
    return [word for item in changed for word in ("--set", item)]


def test_from_encoded_clips_to_a_model_that_recognises(
    config: Path, own: Path, clip: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (own / trees.FOLDER / "103.webm").write_bytes(b"")
    assert train("--config", config, "--data", own) == 0
    folder = Path("runs/small/model")
    model = load(folder, verify=True)
    assert model.card.classes == trees.CLASSES
    assert model.card.provenance["dataset"] == "sthv2" and model.card.provenance["train_clips"] == 10
    log = [json.loads(line) for line in Path("runs/small/log.jsonl").read_text().splitlines()]
    assert [(r["stage"], r["bad"]) for r in log] == [("warm-up", 1), ("policy", 1)]
    assert "1 of 10 clips cannot be read" in capfd.readouterr().err
    assert run(["eval", "--model", str(folder), "--dataset", "sthv2", "--data", str(own)]) == 0
    assert json.loads(capfd.readouterr().out)["top1"] == model.card.results["dev"]["top1"]
    assert run(["infer", str(clip), "--model", str(folder), "--jsonl"]) == 0
    assert json.loads(capfd.readouterr().out)["label"] in trees.CLASSES
    assert train("--config", config, "--data", own) == 2  # the run is there
    assert "--resume" in capfd.readouterr().err


def test_frames_straight_from_files_train_the_same(config: Path, own: Path, tmp_path: Path) -> None:
    for name in ("true", "false"):
        assert train("--config", config, "--data", own, "--run", name, "--set", f"train.cache={name}") == 0
    a, b = (load(Path(name) / "model").state_dict() for name in ("true", "false"))
    assert all((a[k] == b[k]).all() for k in a)


def test_a_finished_run_keeps_what_was_found_since(config: Path, own: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert train("--config", config, "--data", own) == 0
    folder = Path("runs/small/model")
    card = load(folder).card
    rewrite_card(folder, replace(card, rule=card.rule.at(0.5), valid_for={"chunk": 1}))
    before = (folder / "config.json").read_bytes()
    assert train("--config", config, "--data", own, "--resume") == 0
    assert "runs/small is finished already" in capfd.readouterr().err
    assert (folder / "config.json").read_bytes() == before


def test_a_run_goes_on_under_its_own_config_alone(config: Path, own: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert train("--config", config, "--data", own) == 0
    shutil.rmtree("runs/small/model")
    written = Path("runs/small/config.yaml").read_bytes()
    assert train("--config", config, "--data", own, "--resume", "--set", "train.seed=1") == 2
    err = capfd.readouterr().err
    assert "runs/small/config.yaml is another configuration: train.seed is 0 there and 1 here;" in err
    changed = ("train.seed=1", "name=other", "train.stages.0.lr=0.5", "train.stages.1.epochs=2")
    assert train("--config", config, *args_of(changed), "--data", own, "--run", "runs/small", "--resume") == 2
    err = capfd.readouterr().err
    assert "configuration: train.stages.0.lr is 0.001 there and 0.5 here, train.stages.1.epochs is 1 there and 2" in err
    assert "train.seed is 0 there and 1 here, and 1 more; resume with that one" in err
    assert Path("runs/small/config.yaml").read_bytes() == written
    with Path("runs/small/log.jsonl").open("a") as log:
        log.write('{"stage": "pol')  # a kill in the middle of a line
    assert train("--config", config, "--data", own, "--resume", "--set", "train.cache=false") == 0
    assert load("runs/small/model").card.results["dev"]["top1"] >= 0  # of the last whole line


def test_too_many_bad_clips_end_it(config: Path, own: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for n in range(101, 106):
        (own / trees.FOLDER / f"{n}.webm").write_bytes(b"")
    assert train("--config", config, "--data", own) == 4
    assert "of 10 training clips cannot be read; allowed are 20% (train.max_bad); first: " in capfd.readouterr().err
    assert not Path("runs/small/model").exists()


def test_another_number_of_classes_is_refused(config: Path, tree: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert train("--config", config, "--data", tree, "--set", "model.classes=6") == 2
    assert "model.classes is 6; sthv2 has 5" in capfd.readouterr().err


def test_the_printed_config_is_whole(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert train("--print-config", "--set", "train.seed=3") == 0
    (tmp_path / "printed.yaml").write_text(capfd.readouterr().out)
    printed = load_config(tmp_path / "printed.yaml")
    assert printed.train.seed == 3 and printed.model.classes == 174


def test_absent_data_says_what_to_do(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert train("--data", tmp_path) == 4
    err = capfd.readouterr().err
    assert err.count("\n") == 1
    assert "download: https://" in err and "licence: " in err and "gfnet-video prepare sthv2 SRC" in err


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--dataset", "sthv3"), "unknown dataset 'sthv3'"),
        (("--set", "train.sed=1"), "did you mean 'seed'"),
        (("--set", "train.seed=one"), "train.seed"),
        (("--set", "train.seed"), "has no '='"),
        (("--config", "sthv2_mobilenetv2_gfnt"), "did you mean 'sthv2_mobilenetv2_gfnet'"),
        (("--config", "absent.yaml"), "absent.yaml: no such config file"),
    ],
)
def test_what_is_mistyped_is_named(args: tuple[str, ...], words: str, capfd: pytest.CaptureFixture[str]) -> None:
    code = train("--print-config", *args)
    captured = capfd.readouterr()
    assert code == 2 and captured.out == "" and words in captured.err
