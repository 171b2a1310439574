"""`gfnet-video infer` as people and programs use it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gfnet_video.cli.main import run
from gfnet_video.inference.files import find_videos
from gfnet_video.inference.many import predict_many
from tests import models, trees
from tests.clips import cut, encode, encode_sound

Infer = Callable[..., tuple[int, str, str]]


@pytest.fixture
def infer(checkpoint: Path, capfd: pytest.CaptureFixture[str]) -> Infer:
    """Run the verb with the small model; gives exit code, stdout and stderr, what decoders print among them."""

    def call(*args: object, model: object = checkpoint) -> tuple[int, str, str]:
        code = run(["infer", "--model", str(model), *map(str, args)])
        return code, *capfd.readouterr()

    return call


def lines(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_table_for_people_and_the_vocabulary_beside_it(infer: Infer, clip: Path) -> None:
    code, out, err = infer(clip)
    assert code == 0
    assert "clip.webm" in out and any(name in out for name in trees.CLASSES) and "6/6" in out
    assert "knows only 5 classes" in err and trees.CLASSES[0] in err
    assert "On a video of anything else its label means nothing." in err


def test_json_and_jsonl_hold_the_same(infer: Infer, clip: Path, tmp_path: Path) -> None:
    other = encode(tmp_path / "other.mp4", 20)
    whole = json.loads(infer(clip, other, "--json")[1])
    assert [r["path"] for r in whole] == [str(clip), str(other)]
    streamed = lines(infer(clip, other, "--jsonl")[1])
    for a, b in zip(whole, streamed, strict=True):
        assert {**a, "seconds": 0} == {**b, "seconds": 0}
        assert a["label"] == a["top5"][0][0] and a["score"] == a["top5"][0][1]
        assert len(a["top5"]) == models.CLASSES and len(a["patches"]) == a["exit_step"] == len(a["step_scores"])
        assert set(a["seconds"]) == {"decode", "preprocess", "glance", "locate", "focus", "aggregate", "total"}


def test_confidence_stops_early_and_no_exit_never_does(infer: Infer, clip: Path) -> None:
    (soon,) = lines(infer(clip, "--jsonl", "--confidence", 0.01)[1])
    (late,) = lines(infer(clip, "--jsonl", "--no-exit")[1])
    assert (soon["exit_step"], soon["frames_decoded"], soon["exited"]) == (1, 1, True)
    assert (late["exit_step"], late["frames_decoded"], late["exited"]) == (6, 6, False)
    assert late["gmacs"] == pytest.approx(6 * soon["gmacs"])
    assert late["step_scores"][0] == pytest.approx(soon["score"])


def test_chunks_and_readers_agree(infer: Infer, clip: Path) -> None:
    (one,) = lines(infer(clip, "--jsonl")[1])
    for args in (("--chunk", 4), ("--reader", "pyav"), ("--reader", "decord")):
        (other,) = lines(infer(clip, "--jsonl", *args)[1])
        assert other["frame_indices"] == one["frame_indices"]
        assert other["step_scores"] == pytest.approx(one["step_scores"], abs=1e-4), args


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--no-exit", "--confidence", 0.5), "--no-exit and --confidence exclude each other"),
        (("--json", "--jsonl"), "--json and --jsonl exclude each other"),
        (("--confidence", 1.5), "confidence is 1.5"),
        (("--reader", "decrod"), "did you mean 'decord'"),
        (("--chunk", 0), "0 is not in the range"),
    ],
)
def test_options_that_make_no_sense(infer: Infer, clip: Path, args: tuple[object, ...], words: str) -> None:
    code, out, err = infer(clip, *args)
    assert (code, out) == (2, "") and words in err


def bad_missing(path: Path) -> None:
    """Nothing is there."""


def bad_empty(path: Path) -> None:
    path.write_bytes(b"")


def bad_text(path: Path) -> None:
    path.write_text("this is not a video\n" * 50)


def bad_truncated(path: Path) -> None:
    cut(encode(path, 40), 0.5, path)  # the index was at the end


def bad_sound(path: Path) -> None:
    encode_sound(path)


BAD = {
    "missing": (bad_missing, "no such file"),
    "empty": (bad_empty, "is empty (0 bytes)"),
    "text": (bad_text, "is not a video that can be opened"),
    "truncated": (bad_truncated, "is not a video that can be opened"),
    "sound": (bad_sound, "holds no video stream"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_named_and_the_others_are_recognised(infer: Infer, clip: Path, tmp_path: Path, kind: str) -> None:
    make, reason = BAD[kind]
    path = tmp_path / f"{kind}.mp4"
    make(path)
    code, out, err = infer(clip, path, clip, "--jsonl")
    first, failed, last = lines(out)
    assert code == 1 and "1 of 3 inputs failed" in err
    assert set(failed) == {"path", "error"} and failed["path"] == str(path) and failed["error"].startswith(reason)
    assert {**first, "seconds": 0} == {**last, "seconds": 0} and first["label"] in trees.CLASSES
    table = infer(clip, path)[1]
    assert f"error: {reason}"[:40] in table


def test_a_path_that_cannot_be_reached_costs_itself_alone(
    infer: Infer, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Path.is_dir raises where a folder is locked or a name is longer than the disk takes."""
    long = tmp_path / f"{'a' * 300}.webm"
    code, out, _ = infer(clip, long, "--jsonl")
    first, failed = lines(out)
    assert code == 1 and first["label"] in trees.CLASSES and failed["error"] == "no such file"
    assert run(["check", str(long), "--workers", "1"]) == 1
    monkeypatch.setattr(Path, "is_dir", lambda _: pytest.fail("raises where a folder is locked"))
    assert find_videos([str(clip.parent / "cl*.webm")]) == [clip]


