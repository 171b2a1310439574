"""`gfnet-video train my_clips/`: from encoded clips to a model that eval and infer take, and the account before it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from gfnet_video.checkpoint import load
from gfnet_video.cli.main import run
from gfnet_video.config import Config, load_config
from gfnet_video.datasets.source import OwnSource
from tests.clips import cut, encode

SMALL = {
    "name": "small",
    "dataset": "folder",
    "model": {
        "classes": 2,
        "frames": 3,
        "frame_side": 48,
        "glance": {"backbone": "test_resnet", "side": 32, "stride": 16},
        "focus": {"backbone": "test_resnet", "side": 32, "stride": 16},
    },
    "train": {
        "initial": "none",
        "balance": "loss",
        "stages": [{"name": "warm-up", "epochs": 1, "lr": 0.001, "patches": "random", "batch": 4}],
    },
}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve clips of one class and eight of another, two recordings in which go on over several files."""
    root = tmp_path_factory.mktemp("own") / "my_clips"
    for name, frames, count in (("clap", 12, 12), ("wave", 15, 8)):
        (root / name).mkdir(parents=True)
        first = encode(root / name / f"{name}-a_1.mp4", frames)
        for n in range(1, count):
            shutil.copyfile(first, root / name / f"{name}-{'abcdefghijkl'[n // 2]}_{n % 2 + 1}.mp4")
    return root


