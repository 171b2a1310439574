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
from PIL import Image

from gfnet_video.checkpoint import load
from gfnet_video.cli.main import run
from gfnet_video.engines.torch_engine import TorchEngine
from gfnet_video.errors import ConfigError
from gfnet_video.inference import runner
from gfnet_video.inference.row_file import how_of, open_rows, part_of
from tests.clips import encode, paint

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
    whole = {r["path"]: r.get("label") for r in rows_in(tmp_path / "whole.jsonl")}
    assert len(parts) == 5 and {r["path"]: r.get("label") for r in parts} == whole
    names = [Path(f"/data/{n}.mp4") for n in range(1000)]
    found = [part_of(names, n, 7) for n in range(1, 8)]
    assert sorted(chain(*found)) == sorted(names) and all(100 < len(part) < 190 for part in found)
    assert part_of([*names[:500], Path("/data/new.mp4"), *names[500:]], 3, 7)[-20:] == found[2][-20:]


def test_an_input_is_done_once_whatever_of_it_is_broken(infer: Infer, clips: Path, tmp_path: Path) -> None:
    """A folder of frames of which one is no picture; and a file that is named twice."""
    frames = clips / "frames"
    frames.mkdir()
    for n in range(1, 7):
        Image.fromarray(paint(n)).save(frames / f"{n:05}.png")
    (frames / "00004.png").write_bytes(b"no picture")
    code, err = infer(clips / "0.mp4")
    rows = {r["path"]: r for r in rows_in(tmp_path / "rows.jsonl")}
    assert code == 1 and "6 rows added, 6 in all, of which 2 failed" in err
    assert rows[str(frames)]["error"].startswith(f"{frames / '00004.png'}: ")
    assert "0 rows added, 6 in all, of which 2 failed" in infer(clips / "0.mp4")[1]


def test_rows_that_were_made_otherwise_are_not_mixed(infer: Infer, checkpoint: Path, tmp_path: Path) -> None:
    infer("--part", "1/5"), infer("--part", "2/5")
    rows = tmp_path / "rows.jsonl"
    before = rows.read_bytes()
    other = Path(shutil.copytree(checkpoint, tmp_path / "other"))
    model = load(other)
    with torch.no_grad():
        next(p for p in model.focus_net.parameters()).mul_(1.5)  # type: ignore[union-attr]
    model.save_pretrained(other)
    for args, how, words in (
        (("--confidence", 0.5), {}, "made otherwise (thresholds ["),
        (("--chunk", 2), {}, "made otherwise (chunk 1, now 2)"),
        ((), {"model": other}, "made otherwise (noise ["),
    ):
        code, err = infer(*args, **how)
        assert code == 2 and words in err and "name a new file" in err
    policy = Path(shutil.copytree(checkpoint, tmp_path / "policy"))
    model = load(policy)
    with torch.no_grad():
        model.policy.heat.weight.mul_(-1)  # type: ignore[union-attr, operator]
    model.save_pretrained(policy)
    code, err = infer(model=policy)
    assert code == 2 and "made otherwise (centres [[" in err and "noise" not in err
    assert infer("--part", "1/5", "--chunk", 1)[0] in (0, 1)  # what it takes by itself
    rows.with_name("rows.jsonl.how").unlink()
    assert infer()[0] == 2 and rows.read_bytes() == before
    for words in ('{"label": 3}\n', '{"a.mp4": 3}', "[", "\n"):  # a file of something else, by mistake
        rows.write_text(words)
        code, err = infer()
        assert code == 4 and "rows.jsonl: line 1 is no row of infer" in err and rows.read_text() == words


def test_names_are_those_of_one_working_folder(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Files of one name in two folders are two inputs."""
    rows = tmp_path / "rows.jsonl"
    for day, code in (("one", 0), ("two", 2)):
        (tmp_path / day).mkdir()
        encode(tmp_path / day / "a.mp4", 12)
        monkeypatch.chdir(tmp_path / day)
        assert run(["infer", "a.mp4", "--model", str(checkpoint), "--rows", str(rows)]) == code
    assert f'folder "{tmp_path / "one"}", now "{tmp_path / "two"}"' in capfd.readouterr().err


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
