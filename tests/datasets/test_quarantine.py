"""What was found bad stays out of training, by name, and comes back when it is good."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from gfnet_video.datasets.manifest import Manifest
from gfnet_video.datasets.quarantine import NAME, read_quarantine, without_quarantined, write_quarantine
from gfnet_video.errors import DataError
from gfnet_video.video.probe import Verdict

ODD = ["a.mp4", "deep/new\nline.mp4", 'deep/"q" é.mp4', os.fsdecode(b"bad\xff.mp4")]


def manifest(root: Path, files: list[str], template: str = "") -> Manifest:
    labels = [n % 2 for n in range(len(files))]
    ids = [str(n) for n in range(len(files))]
    return Manifest.of("train", ("a", "b"), root, ids, files, labels, template=template, further=[(1, 0), (2, 1)])


def bad(root: Path, names: list[str]) -> list[Verdict]:
    return [Verdict(str(root / n), "bad", f"reason {i}", "truncated") for i, n in enumerate(names)]


def test_the_list_is_written_whole_and_read_back(tmp_path: Path) -> None:
    verdicts = [
        *bad(tmp_path, ODD),
        Verdict(str(tmp_path / "ok.mp4"), "ok"),
        Verdict("gone", "missing", "no such file"),
    ]
    verdicts[-1] = Verdict(str(tmp_path / "gone.mp4"), "missing", "no such file", "missing")
    assert write_quarantine(tmp_path, verdicts) == tmp_path / NAME
    expected = {name: f"reason {i}" for i, name in enumerate(ODD)} | {"gone.mp4": "no such file"}
    assert read_quarantine(tmp_path) == expected and os.listdir(tmp_path) == [NAME]
    write_quarantine(tmp_path, bad(tmp_path, ["b.mp4"]))
    assert read_quarantine(tmp_path) == {"b.mp4": "reason 0"}


def test_a_failed_write_leaves_the_old_list(tmp_path: Path) -> None:
    write_quarantine(tmp_path, bad(tmp_path, ["a.mp4"]))
    with pytest.raises(DataError, match=r"other\.mp4: does not lie below"):
        write_quarantine(tmp_path, [*bad(tmp_path, ["b.mp4"]), *bad(tmp_path.parent, ["other.mp4"])])
    assert read_quarantine(tmp_path) == {"a.mp4": "reason 0"} and os.listdir(tmp_path) == [NAME]


def test_clips_on_the_list_are_left_out_and_named(tmp_path: Path) -> None:
    files = ["v/0.mp4", *ODD, "v/0.mp4"]  # two clips of one video
    whole = manifest(tmp_path, files)
    assert without_quarantined(whole, tmp_path) == (whole, [])
    write_quarantine(tmp_path, bad(tmp_path, ["v/0.mp4", ODD[1], "elsewhere.mp4"]))
    kept, lost = without_quarantined(whole, tmp_path)
    assert [kept.id(i) for i in range(len(kept))] == ["1", "3", "4"]
    assert kept.labels.tolist() == [1, 1, 0] and kept.further.tolist() == [[0, 0]]
    assert lost == ["v/0.mp4: reason 0", "deep/new\\nline.mp4: reason 1"]
    write_quarantine(tmp_path, bad(tmp_path, ["elsewhere.mp4"]))
    assert without_quarantined(whole, tmp_path)[0] is whole


def test_the_root_may_be_named_in_other_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    write_quarantine(Path("data"), bad(Path("data"), ["f/1"]))
    kept, lost = without_quarantined(
        manifest(tmp_path / "data", ["f/0", "f/1", "f/2"], "%05d.jpg"), Path("data/../data")
    )
    assert np.array_equal(kept.ids, [b"0", b"2"]) and lost == ["f/1: reason 0"]


def test_nothing_left_is_an_error(tmp_path: Path) -> None:
    write_quarantine(tmp_path, bad(tmp_path, ["0", "1", "2"]))
    with pytest.raises(DataError, match="names all 3 clips of split 'train'"):
        without_quarantined(manifest(tmp_path, ["0", "1", "2"]), tmp_path)


@pytest.mark.parametrize("line", ["no json", "[]", '{"path": "a"}', '{"path": 1, "kind": "", "reason": ""}'])
def test_a_broken_list_is_named_with_its_line(tmp_path: Path, line: str) -> None:
    write_quarantine(tmp_path, bad(tmp_path, ["a.mp4"]))
    with (tmp_path / NAME).open("a") as file:
        file.write(line + "\n")
    with pytest.raises(DataError, match=r"quarantine\.jsonl: line 2 is no row"):
        read_quarantine(tmp_path)
