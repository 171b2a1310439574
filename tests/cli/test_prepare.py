"""gfnet-video prepare: exit codes, the account on stdout, all else on stderr."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gfnet_video.cli.main import run
from tests import official


def test_account_in_json_and_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, root = official.jester(tmp_path / "src"), tmp_path / "dst"
    command = ["prepare", "jester", str(source), str(root), "--workers", "1", "--json"]
    assert run(command) == 1  # one bad, one missing
    captured = capsys.readouterr()
    account = json.loads(captured.out)
    assert account == json.loads((root / "account.json").read_text())
    assert [f["id"] for f in account["failed"]] == [official.DAMAGED, official.MISSING]
    assert "published 118,562, listed 12, clips 12: 10 found, 1 bad, 1 missing" in captured.err
    assert f"missing: {official.MISSING} (train): no such file" in captured.err
    good = root / "20bn-jester-v1" / "104"
    for clip in (official.DAMAGED, official.MISSING):
        folder = root / "20bn-jester-v1" / clip
        folder.mkdir(exist_ok=True)
        for file in [*folder.iterdir()]:
            file.unlink()
        for file in good.iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
    assert run(command[:-1]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["jestr", ".", "dst"], 2, "did you mean 'jester'"),
        (["mini", ".", "dst"], 2, "make_mini.py"),
        (["jester", "nowhere", "dst"], 4, "no such folder"),
        (["jester", ".", "dst"], 4, "found no labels.csv"),
        (["jester", ".", "dst", "--frames", "tsm"], 2, "comes as frames already"),
        (["sthv2", ".", "dst", "--frames", "tms"], 2, "did you mean 'tsm'"),
        (["sthv2", "."], 2, "Missing argument 'DST'"),
    ],
)
def test_wrong_calls_say_why(
    arguments: list[str],
    code: int,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["prepare", *arguments]) == code
    captured = capsys.readouterr()
    assert words in captured.err and captured.out == ""
