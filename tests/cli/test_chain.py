"""Each data set from its official form to a recognised clip, by the commands that a user types."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from gfnet_video.cli.main import run
from gfnet_video.datasets.catalog import dataset
from gfnet_video.datasets.manifest_file import read_entries
from tests import official, trees

CLASSES = {
    "sthv1": len(official.V1_CLASSES),
    "sthv2": len(trees.CLASSES),
    "jester": len(official.JESTER_CLASSES),
    "activitynet": 3,
}


def plant(name: str, folder: Path) -> Path:
    """The download of a data set in its official form."""
    if name == "sthv2":
        return official.sthv2(folder, folder.parent)
    if name == "activitynet":
        return official.activitynet(folder, folder.parent)
    return {"sthv1": official.sthv1, "jester": official.jester}[name](folder)


def small(name: str) -> str:
    """A config that trains in seconds: both-way shift and a shared patch, or causal and one patch a frame."""
    shared = name in ("sthv1", "activitynet")
    kind = {"order": "glance_first", "patch": "shared", "temporal": "both", "focus_frames": 4} if shared else {}
    look = {"backbone": "mobilenetv2_050", "side": 32, "stride": 16}
    model = {"classes": CLASSES[name], "frames": 3, "frame_side": 48, "short_side": 56, "glance": look, "focus": look}
    rows = [
        {"name": "warm-up", "epochs": 1, "lr": 0.001, "patches": "random", "batch": 2, "optimiser": "sgd"},
        {
            "name": "policy",
            "epochs": 1,
            "lr": 0.001,
            "patches": "sampled",
            "batch": 2,
            "train": ["policy"],
            "tracks": 2,
        },
    ]
    train = {"initial": "none", "cache": False, "crops": "multi_scale", "flip": True, "randaugment": "n1m5"}
    return yaml.safe_dump(
        {"name": "small", "dataset": name, "model": model | kind, "train": train | {"stages": rows, "max_bad": 0.5}}
    )


@pytest.mark.parametrize("name", CLASSES)
def test_from_the_download_to_a_recognised_clip(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    source, data, model = plant(name, tmp_path / "src"), tmp_path / "data", tmp_path / "run" / "model"
    (tmp_path / "small.yaml").write_text(small(name))

    def call(*arguments: object) -> tuple[int, str]:
        code = run([str(a) for a in arguments])
        return code, capfd.readouterr().out

    # One clip is damaged and one missing: both are accounted for, and what is whole goes on.
    code, out = call("prepare", name, source, data, "--dev", 0.2, "--calibration", 0.2, "--json")
    account = json.loads(out)
    assert code == 1 and account["failed"]
    failed = {f["id"] for f in account["failed"]}
    code, out = call("check", data, "--json", "--workers", 1)
    assert (code, len(json.loads(out))) == (1, len({e.path for e in read_entries(data)[1]}))

    config = ("--config", tmp_path / "small.yaml", "--run", tmp_path / "run")
    assert call("train", "--dataset", name, "--data", data, *config)[0] == 0
    card = json.loads((model / "config.json").read_text())
    head, entries = read_entries(data)
    assert card["classes"] == list(head.classes) and len(card["classes"]) == CLASSES[name]
    used = [e for e in entries if e.split == "train" and e.status == "ok"]
    assert card["provenance"]["train_clips"] == len(used) and not failed & {e.id for e in used}

    held = [e for e in entries if e.split == "test"]
    code, out = call("eval", "--model", model, "--dataset", name, "--data", data, "--rows", tmp_path / "rows.jsonl")
    assert (json.loads(out)["clips"], code) == (len(held), int(any(e.status != "ok" for e in held)))
    assert len((tmp_path / "rows.jsonl").read_text().splitlines()) == len(held)
    protocol = "centre" if dataset(name).template else "full"
    code, out = call("eval", "--model", model, "--dataset", name, "--data", data, "--protocol", protocol)
    assert json.loads(out)["clips"] == len(held) and 0 <= json.loads(out)["map"] <= 1

    whole = next(e for e in held if e.status == "ok")
    code, out = call("infer", data / whole.path, "--model", model, "--json", "--picture", tmp_path / "looked.png")
    assert code == 0 and json.loads(out)[0]["label"] in head.classes and (tmp_path / "looked.png").is_file()