def test_a_truncated_webm_is_recognised_from_what_is_left(infer: Infer, clip: Path, tmp_path: Path) -> None:
    code, out, _ = infer(cut(clip, 0.6, tmp_path / "cut.webm"), "--jsonl")
    (found,) = lines(out)
    assert code == 0
    assert found["frame_indices"][-1] < 35 and "sampled once more on the true count" in found["warnings"][0]


def test_a_header_that_lies_is_reported(infer: Infer, liar: Path) -> None:
    code, out, _ = infer(liar, "--jsonl")
    (found,) = lines(out)
    (warning,) = found["warnings"]
    true = int(warning.split(" but ")[1].split()[0])
    assert code == 0
    assert warning == f"the header claims 80 frames but {true} decode: sampled once more on the true count"
    assert 40 < found["frame_indices"][-1] < true < 80
    assert "warning: " in infer(liar)[1]


def test_folders_and_globs(infer: Infer, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "deep" / "deeper").mkdir(parents=True)
    names = ["a.webm", "deep/b.webm", "deep/deeper/c.WEBM"]
    for name in names:
        shutil.copyfile(clip, tmp_path / name)
    (tmp_path / "notes.txt").write_text("no video")
    (tmp_path / "deep" / "cover.jpg").touch()
    expected = [str(tmp_path / n) for n in names]
    _, out, err = infer(tmp_path, "--jsonl")
    assert [r["path"] for r in lines(out)] == expected and f"note: {tmp_path / 'deep'}: pictures passed over" in err
    assert [r["path"] for r in lines(infer(tmp_path / "**" / "*.webm", "--jsonl")[1])] == expected[:2]


