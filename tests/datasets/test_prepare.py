"""From a download in its publisher's form to a manifest: whole, resumed, mended, and accounted for to the last clip."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gfnet_video.datasets.account import Account
from gfnet_video.datasets.annotations import read_manifest, splits_of
from gfnet_video.datasets.catalog import dataset
from gfnet_video.datasets.journal import Journal, locked
from gfnet_video.datasets.manifest_file import Entry, Head, read_entries
from gfnet_video.datasets.prepare import Options, prepare
from gfnet_video.errors import ConfigError, DataError
from tests import official, trees
from tests.killed import SHARES

ROOT = Path(__file__).parents[2]
OPTIONS = Options(SHARES, workers=1)
DOWNLOADS = ("sthv2", "sthv1", "jester", "activitynet")


@pytest.fixture(scope="session")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four downloads, which tests leave as they are."""
    folder, clips = tmp_path_factory.mktemp("downloads"), tmp_path_factory.mktemp("clips")
    official.sthv2(folder / "sthv2", clips)
    official.sthv1(folder / "sthv1")
    official.jester(folder / "jester")
    official.activitynet(folder / "activitynet", clips)
    return folder


@pytest.fixture(scope="session")
def prepared(downloads: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Account]]:
    """Each download, prepared once."""
    root = tmp_path_factory.mktemp("prepared")
    return {n: (root / n, prepare(dataset(n), downloads / n, root / n, OPTIONS)) for n in DOWNLOADS}


def entries_of(root: Path) -> tuple[Head, dict[str, Entry]]:
    head, entries = read_entries(root)
    return head, {entry.id: entry for entry in entries}


@pytest.mark.parametrize("name", ["sthv2", "sthv1", "jester"])
def test_one_damaged_and_one_missing_clip_are_all_that_fails(
    name: str, prepared: dict[str, tuple[Path, Account]]
) -> None:
    _, account = prepared[name]
    assert not account.complete and not [d for archive in account.archives for d in archive.damage]
    assert [(f.id, f.status) for f in account.failed] == [(official.DAMAGED, "bad"), (official.MISSING, "missing")]
    assert all(f.reason for f in account.failed)
    train, validation = account.lists["train"], account.lists["validation"]
    assert (train.listed, train.found, train.bad, train.missing) == (12, 10, 1, 1)
    assert (validation.listed, validation.found) == (4, 4)
    assert train.expected == dataset(name).counts["train"]
    assert any("the list train holds 12" in note for note in account.notes)


@pytest.mark.parametrize("name", ["sthv2", "sthv1", "jester"])
def test_splits_are_carved_out_of_train_and_the_validation_is_the_test(
    name: str, prepared: dict[str, tuple[Path, Account]]
) -> None:
    root, _ = prepared[name]
    _, entries = entries_of(root)
    assert list(entries) == [c for held in official.ids().values() for c in held]  # the order of the lists
    assert {i for i, e in entries.items() if e.split == "test"} == set(official.ids()["validation"])
    # Two clips a class, as in the small sthv1 here, reach for train and dev only.
    assert {e.split for e in entries.values()} == {"train", "dev", "calibration", "test"} - (
        {"calibration"} if name == "sthv1" else set()
    )


def test_frames_are_counted_as_the_data_set_says(prepared: dict[str, tuple[Path, Account]]) -> None:
    for name in ("sthv1", "jester"):
        head, entries = entries_of(prepared[name][0])
        good = [e for e in entries.values() if e.status == "ok"]
        assert head.template == "%05d.jpg"
        assert [(e.frames, e.fps, e.duration) for e in good] == [
            (official.frames_of(e.id), 12.0, round(official.frames_of(e.id) / 12, 4)) for e in good
        ]
    _, entries = entries_of(prepared["sthv2"][0])
    held = [c for clips in official.ids().values() for c in clips]
    assert all(entries[c].frames == 10 + n % 3 for n, c in enumerate(held) if entries[c].status == "ok")


