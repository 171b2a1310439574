"""The account before a run: every clip counted once, decoded or, where it is a folder of frames, counted."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from gfnet_video.config import Config, StageConfig, TrainConfig
from gfnet_video.datasets.own import open_own
from gfnet_video.training.dry_run import dry_run, examine
from gfnet_video.training.plan import cache_bytes
from tests import models
from tests.clips import encode

STAGE = StageConfig("warm-up", 3, 0.001, patches="random", batch=4)
CONFIG = Config("folder", replace(models.config(), classes=2), TrainConfig((STAGE,)), "own")


def account(path: Path, limit: int | None = None) -> tuple[int, str, int]:
    out, seen = io.StringIO(), list[int]()
    bad = dry_run(open_own(path), CONFIG, Console(file=out, width=120), limit=limit, seen=lambda: seen.append(1))
    return bad, out.getvalue(), len(seen)


def test_folders_of_frames_are_counted(tmp_path: Path) -> None:
    for k in ("clap", "wave"):
        for clip in "abcdefgh":
            (tmp_path / k / clip).mkdir(parents=True)
            for n in range(4 if clip == "a" else 9):
                (tmp_path / k / clip / f"{n:05d}.jpg").touch()
    lines = "".join(f"{k}/{clip} 9 {i}\n" for i, k in enumerate(("clap", "wave")) for clip in "abcdefgh")
    (tmp_path / "train.txt").write_text(lines)
    bad, out, seen = account(tmp_path)
    assert (bad, seen) == (0, 16) and "bad files: 0 of 16" in out
    assert f"2 clips have fewer frames than the {models.FRAMES}" in out
    names = tmp_path / "names.txt"
    names.write_text("clap\nwave\n")
    source = open_own(tmp_path / "train.txt", class_file=names)
    listed = io.StringIO()
    assert dry_run(source, CONFIG, Console(file=listed, width=120)) == 2
    assert "clap/a: holds 4 frames; the list says 9" in listed.getvalue()


def test_steps_are_those_of_the_clips_trained_on(tmp_path: Path) -> None:
    for k in ("clap", "wave"):
        for n in range(10):
            (tmp_path / k / f"take{n}x").mkdir(parents=True)
            for i in range(6):
                (tmp_path / k / f"take{n}x" / f"img_{i:05d}.jpg").touch()
    _, out, _ = account(tmp_path)
    assert "warm-up: 3 epochs of 14 clips in batches of 4: 9 steps" in out
    _, out, seen = account(tmp_path, limit=8)
    assert "3 epochs of 8 clips in batches of 4: 6 steps" in out and seen == 14


def test_a_video_is_decoded_whole_and_its_size_guessed(tmp_path: Path, liar: Path) -> None:
    for k in ("clap", "wave"):
        (tmp_path / k).mkdir()
        for n in "abc":
            encode(tmp_path / k / f"{n}.mp4", 10)
    good, bad = examine([tmp_path / "clap" / "a.mp4", liar])
    assert (good.frames, good.wrong, good.seconds) == (10, "", 0.4)
    assert bad.wrong and bad.path == str(liar)
    manifest = open_own(tmp_path).manifest("train")
    assert cache_bytes(manifest, 32) == len(manifest) * 10 * 32 * 32 * 3