@pytest.mark.parametrize("name", ["empty", "*.mp4"])
def test_nothing_to_recognise_is_bad_data(infer: Infer, tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    code, out, err = infer(tmp_path / name)
    assert (code, out) == (4, "") and str(tmp_path / name) in err and err.count("\n") == 1


HOSTILE = [
    'it\'s "q".webm',
    "new\nline.webm",
    "-dash.webm",
    "[1].webm",
    "$(touch executed).webm",
    "; ls |.webm",
    "%d.webm",
]


def test_hostile_names_are_only_names(
    infer: Infer, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in HOSTILE:
        shutil.copyfile(clip, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    code, out, _ = infer("--jsonl", "--", *HOSTILE)
    assert code == 0 and [r["path"] for r in lines(out)] == HOSTILE
    assert sorted(os.listdir()) == sorted(HOSTILE)
    code, out, _ = infer("--", *HOSTILE)
    rows = out.splitlines()
    assert code == 0 and len(rows) == 1 + len(HOSTILE)  # the newline in a name makes no row of its own


def test_names_that_are_not_text(infer: Infer, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the table folds long paths, which could part the name
    path = b"bad\xff.webm"
    try:
        shutil.copyfile(clip, path)
    except OSError:
        pytest.skip("this file system takes only text")
    code, out, _ = infer(os.fsdecode(path), "--jsonl")
    assert code == 0 and lines(out)[0]["path"].endswith("bad\\xff.webm")
    code, out, _ = infer(os.fsdecode(path))
    assert code == 0 and "bad" in out


def test_unknown_model_names_the_nearest(infer: Infer, clip: Path) -> None:
    code, out, err = infer(clip, model="gfnet_tsm_mobilenetv2.mimi")
    assert (code, out) == (4, "") and "did you mean 'gfnet_tsm_mobilenetv2.mini'" in err


def test_picture_shows_every_recognised_video(infer: Infer, clip: Path, tmp_path: Path) -> None:
    from PIL import Image

    sizes = []
    for n, inputs in enumerate(([clip], [clip, tmp_path / "missing.mp4", clip])):
        path = tmp_path / "new" / f"{n}.png"
        code, _, err = infer(*inputs, "--picture", path, "--confidence", 0.01)
        assert code == n and f"picture: {path}" in err.replace("\n", "")
        with Image.open(path) as picture:
            sizes.append(picture.size)
    assert sizes[0][0] == sizes[1][0] and 1.9 < sizes[1][1] / sizes[0][1] < 2.1
    assert sorted(os.listdir(tmp_path / "new")) == ["0.png", "1.png"]  # no temporary file is left


def test_a_picture_that_cannot_be_written_loses_no_answer(infer: Infer, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, out, err = infer(clip, "--jsonl", "--picture", tmp_path / "file" / "picture.png")
    assert code == 3 and len(lines(out)) == 1
    assert f"error: {tmp_path / 'file'}" in err


def test_a_picture_of_no_known_kind_is_refused_before_any_work(infer: Infer, clip: Path, tmp_path: Path) -> None:
    code, out, err = infer(clip, "--picture", tmp_path / "picture.pgn")
    assert (code, out) == (2, "") and "did you mean '.png'?" in err


def test_what_was_recognised_before_ctrl_c_is_told(infer: Infer, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*args: Any, **kwargs: Any) -> Iterator[object]:
        yield next(predict_many(*args, **kwargs))
        raise KeyboardInterrupt

    monkeypatch.setattr("gfnet_video.inference.many.predict_many", interrupted)
    code, out, err = infer(clip, clip)
    assert code == 130 and out.count("clip.webm") == 1 and "6/6" in out and "interrupted after 1 of 2 inputs" in err
    code, out, err = infer(clip, clip, "--json")
    assert code == 130 and out == "" and "interrupted after 1 of 2 inputs" in err


def test_a_link_to_nowhere_is_reported_in_its_place(infer: Infer, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "a.webm").symlink_to(tmp_path / "gone")
    (tmp_path / "b.webm").symlink_to(clip)
    (tmp_path / "round").symlink_to(tmp_path)
    code, out, _ = infer(tmp_path, "--jsonl")
    first, second = lines(out)
    assert code == 1 and first["error"] == "no such file" and second["label"] in trees.CLASSES