def test_a_prepared_split_is_read_without_what_is_bad_in_train(prepared: dict[str, tuple[Path, Account]]) -> None:
    root, _ = prepared["sthv2"]
    _, entries = entries_of(root)
    assert splits_of(dataset("sthv2"), root.parent) == ("train", "dev", "test")
    for split in splits_of(dataset("sthv2"), root):
        found = read_manifest(dataset("sthv2"), root, split, trees.CLASSES)
        mine = [i for i, e in entries.items() if e.split == split and (split != "train" or e.status == "ok")]
        assert [found.id(i) for i in range(len(found))] == mine
        assert all(found.path(i).is_file() or entries[found.id(i)].status == "missing" for i in range(len(found)))
    with pytest.raises(ConfigError, match="did you mean 'test'"):
        read_manifest(dataset("sthv2"), root, "tset")
    with pytest.raises(DataError, match="holds sthv2; expected jester"):
        read_manifest(dataset("jester"), root, "test")
    with pytest.raises(DataError, match="are not the model's"):
        read_manifest(dataset("sthv2"), root, "test", ("a", "b"))


def test_activitynet_videos_and_segments_that_are_not_there_are_an_account(
    prepared: dict[str, tuple[Path, Account]],
) -> None:
    root, account = prepared["activitynet"]
    _, entries = entries_of(root)
    assert {f.id: f.status for f in account.failed} == {"v5aaaaaaaaa.1": "bad", "v6aaaaaaaaa.0": "missing"}
    assert "begins at 90 s, but the video ends at 1 s" in account.failed[0].reason
    assert (account.lists["train"].listed, account.lists["train"].clips) == (6, 8)
    assert entries["v1aaaaaaaaa.0"].span == (0.0, 0.4) and entries["v1aaaaaaaaa.1"].span == (0.5, 0.9)
    assert entries["v1aaaaaaaaa.0"].split == entries["v1aaaaaaaaa.1"].split  # one video, one split
    assert entries["v7aaaaaaaaa"].further == (1,) and entries["v7aaaaaaaaa"].span is None
    assert entries["-3aaaaaaaaa.0"].status == "ok"
    assert read_manifest(dataset("activitynet"), root, "test").further.tolist() == [[0, 1]]


@pytest.mark.parametrize("name", DOWNLOADS)
def test_a_second_run_examines_nothing_and_changes_nothing(
    name: str, downloads: Path, prepared: dict[str, tuple[Path, Account]]
) -> None:
    root, account = prepared[name]
    before, calls = contents(root), []
    again = prepare(dataset(name), downloads / name, root, OPTIONS, lambda *call: calls.append(call))
    assert again == account and contents(root) == before
    assert [stage for stage, _, _ in calls] == ["examine"] and calls[0][1] == calls[0][2]


def test_a_mended_download_is_read_anew_and_keeps_its_splits(
    downloads: Path, prepared: dict[str, tuple[Path, Account]], tmp_path: Path
) -> None:
    root = Path(shutil.copytree(prepared["sthv2"][0], tmp_path / "root"))
    _, before = entries_of(root)
    for clip in (official.DAMAGED, official.MISSING):
        good = root / trees.FOLDER / "100.webm"
        shutil.copyfile(good, root / trees.FOLDER / f"{clip}.webm")
    account = prepare(dataset("sthv2"), root, root, OPTIONS)  # in place
    _, after = entries_of(root)
    assert account.complete and {i: e.split for i, e in after.items()} == {i: e.split for i, e in before.items()}


def contents(root: Path) -> dict[str, bytes]:
    """Every file of a root, but for the journals."""
    files = (p for p in sorted(root.rglob("*")) if p.is_file() and ".prepare" not in p.parts)
    return {str(p.relative_to(root)): p.read_bytes() for p in files}


