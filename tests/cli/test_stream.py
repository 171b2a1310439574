"""`gfnet-video stream` as people and programs use it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gfnet_video.cli.main import run
from tests import trees
from tests.clips import encode


def test_a_line_for_each_event_and_the_rest_beside_it(
    checkpoint: Path, clip: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    args = ["stream", str(clip), "--model", str(checkpoint), "--every", "0.24", "--abstain", "0"]
    assert run([*args, "--jsonl"]) == 0
    out, err = capfd.readouterr()
    label, end = (json.loads(line) for line in out.splitlines())
    assert set(label) == {
        "event", "at", "source", "time", "label", "confidence", "frames", "latency", "dropped"
    }  # fmt: skip
    assert (label["event"], label["source"], label["frames"]) == ("label", str(clip), 6)
    assert label["label"] in trees.CLASSES and 0 < label["confidence"] <= 1 and label["latency"] > 0
    assert (end["event"], end["frames"], end["dropped"], end["gaps"]) == ("end", 6, 0, 0)
    assert "knows only 5 classes" in err
    assert run(args) == 0
    out, err = capfd.readouterr()
    assert out.count("\n") == 1 and out.startswith(f"{clip}: 1.3 s: {label['label']} (")
    assert "ended after 6 frames looked at, 0 dropped, 0 gaps" in err


def test_a_broken_source_fails_and_the_others_go_on(
    checkpoint: Path, clip: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_text("no video" * 100)
    assert run(["stream", str(bad), str(clip), "--model", str(checkpoint), "--every", "0.24", "--jsonl"]) == 1
    out, err = capfd.readouterr()
    events = [json.loads(line) for line in out.splitlines()]
    (failed,) = [e for e in events if e["event"] == "error"]
    assert failed["source"] == str(bad) and failed["error"].startswith("is not a video that can be opened")
    assert [e["event"] for e in events if e["source"] == str(clip)][-1] == "end"
    assert f"{bad}: is not a video" in err


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((), "stores no interval"),
        (("--every", "-1"), "every is -1.0 seconds"),
        (("--every", "0.2", "--abstain", "2"), "abstain is 2.0"),
        (("--every", "0.2", "-", "-"), "named twice"),
    ],
)
def test_options_that_make_no_sense(
    checkpoint: Path, clip: Path, args: tuple[str, ...], words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["stream", str(clip), "--model", str(checkpoint), *args]) == 2
    out, err = capfd.readouterr()
    assert out == "" and words in err


def test_standard_input_is_a_source_and_ctrl_c_ends_it(checkpoint: Path, tmp_path: Path) -> None:
    """The clip comes through a pipe that stays open: its answer is there before the end, which never comes."""
    code = "import sys; from gfnet_video.cli.main import main; main(sys.argv[1:])"
    args = ["stream", "-", "--model", checkpoint, "--every", "0.1", "--confidence", "0.01", "--jsonl"]
    end, start = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-c", code, *map(str, args)], stdin=end, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout and process.stderr
            os.write(start, encode(tmp_path / "long.webm", 300, "vp9_webm").read_bytes())
            first = json.loads(process.stdout.readline())
            assert (first["event"], first["source"], first["frames"]) == ("label", "-", 1)
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=30) == 130
            assert b"Traceback" not in process.stderr.read()
        finally:
            process.kill()
    os.close(start)
    os.close(end)
