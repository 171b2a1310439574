"""`gfnet-video train --dataset imagefolder`: pictures in folders of classes, to a model that eval and infer take."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from gfnet_video.checkpoint import load
from gfnet_video.cli.main import run
from gfnet_video.cli.train import config_path
from gfnet_video.config import load_config
from gfnet_video.datasets.own import open_own
from gfnet_video.datasets.source import IMAGE_CONFIG
from gfnet_video.errors import DataError

LOOK = {"backbone": "mobilenetv2_050", "side": 32, "stride": 16, "shift": False}
STAGES = [
    {"name": "warm-up", "epochs": 1, "lr": 0.001, "patches": "random", "batch": 4},
    {"name": "policy", "epochs": 1, "lr": 0.001, "patches": "sampled", "train": ["policy"], "batch": 4, "tracks": 2},
    {"name": "fine-tune", "epochs": 1, "lr": 0.001, "patches": "policy", "batch": 4},
]
MODEL = {"classes": 2, "frames": 1, "frame_side": 48, "order": "glance_first", "looks_per_frame": 2}
SMALL = {
    "name": "small",
    "dataset": "imagefolder",
    "model": MODEL | {"glance": LOOK, "focus": LOOK},
    "train": {"initial": "none", "stages": STAGES},
}


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twenty numbered pictures of each of two classes, in JPEG and PNG and of several shapes."""
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(yaml.safe_dump(SMALL))
    rng = np.random.default_rng(0)
    for k, name in enumerate(("dark", "light")):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for n in range(20):
            pixels = rng.integers(0, 100, (50 + n, 60, 3)) + 150 * k
            suffix = "png" if n % 4 == 0 else "jpg"
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "photos" / name / f"{n:05d}.{suffix}")
    return tmp_path / "photos"


def test_from_pictures_to_a_model_that_looks_again(pictures: Path, capfd: pytest.CaptureFixture[str]) -> None:
    train = ["train", "--dataset", "imagefolder", "--data", str(pictures), "--config", "small.yaml"]
    assert run(train) == 0
    folder = Path("runs/photos/model")
    model = load(folder, verify=True)
    assert model.card.classes == ("dark", "light") and model.steps == 3
    held = [json.loads(line) for line in Path("runs/photos/manifest.jsonl").read_text().splitlines()][1:]
    assert len({entry["path"] for entry in held}) == len(held) == 40
    capfd.readouterr()
    for source in (["runs/photos"], ["--dataset", "imagefolder", "--data", str(pictures)]):  # one split, found twice
        assert run(["eval", "--model", str(folder), *source]) == 0
        found = json.loads(capfd.readouterr().out)
        assert found["top1"] == model.card.results["test"]["top1"]
    one = next((pictures / "dark").glob("*.png"))
    assert run(["infer", str(one), "--model", str(folder), "--jsonl", "--confidence", "0.01"]) == 0
    early = json.loads(capfd.readouterr().out)
    assert run(["infer", str(one), "--model", str(folder), "--jsonl"]) == 0
    late = json.loads(capfd.readouterr().out)
    assert (early["exit_step"], late["exit_step"]) == (1, 3) and early["gmacs"] < late["gmacs"]
    assert run([*train, "--resume"]) == 0  # the run's own split, and the same config


def test_exits_are_calibrated_on_pictures(pictures: Path) -> None:
    for split in ("train", "val", "calibration"):
        shutil.copytree(pictures, Path("parted") / split)
    args = ["--dataset", "imagefolder", "--data", "parted"]
    assert run(["train", *args, "--config", "small.yaml"]) == 0
    assert run(["calibrate", "runs/parted/model", *args, "--budget", "0.003"]) == 0
    rule = load("runs/parted/model").card.rule
    assert len(rule.thresholds) == 3 and min(rule.thresholds[:-1]) <= 1  # some exits are taken