@pytest.mark.parametrize("name", ["sthv2", "jester"])
def test_killed_anywhere_and_run_again_the_result_is_the_same(name: str, downloads: Path, tmp_path: Path) -> None:
    def run(root: Path, *calls: int) -> int:
        command = [sys.executable, "-m", "tests.killed", name, str(downloads / name), str(root), *map(str, calls)]
        return int(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)

    whole = run(tmp_path / "whole")
    points = sorted(random.Random(0).sample(range(2, whole), 3))
    # Later runs skip what earlier ones finished, so that later points come early in what is left.
    assert run(tmp_path / "killed", points[0], points[1], points[2] // 4 + 1) <= whole
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    assert not (tmp_path / "killed" / ".prepare" / "work").exists()


def test_unpacked_clips_are_linked_and_the_source_stays(
    downloads: Path, prepared: dict[str, tuple[Path, Account]], tmp_path: Path
) -> None:
    for name in ("sthv2", "jester"):
        unpacked, root = tmp_path / f"{name}-src", tmp_path / f"{name}-dst"
        shutil.copytree(prepared[name][0], unpacked / "deep", ignore=shutil.ignore_patterns(".prepare"))
        (unpacked / "deep" / "manifest.jsonl").unlink()
        before = contents(unpacked)
        prepare(dataset(name), unpacked, root, OPTIONS)
        assert contents(unpacked) == before
        assert (root / "manifest.jsonl").read_bytes() == (prepared[name][0] / "manifest.jsonl").read_bytes()
        folder = dataset(name).folder
        some = next(p for p in (root / folder).rglob("*") if p.is_file())
        assert some.stat().st_ino == (unpacked / "deep" / some.relative_to(root)).stat().st_ino


def test_damage_in_an_archive_is_noted_and_its_torn_folder_is_bad(downloads: Path, tmp_path: Path) -> None:
    source = Path(shutil.copytree(downloads / "sthv1", tmp_path / "source"))
    (source / "20bn-something-something-v1-02").unlink()
    account = prepare(dataset("sthv1"), source, tmp_path / "root", OPTIONS)
    assert any("20bn-something-something-v1: " in note for note in account.notes)
    (torn,) = account.archives[0].torn
    reasons = {f.id: f.reason for f in account.failed}
    assert "its archive is damaged there" in reasons[Path(torn).name]
    assert sum(c.found + c.bad + c.missing for c in account.lists.values()) == 16


@pytest.mark.parametrize("name", ["mini", "mini-image", "folder"])
def test_what_is_no_download_says_what_to_run(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"make_mini\.py|train YOUR_FOLDER"):
        prepare(dataset(name), tmp_path, tmp_path / "root")


def test_nothing_to_prepare_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        prepare(dataset("jester"), tmp_path / "nowhere", tmp_path / "root")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"found no labels\.csv"):
        prepare(dataset("jester"), tmp_path / "empty", tmp_path / "root")
    with pytest.raises(ConfigError, match="less than 1 together"):
        official.csv(tmp_path / "csv", "{}.csv", official.JESTER_CLASSES)
        prepare(dataset("jester"), tmp_path / "csv", tmp_path / "root", Options({"dev": 0.5, "calibration": 0.5}))


def test_two_at_once_are_refused(tmp_path: Path) -> None:
    with locked(tmp_path / ".prepare" / "lock"), pytest.raises(DataError, match="another prepare is at work"):
        prepare(dataset("jester"), tmp_path, tmp_path)


def test_a_journal_survives_a_torn_line(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    journal.add("a", 1)
    journal.add("b", 2)
    journal.close()
    text = (tmp_path / "journal").read_text()
    (tmp_path / "journal").write_text(text[:-3])
    again = Journal(tmp_path / "journal")
    assert again.get("a") == 1 and again.get("b") is None
    again.add("c", 3)
    again.close()
    assert dict(Journal(tmp_path / "journal").items()) == {"a": 1, "c": 3}


def test_the_account_on_disk_is_the_one_that_was_given(prepared: dict[str, tuple[Path, Account]]) -> None:
    root, account = prepared["jester"]
    held = json.loads((root / "account.json").read_text())
    assert held["splits"] == account.splits and len(held["failed"]) == len(account.failed) == 2
