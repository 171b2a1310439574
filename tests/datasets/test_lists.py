"""Lists as people have them: paths with spaces, ids that mean nothing alone, and errors that name the line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gfnet_video.datasets.class_file import read_class_file
from gfnet_video.datasets.lists import Row, name_labels, read_rows
from gfnet_video.errors import DataError

NAMES = ("clap", "wave")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Files and folders with names that are hard to read; their content is not looked at."""
    for name in ("a.mp4", "two words.mp4", "take 3 12.mp4", "noext", "a,b.mp4", "grüße.mp4"):
        (tmp_path / name).touch()
    for name in ("frames", "my clip", "my clip 3"):
        (tmp_path / name).mkdir()
    return tmp_path


def rows(root: Path, text: str, name: str = "list.txt") -> list[tuple[str, tuple[str, ...], int]]:
    (root / name).write_text(text, encoding="utf-8")
    return [(r.path, r.labels, r.frames) for r in read_rows(root / name, root)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("frames 30 1", ("frames", ("1",), 30)),  # TSM, mmaction rawframes
        ("my clip 30 1", ("my clip", ("1",), 30)),
        ("my clip 3 30 1", ("my clip 3", ("1",), 30)),
        ("my clip 30 1 0", ("my clip", ("1", "0"), 30)),  # several labels
        ("a.mp4 1", ("a.mp4", ("1",), 0)),  # mmaction videos
        ("a.mp4 1 0", ("a.mp4", ("1", "0"), 0)),
        ("two words.mp4\t1", ("two words.mp4", ("1",), 0)),
        ("take 3 12.mp4 0", ("take 3 12.mp4", ("0",), 0)),
        ("noext 1", ("noext", ("1",), 0)),
        ("a,b.mp4 1", ("a,b.mp4", ("1",), 0)),
        ("  frames  30  1  ", ("frames", ("1",), 30)),
    ],
)
def test_text_lists_are_read_from_the_right(root: Path, line: str, expected: tuple[str, tuple[str, ...], int]) -> None:
    assert rows(root, f"\n{line}\n") == [expected]


@pytest.mark.parametrize(
    "text",
    [
        "path,label\na.mp4,wave\n",
        "a.mp4,wave\n",
        "\ufefffile;class\r\na.mp4;wave\r\n",
        "label\tvideo\nwave\ta.mp4\n",
        '"a.mp4","wave"\n\n',
    ],
)
def test_csv_with_and_without_a_header(root: Path, text: str) -> None:
    assert rows(root, text, "list.csv") == [("a.mp4", ("wave",), 0)]


def test_csv_columns_beyond_path_and_label(root: Path) -> None:
    (root / "list.csv").write_text("label,num_frames,group,split,path\nwave,30,monday,val,frames\n")
    assert read_rows(root / "list.csv", root) == [Row(2, "frames", ("wave",), 30, "monday", "val")]
    assert rows(root, "frames,30,1\n", "activitynet.txt") == [("frames", ("1",), 30)]  # AdaFocus' lists


def test_ids_become_names_by_the_class_file(root: Path) -> None:
    rows(root, "a.mp4 1\nframes 9 0 1\n")
    found = name_labels(read_rows(root / "list.txt", root), NAMES, root / "list.txt")
    assert found == [("wave",), ("clap", "wave")]
    assert name_labels(read_rows(root / "list.txt", root), NAMES[::-1], root / "list.txt")[0] == ("clap",)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("list.txt", "a.mp4 0\ngone.mp4 1\nmore.mp4 1\n", r"list.txt:2: gone.mp4 does not exist .* 1 more of 3 paths"),
        ("list.txt", "gone 30 1\n", r"list.txt:1: gone does not exist below .*; name the folder .* --data"),
        ("list.txt", "a.mp4 wave\n", r"list.txt:1: 'a.mp4 wave' is neither `file label`"),
        ("list.txt", "a.mp4\n", "list.txt:1: .* is neither"),
        ("list.txt", "\n", "list.txt: holds no clip"),
        ("list.csv", "path,label\n", "list.csv: holds no clip"),
        ("list.csv", "a.mp4,wave\na.mp4,\n", r"list.csv:2: .* lacks a path or a label"),
        ("list.csv", "a.mp4\n", "list.csv:1: .* lacks a path or a label"),
        ("list.csv", "frames,many,1\n", "list.csv:1: 'many' is no number of frames"),
        ("list.csv", "path,label\na\x1b.mp4,wave\n", r"list.csv:2: a\\x1b.mp4 does not exist"),
    ],
)
def test_what_a_list_has_wrong_is_named_with_its_line(root: Path, name: str, text: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        rows(root, text, name)


def test_a_list_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent.txt: cannot be read"):
        read_rows(tmp_path / "absent.txt", tmp_path)


@pytest.mark.parametrize(
    ("labels", "names", "words"),
    [
        ("01", None, r"list.csv:1: its label 0 is an id without a name; give the class file .*--classes FILE"),
        ("02", NAMES, r"list.csv:2: its label is 2; the class file names 2 classes, 0 to 1: .* counts from 1"),
        (["wave", "wvae"], NAMES, r"list.csv:2: unknown class 'wvae'; did you mean 'wave'"),
        (["wave", "1"], None, "list.csv:2: has the id 1 where other lines have class names"),
        (["wave", "1"], NAMES, "list.csv:2: unknown class '1'"),
    ],
)
def test_labels_are_never_guessed(labels: list[str], names: tuple[str, ...] | None, words: str) -> None:
    found = [Row(n, "a.mp4", (label,)) for n, label in enumerate(labels, 1)]
    with pytest.raises(DataError, match=words):
        name_labels(found, names, Path("list.csv"))


def test_class_files(tmp_path: Path) -> None:
    text, table = tmp_path / "classes.txt", tmp_path / "labels.json"
    text.write_text("wave\nclap your hands\n\n")
    table.write_text(json.dumps({"clap your hands": "1", "wave": 0}))
    assert read_class_file(text) == read_class_file(table) == ("wave", "clap your hands")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("c.txt", "wave\n\nclap\n", "c.txt:2: is empty"),
        ("c.txt", "wave\nwave\n", "c.txt: the class 'wave' stands there twice"),
        ("c.txt", "", "c.txt: names no class"),
        ("c.json", "{}", "c.json: names no class"),
        ("c.json", "[1]", "c.json: expected a JSON of class name to id"),
        ("c.json", '{"a": "x"}', "c.json: expected a JSON of class name to id"),
        ("c.json", '{"a": 1, "b": 2}', "c.json: its ids are not 0 to 1"),
    ],
)
def test_broken_class_files(tmp_path: Path, name: str, text: str, words: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=words):
        read_class_file(tmp_path / name)


def test_an_absent_class_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent.txt: the class file cannot be read"):
        read_class_file(tmp_path / "absent.txt")
