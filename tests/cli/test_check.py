"""`gfnet-video check` as people and programs use it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from gfnet_video.cli.main import run
from gfnet_video.datasets.manifest_file import Entry, Head, write_entries
from gfnet_video.datasets.quarantine import NAME, read_quarantine
from tests.clips import cut, encode

Check = Callable[..., tuple[int, str, str]]


@pytest.fixture
def check(capfd: pytest.CaptureFixture[str]) -> Check:
    """Run the verb; gives exit code, stdout and stderr."""

    def call(*args: object) -> tuple[int, str, str]:
        code = run(["check", *map(str, args)])
        return code, *capfd.readouterr()

    return call


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A good clip and one that is cut."""
    root = tmp_path / "data"
    (root / "deep").mkdir(parents=True)
    encode(root / "a.mp4", 12)
    cut(encode(tmp_path / "whole.webm", 40, "vp9_webm"), 0.6, root / "deep" / "[b].webm")
    return root


def test_a_table_for_people_and_the_list_for_training(check: Check, folder: Path) -> None:
    code, out, err = check(folder, "--quarantine", "--workers", 1)
    assert code == 1 and err.count("\n") == 2 and "2 videos: 1 ok, 1 truncated" in err
    assert "a.mp4" in out and "[b].webm" in out and "truncated" in out and "64x64" in out
    held = read_quarantine(folder)
    assert list(held) == ["deep/[b].webm"] and held["deep/[b].webm"].startswith("ends ")
    encode(folder / "deep" / "[b].webm", 40, "vp9_webm")
    code, out, err = check(folder, "--quarantine", "--workers", 1)
    assert code == 0 and read_quarantine(folder) == {} and (folder / NAME).is_file()


def test_json_and_jsonl_hold_the_same(check: Check, folder: Path) -> None:
    code, out, _ = check(folder, "--json", "--workers", 2)
    rows = json.loads(out)
    assert code == 1 and [(r["status"], r["kind"]) for r in rows] == [("ok", ""), ("bad", "truncated")]
    assert (rows[0]["frames"], rows[0]["fps"], rows[0]["duration"], rows[0]["width"]) == (12, 25.0, 0.48, 64)
    (folder / "cover.jpg").touch()
    _, out, err = check(folder, "--jsonl")
    assert [json.loads(line) for line in out.splitlines()] == rows and f"note: {folder}: pictures passed over" in err


def test_a_prepared_data_set_is_checked_by_its_manifest(check: Check, folder: Path) -> None:
    clip = Entry("0", "a.mp4", 0, "train")
    gone = Entry("2", "gone.mp4", 0, "train", status="missing", reason="no such file")
    write_entries(folder, Head("own", ("x",)), [clip, Entry("1", "a.mp4", 0, "test", span=(0.0, 0.2)), gone])
    code, out, _ = check(folder, "--jsonl", "--workers", 1)
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 1
    assert [(r["path"], r["status"]) for r in rows] == [
        (str(folder / "a.mp4"), "ok"),
        (str(folder / "gone.mp4"), "missing"),
    ]


def test_folders_of_frames_are_clips(check: Check, tmp_path: Path) -> None:
    """Numbered from 1 or 0, JPEG or PNG: what `train` and `infer` take."""
    root = tmp_path / "ff"
    for name in ("clap/001/00001.jpg", "clap/001/00002.jpg", "wave/001/f_0.png", "wave/001/f_1.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (16, 8)).save(root / name)
    code, out, err = check(root, "--quarantine", "--jsonl", "--workers", 1)
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and read_quarantine(root) == {} and "2 videos: 2 ok" in err
    assert [r["path"] for r in rows] == [str(root / "clap" / "001"), str(root / "wave" / "001")]
    assert [(r["frames"], r["width"], r["height"]) for r in rows] == [(2, 16, 8)] * 2


def test_limits_are_options(check: Check, folder: Path) -> None:
    code, out, _ = check(folder / "a.mp4", "--jsonl", "--limit-pixels", 64 * 64 - 1, "--min-frames", 2)
    assert code == 1 and json.loads(out)["kind"] == "too_big"
    code, out, _ = check(folder / "a.mp4", "--jsonl", "--min-frames", 13)
    assert code == 1 and json.loads(out)["reason"] == "has 12 frames; at least 13 are needed"


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("a.mp4", "--quarantine"), 2, "name that folder alone"),
        (("--json", "--jsonl", "a.mp4"), 2, "exclude each other"),
        (("a.mp4", "--limit-seconds", "0"), 2, "the limit of seconds is 0.0"),
        (("deep/none",), 4, "no videos or pictures in this folder"),
    ],
)
def test_what_makes_no_sense_is_said_before_any_work(
    check: Check, folder: Path, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...], code: int, words: str
) -> None:
    (folder / "deep" / "none").mkdir()
    monkeypatch.chdir(folder)
    found, out, err = check(*args)
    assert (found, out) == (code, "") and words in err
