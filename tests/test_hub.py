"""A checkpoint on its way to the Hub and back, with the Hub's own library and no network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import gfnet_video as gf
from gfnet_video.checkpoint import BUNDLED, Recogniser
from gfnet_video.errors import CheckpointError

NAME = "gfnet_tsm_mobilenetv2.mini"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def model() -> Recogniser:
    return gf.load(NAME)  # type: ignore[no-any-return]


def cached(home: Path, repo: str) -> None:
    """A model as the Hub's library keeps what it has fetched."""
    kept = home / "hub" / ("models--" + repo.replace("/", "--"))
    (kept / "refs").mkdir(parents=True)
    (kept / "refs" / "main").write_text(COMMIT)
    (kept / "snapshots").mkdir()
    os.symlink(BUNDLED / NAME, kept / "snapshots" / COMMIT)


def loaded(home: Path, *names: str) -> list[str]:
    """What `gf.load` says of each name in a process without a network whose Hub folder is `home`."""
    script = (
        "import sys, gfnet_video as gf\n"
        "for name in sys.argv[1:]:\n"
        "    try: print(gf.load(name, verify=True).card.config.name)\n"
        "    except gf.CheckpointError as error: print('refused:', error)"
    )
    offline = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGINGFACE"))}
    offline |= {"HF_HOME": str(home), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", script, *names]
    ran = subprocess.run(command, env=offline, capture_output=True, text=True, timeout=120, check=True)
    return ran.stdout.splitlines()


def test_without_a_network_what_was_fetched_loads_and_all_else_is_told(tmp_path: Path) -> None:
    cached(tmp_path, "org/model")
    absent = "hf-hub:org/absent", "hf-hub:not a name//"
    latest, pinned, *told = loaded(tmp_path, "hf-hub:org/model", f"hf-hub:org/model@{COMMIT}", *absent)
    assert latest == pinned == "gfnet_tsm_mobilenetv2"
    for name, said in zip(absent, told, strict=True):
        assert said.startswith(f"refused: {name}: could not be fetched") and "save_pretrained" in said


def test_a_saved_model_comes_back_the_same_and_introduces_itself(model: Recogniser, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "mine", licence="apache-2.0")
    back = Recogniser.from_pretrained(tmp_path / "mine")
    assert back.card == model.card
    assert all(torch.equal(a, b) for a, b in zip(back.state_dict().values(), model.state_dict().values(), strict=True))
    said = (tmp_path / "mine" / "README.md").read_text()
    assert "license: apache-2.0" in said and "mobilenetv2_100 at 36 pixels" in said and "train clips: 9000" in said
    assert f"dev: top1 {100 * model.card.results['dev']['top1']:.1f} %" in said


def test_what_is_pushed_is_what_is_saved(model: Recogniser, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    sent: dict[str, Any] = {}

    def create(self: Any, repo: str, **how: Any) -> str:
        sent["private"] = how["private"]
        return f"https://huggingface.co/{repo}"

    def upload(self: Any, *, repo_id: str, folder_path: Path, allow_patterns: list[str]) -> None:
        sent["files"] = {p.name for p in Path(folder_path).iterdir()} & set(allow_patterns)
        sent["config"] = json.loads((Path(folder_path) / "config.json").read_text())["config"]["name"]

    monkeypatch.setattr(huggingface_hub.HfApi, "create_repo", create)
    monkeypatch.setattr(huggingface_hub.HfApi, "upload_folder", upload)
    assert model.push_to_hub("org/model", private=True) == "https://huggingface.co/org/model"
    assert sent == {
        "private": True,
        "files": {"README.md", "config.json", "model.safetensors"},
        "config": "gfnet_tsm_mobilenetv2",
    }


def test_models_are_listed_by_pattern() -> None:
    static = ["tsm_mobilenetv2_full.mini", "tsm_mobilenetv2_glance.mini"]
    assert NAME in gf.list_models()
    assert gf.list_models("*mini") == [NAME, "gfnet_tsm_mobilenetv2_glance_first.mini", *static]
    assert gf.list_models("*sthv2*") == []


def test_a_name_that_is_none_is_still_told_what_there_is() -> None:
    with pytest.raises(CheckpointError, match=f"did you mean '{NAME}'"):
        gf.load("gfnet_tsm_mobilenet.mini")
