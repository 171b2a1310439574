"""`infer --rows`: nothing is done twice, nothing is lost, and rows of different kinds are never mixed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch

from gfnet_video.checkpoint import load
from gfnet_video.cli.main import run
from gfnet_video.engines.torch_engine import TorchEngine
from gfnet_video.errors import ConfigError
from gfnet_video.inference import runner
from gfnet_video.inference.row_file import how_of, open_rows, part_of
from tests.clips import encode

Infer = Callable[..., tuple[int, str]]


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Four whole clips and an empty file, the third by name."""
    folder = tmp_path / "clips"
    folder.mkdir()
    for n in (0, 1, 3, 4):
        encode(folder / f"{n}.mp4", 10 + n)
    (folder / "2.mp4").write_bytes(b"")
    return folder


@pytest.fixture
def infer(checkpoint: Path, clips: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Infer:
    """Recognise the clips into rows.jsonl; gives the exit code and stderr."""

    def call(*args: object, rows: str = "rows.jsonl", model: Path = checkpoint) -> tuple[int, str]:
        code = run(["infer", str(clips), "--model", str(model), "--rows", str(tmp_path / rows), *map(str, args)])
        out, err = capfd.readouterr()
        assert not out
        return code, err

    return call


def rows_in(path: Path) -> list[dict[str, Any]]:
    return [{**json.loads(line), "seconds": 0} for line in path.read_text().splitlines()]


def test_a_run_that_was_killed_goes_on_where_it_was(
    infer: Infer, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted at the fourth file, and the third's row cut short as by a kill: the rows of one whole run."""
    code, err = infer(rows="whole.jsonl")
    assert code == 1 and "whole.jsonl: 5 rows added, 5 in all, of which 1 failed" in err
    looked = runner.rule_of

    def killed(rule: Any, options: Any) -> Any:
        seen.append(rule)
        if len(seen) == 4:  # one is of the whole run
            raise KeyboardInterrupt
        return looked(rule, options)

    seen: list[Any] = []
    with monkeypatch.context() as patch:
        patch.setattr(runner, "rule_of", killed)
        code, err = infer("--jobs", 1)
    rows = tmp_path / "rows.jsonl"
    assert code == 130 and "rows.jsonl: 3 rows added, 3 in all" in err
    rows.write_bytes(rows.read_bytes()[:-9])
    assert len(rows_in(tmp_path / "whole.jsonl")) == 5
    code, err = infer()
    assert code == 1 and "rows.jsonl: 3 rows added, 5 in all, of which 1 failed" in err
    assert rows_in(rows) == rows_in(tmp_path / "whole.jsonl")
    before = rows.read_bytes()
    assert infer("--jobs", 2) == (1, infer()[1]) and rows.read_bytes() == before  # the one that failed is told again


def test_parts_are_the_whole(infer: Infer, clips: Path, tmp_path: Path) -> None:
    infer(rows="whole.jsonl")
    parts = []
    for n in (1, 2):
        infer("--part", f"{n}/2", "--jobs", 2, rows=f"{n}.jsonl")
        parts += rows_in(tmp_path / f"{n}.jsonl")
    assert [Path(r["path"]).name for r in parts] == ["0.mp4", "2.mp4", "4.mp4", "1.mp4", "3.mp4"]
    whole = {r["path"]: r.get("label") for r in rows_in(tmp_path / "whole.jsonl")}
    assert {r["path"]: r.get("label") for r in parts} == whole
    for count in range(1, 9):
        found = [part_of(range(7), n, count) for n in range(1, count + 1)]
        assert sorted(chain(*found)) == list(range(7)) and max(map(len, found)) - min(map(len, found)) <= 1


def test_rows_that_were_made_otherwise_are_not_mixed(infer: Infer, checkpoint: Path, tmp_path: Path) -> None:
    infer("--part", "1/5")
    rows = tmp_path / "rows.jsonl"
    before = rows.read_bytes()
    other = Path(shutil.copytree(checkpoint, tmp_path / "other"))
    model = load(other)
    with torch.no_grad():
        next(p for p in model.focus_net.parameters()).mul_(1.5)  # type: ignore[union-attr]
    model.save_pretrained(other)
    for args, how, words in (
        (("--confidence", 0.5), {}, "made otherwise (thresholds ["),
        (("--chunk", 2), {}, "made otherwise (chunk None, now 2)"),
        ((), {"model": other}, "made otherwise (model's weights)"),
    ):
        code, err = infer(*args, **how)
        assert code == 2 and words in err and "name a new file" in err
    rows.with_name("rows.jsonl.how").unlink()
    assert infer()[0] == 2 and rows.read_bytes() == before
    rows.write_text('{"label": 3}\n')
    code, err = infer()
    assert code == 4 and "rows.jsonl: line 1 is no row of infer" in err


def test_two_runs_do_not_add_to_one_file(checkpoint: Path, tmp_path: Path) -> None:
    how = how_of(TorchEngine(load(checkpoint)), runner.Options())
    with (
        open_rows(tmp_path / "new" / "rows.jsonl", how),
        pytest.raises(ConfigError, match="another run is adding rows to it"),
        open_rows(tmp_path / "new" / "rows.jsonl", how),
    ):
        pass


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--part", "0/3"), "'0/3' is no part"),
        (("--part", "4/3"), "'4/3' is no part"),
        (("--part", "third"), "'third' is no part; expected I/N"),
        (("--jsonl",), "--jsonl and --rows exclude each other"),
        (("--picture", "a.png"), "they exclude each other"),
    ],
)
def test_what_cannot_be_meant(infer: Infer, tmp_path: Path, args: tuple[str, ...], words: str) -> None:
    code, err = infer(*args)
    assert code == 2 and words in err and not (tmp_path / "rows.jsonl").exists()