@pytest.fixture
def own(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the clips in an empty working folder, beside a small config."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(SMALL))
    return Path(shutil.copytree(clips, tmp_path / "my_clips")).relative_to(tmp_path)


def tree(root: Path) -> list[str]:
    return sorted(str(p.relative_to(root)) for p in root.rglob("*"))


def test_from_a_folder_of_clips_to_a_model_that_is_measured_and_used(
    own: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = tree(own)
    assert run(["train", str(own), "--config", "small.yaml"]) == 0
    said = capfd.readouterr().err
    assert "20 clips in 2 classes" in said and "in 10 groups" in said and "will not be calibrated" in said
    assert said.splitlines()[-3:] == [
        "model written to runs/my_clips/model",
        "$ gfnet-video infer VIDEO --model runs/my_clips/model",
        "it takes all looks; to exit once it is sure: infer --confidence 0.9",
    ]
    assert "class (dev)" in said and "class (test)" in said
    assert tree(own) == before  # nothing is written among somebody's clips
    card = load("runs/my_clips/model", verify=True).card
    assert card.classes == ("clap", "wave") and card.provenance["dataset"] == "my_clips"
    report = json.loads(Path("runs/my_clips/report.json").read_text())
    assert {s: r["clips"] for s, r in report.items()} == {"dev": 4, "test": 4}
    assert [c["name"] for c in report["test"]["classes"]] == ["clap", "wave"]
    assert card.provenance["train_clips"] == 12
    for source in ("runs/my_clips", str(own)):
        assert run(["eval", source, "--model", "runs/my_clips/model"]) == 0
        found = json.loads(capfd.readouterr().out)
        assert (found["top1"], found["clips"]) == (report["test"]["top1"], report["test"]["clips"])
    clip = str(own / "wave" / "wave-a_1.mp4")
    assert run(["infer", clip, "--model", "runs/my_clips/model", "--jsonl"]) == 0
    captured = capfd.readouterr()
    assert json.loads(captured.out)["label"] in card.classes and "learned from my_clips: clap, wave" in captured.err
    kept = Path("runs/my_clips/model/config.json").read_bytes()
    for args, code, words in (
        (["--split", "train"], 2, "split is 'train'; expected clips the model was never trained on"),
        (["--split", "all"], 4, "my_clips: holds the 12 clips that the model was trained on"),
        ([], 2, "its 20 clips were too few to set some apart"),
    ):
        assert run(["calibrate", "runs/my_clips/model", str(own), *args, "--budget", "0.01"]) == code
        assert words in capfd.readouterr().err
    assert Path("runs/my_clips/model/config.json").read_bytes() == kept
    shutil.copyfile(clip, own / "wave" / "wave-z_1.mp4")  # the folder would be parted otherwise now
    assert run(["eval", str(own), "--model", "runs/my_clips/model"]) == 4
    assert "may have been trained on; name the run's folder" in capfd.readouterr().err
    assert run(["eval", str(own), "--model", "runs/my_clips/model", "--split", "all"]) == 0
    assert json.loads(capfd.readouterr().out)["clips"] == 21
    assert run(["train", str(own), "--config", "small.yaml", "--resume"]) == 0  # with the clips that it began with
    assert "runs/my_clips is finished already" in capfd.readouterr().err


def test_a_dry_run_says_everything_and_writes_nothing(own: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (own / "clap" / "empty.mp4").write_bytes(b"")
    cut(own / "wave" / "wave-a_1.mp4", 0.6, own / "wave" / "cut.mp4")
    before = tree(Path())
    assert run(["train", str(own), "--dry-run"]) == 1
    out = capfd.readouterr().out
    assert tree(Path()) == before
    assert "22 clips in 2 classes (sub-folders are classes)" in out
    assert "number at the end are one group" in out and "will not be calibrated" in out
    assert "seconds a clip: 0.5 to 0.6, median 0.5" in out
    assert "bad files: 2 of 22" in out and "clap/empty.mp4: " in out and "wave/cut.mp4: " in out
    assert "would train my_clips: glance mobilenetv2_100 at 96" in out and "balance: loss" in out
    assert "nothing was written" in out
    counts = next(line.split() for line in out.splitlines() if line.startswith("in all"))
    assert sum(map(int, counts[2:])) == 22
    for bad in ("clap/empty.mp4", "wave/cut.mp4"):
        (own / bad).unlink()
    assert run(["train", str(own), "--dry-run"]) == 0


def test_too_many_bad_clips_are_told_before_training_and_left_out_once_listed(
    own: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for n in range(6):
        (own / "clap" / f"empty-{n}x.mp4").write_bytes(b"")
    train = ["train", str(own), "--config", "small.yaml", "--set", "train.max_bad=0.1"]
    assert run(train) == 4
    err = capfd.readouterr().err
    assert "training clips cannot be read; allowed are 10% (train.max_bad); first: " in err
    assert "gfnet-video check DIR --quarantine" in err
    assert not Path("runs/my_clips/log.jsonl").exists() and not Path("runs/my_clips/last.pt").exists()
    assert run(["check", str(own), "--quarantine"]) == 1
    assert run([*train, "--resume"]) == 0  # nothing was trained on, so that the clips may be others now


def test_the_shipped_config_is_fitted_and_set_comes_last(own: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["train", str(own), "--print-config", "--set", "train.stages.1.epochs=2"]) == 0
    Path("printed.yaml").write_text(capfd.readouterr().out)
    config = load_config(Path("printed.yaml"))
    assert (config.name, config.model.classes, config.train.balance) == ("my_clips", 2, "loss")
    assert config.train.cache and config.train.workers == 0  # of so few clips all frames can be kept
    assert [stage.batch <= 20 // 4 for stage in config.train.stages] == [True] * 3
    assert [stage.epochs for stage in config.train.stages] == [60, 2, 60]


def test_ctrl_c_says_how_to_go_on(
    own: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def train_session(source: OwnSource, config: Config, run: Path, **how: object) -> None:
        assert run == Path("runs/my_clips")
        raise KeyboardInterrupt

    monkeypatch.setattr("gfnet_video.training.session.train_session", train_session)
    train = ["train", str(own), "--config", "small.yaml"]
    assert run(train) == 130
    assert "interrupted; nothing was saved yet" in capfd.readouterr().err
    Path("runs/my_clips").mkdir(parents=True)
    Path("runs/my_clips/last.pt").touch()
    assert run(train) == 130
    assert "interrupted; go on with --resume\n" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        ([], 2, "give either SOURCE"),
        (["my_clips", "--dataset", "mini"], 2, "give either SOURCE"),
        (["--dataset", "mini", "--classes", "names.txt"], 2, "belong to a list of your own clips"),
        (["my_clips", "--val", "val.txt"], 4, "--val and --classes belong to a list"),
        (["nosuch"], 4, "nosuch: no such folder or list"),
        (["my_clips", "--config", "small.yaml", "--set", "model.classes=3"], 2, "--set model.classes=2"),
        (
            ["my_clips", "--config", "small.yaml", "--set", "train.stages.0.batch=16"],
            4,
            "12 training clips make no batch of 16, the batch of stage 'warm-up'; give more clips, or "
            "--set train.stages.0.batch=3",
        ),
    ],
)
def test_what_is_asked_wrongly_is_said(
    own: Path, args: list[str], code: int, words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["train", *args]) == code
    assert words in " ".join(capfd.readouterr().err.split())
    assert run(["train", *args, "--dry-run"]) == code  # which says the same
    assert words in " ".join(capfd.readouterr().err.split())
    assert not Path("runs").exists()
