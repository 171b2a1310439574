"""gfnet-video convert: the verb from end to end, and what class names it writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from gfnet_video.checkpoint import load
from gfnet_video.cli.main import run
from tests.published import forms

NAMES = [f"Name {i}, or so" for i in range(27)]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The mobile network of 27 classes, as it is published."""
    return forms.tsm(tmp_path_factory.mktemp("published") / "ckpt.best.pth.tar", "pub_tsm_mobilenetv2_8")


def converted(file: Path, folder: Path, *options: str) -> tuple[str, ...]:
    """The class names of the model that the verb writes."""
    assert run(["convert", str(file), str(folder), *options]) == 0
    return load(folder, verify=True).card.classes


def test_names_are_as_told_and_never_guessed(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert converted(file, tmp_path / "a")[26] == "class_026"
    captured = capsys.readouterr()
    assert json.loads(captured.out)["class_names"] == "unknown" and "class names are unknown" in captured.err
    (tmp_path / "names.txt").write_text("\n".join(NAMES))
    assert converted(file, tmp_path / "b", "--classes", str(tmp_path / "names.txt")) == tuple(NAMES)


def test_a_data_sets_names_are_in_the_order_of_tsms_tools(file: Path, tmp_path: Path) -> None:
    """Jester's own file is not sorted; TSM's tools sort it."""
    (tmp_path / "jester" / "labels").mkdir(parents=True)
    (tmp_path / "jester" / "labels" / "labels.csv").write_text("\n".join(NAMES[::-1]) + "\n")
    names = converted(file, tmp_path / "a", "--dataset", "jester", "--data", str(tmp_path / "jester"))
    assert names == tuple(sorted(NAMES))


def test_what_does_not_go_together_is_refused(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], checkpoint: Path
) -> None:
    (tmp_path / "names.txt").write_text("one\ntwo\n")
    target = str(tmp_path / "model")
    assert run(["convert", str(file), target, "--classes", str(tmp_path / "names.txt")]) == 2
    assert "2 class names (from names.txt), but the file's model tells 27 classes apart" in capsys.readouterr().err
    assert run(["convert", str(file), target, "--dataset", "jester", "--data", str(tmp_path)]) == 4
    assert "gfnet-video prepare jester" in capsys.readouterr().err
    assert run(["convert", str(file), str(checkpoint)]) == 2
    assert "holds a checkpoint already" in capsys.readouterr().err
    torch.save({"x": Path("a")}, tmp_path / "bad.pth")
    assert run(["convert", str(tmp_path / "bad.pth"), target]) == 4
    assert "refused, nothing in it was executed: Unsupported global: GLOBAL pathlib" in capsys.readouterr().err
    assert not Path(target).exists()