def test_image_mode_learns_several_sides_and_each_is_measured(
    pictures: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """GFNet's own setting from its YAML to exits that are calibrated for a side."""
    policy = STAGES[1] | {"tracks": 1, "learner": "ppo", "reward": "contrastive"}
    model = SMALL["model"] | {"policy_sees": "latest", "policy": "gfnet_conv", "aggregator": "gru_steps"}
    model |= {"aggregator_hidden": 16, "policy_hidden": 16, "patch_sides": [24, 32]}
    stages = [STAGES[0], policy, STAGES[2]]
    Path("image.yaml").write_text(
        yaml.safe_dump(SMALL | {"model": model, "train": {"initial": "none", "stages": stages}})
    )
    for split in ("train", "val", "calibration"):
        shutil.copytree(pictures, Path("parted") / split)
    args = ["--dataset", "imagefolder", "--data", "parted"]
    assert run(["train", *args, "--config", "image.yaml", "--dry-run"]) == 0
    assert "at 24 or 32 of 48" in capfd.readouterr().out
    assert run(["train", *args, "--config", "image.yaml"]) == 0
    folder, found = "runs/parted/model", {}
    for side in (24, 32):
        capfd.readouterr()
        assert run(["eval", "--model", folder, *args, "--split", "dev", "--no-exit", "--patch-side", str(side)]) == 0
        found[side] = json.loads(capfd.readouterr().out)
    assert found[24]["gmacs"] < found[32]["gmacs"] and found[24]["patch_side"] == 24 and found[24]["steps"] == 3
    assert found[32]["top1"] == load(folder).card.results["dev"]["top1"]
    assert run(["calibrate", folder, *args, "--budget", "0.002", "--patch-side", "24"]) == 0
    held = load(folder).card.valid_for
    assert held["patch_side"] == 24
    capfd.readouterr()
    one = str(next((pictures / "dark").glob("*.png")))
    assert run(["infer", one, "--model", folder, "--jsonl"]) == 0
    (said,) = json.loads(capfd.readouterr().out)["warnings"]
    assert said == "thresholds were found for patch_side 24, used with 32"


def test_folders_of_numbered_pictures_below_train_are_classes(pictures: Path) -> None:
    """Without the name of the data set, each folder of them would be one clip of frames."""
    for split in ("train", "val"):
        shutil.copytree(pictures, Path("parted") / split)
    opened = open_own(Path("parted"), pictures=True)
    assert {s: len(opened.manifest(s)) for s in opened.splits} == {"train": 40, "dev": 40}
    assert opened.manifest("train").classes == ("dark", "light") and not opened.manifest("train").template


def test_the_shipped_config_is_fitted(pictures: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "--dataset", "imagefolder", "--data", str(pictures), "--print-config"]) == 0
    Path("printed.yaml").write_text(capfd.readouterr().out)
    printed = load_config(Path("printed.yaml"))
    assert (printed.name, printed.model.classes, printed.train.cache) == ("photos", 2, True)
    assert printed.model.steps == load_config(config_path(IMAGE_CONFIG)).model.steps == 4
    own = {"policy_sees": "latest", "policy": "gfnet_conv", "aggregator": "gru_steps", "patch_sides": "[64, 96]"}
    asked = [word for key, value in own.items() for word in ("--set", f"model.{key}={value}")]  # README.md
    assert run(["train", "--dataset", "imagefolder", "--data", str(pictures), "--print-config", *asked]) == 0
    Path("printed.yaml").write_text(capfd.readouterr().out)
    printed = load_config(Path("printed.yaml"))
    assert printed.model.image and printed.model.sides == (64, 96)


def test_a_bad_picture_is_named_before_training(pictures: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (pictures / "dark" / "00001.jpg").write_bytes(b"\xff\xd8\xff")
    dry = ["train", "--dataset", "imagefolder", "--data", str(pictures), "--config", "small.yaml", "--dry-run"]
    assert run(dry) == 1
    assert "00001.jpg" in capfd.readouterr().out


def test_what_is_no_folder_of_pictures_is_said(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"pictures lie directly in it; expected a sub-folder of pictures for each"):
        open_own(pictures / "dark", pictures=True)
    (tmp_path / "clips" / "clap").mkdir(parents=True)
    (tmp_path / "clips" / "clap" / "1.mp4").write_bytes(b"")
    with pytest.raises(
        DataError, match=r"no picture below its 1 sub-folders; expected CLASS/picture\.jpg or train/CLASS"
    ):
        open_own(tmp_path / "clips", pictures=True)
    with pytest.raises(DataError, match=r"no clip below its 2 sub-folders.*of pictures: train --dataset imagefolder"):
        open_own(pictures)
