"""Official lists as their publishers write them: classes in their order, labels to the letter, wrong files by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gfnet_video.datasets.catalog import CATALOG, dataset
from gfnet_video.datasets.layouts import find_lists, read_lists
from gfnet_video.datasets.official import Official
from gfnet_video.errors import DataError
from tests import official, trees


def read(name: str, folder: Path) -> Official:
    row = dataset(name)
    return read_lists(row, find_lists(row, [folder]))


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    official.csv(tmp_path, "something-something-v1-{}.csv", official.V1_CLASSES)
    return tmp_path


@pytest.fixture
def net(tmp_path: Path) -> Path:
    trees.write(tmp_path / "activity_net.v1-3.min.json", database())
    return tmp_path


def database(**changes: Any) -> dict[str, Any]:
    items = {
        video: {"subset": subset, "annotations": [{"segment": s, "label": name} for s, name in pairs]}
        for video, (subset, _, pairs) in official.ACTIVITIES.items()
    }
    return {"version": "VERSION 1.3", "taxonomy": official.taxonomy(), "database": items} | changes


def test_csv_classes_keep_the_order_of_the_file_and_labels_their_commas(csv: Path) -> None:
    found = read("sthv1", csv)
    assert found.classes == official.V1_CLASSES  # neither sorted nor quoted
    assert [c.id for c in found.clips] == [c for held in official.ids().values() for c in held]
    of = {c.id: found.classes[c.label] for c in found.clips}
    assert of["104"] == "Pushing something so that it almost falls off but doesn't"
    assert of["105"] == "Showing something, something and something to the camera"
    assert [c.list for c in found.clips] == ["train"] * official.TRAIN + ["validation"] * official.VALIDATION


def test_only_the_first_semicolon_separates_and_windows_lines_are_read(csv: Path) -> None:
    (csv / "something-something-v1-labels.csv").write_bytes(b"\xef\xbb\xbfA; then B\r\nC\r\n")
    (csv / "something-something-v1-train.csv").write_bytes(b"1;A; then B\r\n2;C\r\n\r\n")
    (csv / "something-something-v1-validation.csv").write_bytes(b"3;C")
    found = read("sthv1", csv)
    assert found.classes == ("A; then B", "C") and [c.label for c in found.clips] == [0, 1, 1]


@pytest.mark.parametrize("pattern", ["{}.csv", "jester-v1-{}.csv"])
def test_jester_is_read_under_its_new_and_its_old_names(tmp_path: Path, pattern: str) -> None:
    official.csv(tmp_path, pattern, official.JESTER_CLASSES)
    assert read("jester", tmp_path).classes == official.JESTER_CLASSES


def test_something_v2_is_read_under_its_old_names(tmp_path: Path) -> None:
    trees.write(tmp_path / "something-something-v2-labels.json", {"B part of a thing": "0", "A thing": "1"})
    item = {"id": "1", "template": "B [part] of a [thing]"}
    trees.write(tmp_path / "something-something-v2-train.json", [item])
    trees.write(tmp_path / "something-something-v2-validation.json", [{"id": 2, "template": "A [thing]"}])
    found = read("sthv2", tmp_path)
    assert found.classes == ("B part of a thing", "A thing")
    assert [(c.id, c.label) for c in found.clips] == [("1", 0), ("2", 1)]


def test_activitynet_gives_a_segment_each_in_training_and_a_video_each_in_validation(net: Path) -> None:
    found = read("activitynet", net)
    assert found.classes == ("Archery", "Mooping floor", "Plataform diving")  # leaves, sorted; misspelt as upstream
    train = [(c.id, c.file, c.label, c.span, c.group) for c in found.clips if c.list == "train"]
    assert train[:2] == [
        ("v1aaaaaaaaa.0", "v_v1aaaaaaaaa", 1, (0.0, 0.4), "v1aaaaaaaaa"),
        ("v1aaaaaaaaa.1", "v_v1aaaaaaaaa", 2, (0.5, 0.9), "v1aaaaaaaaa"),
    ]
    tests = [(c.id, c.label, c.span, c.further) for c in found.clips if c.list == "validation"]
    assert tests == [("v7aaaaaaaaa", 0, None, (1,)), ("v8aaaaaaaaa", 1, None, ())]
    assert not any("v9" in c.id for c in found.clips)  # testing


@pytest.mark.parametrize(
    ("role", "content", "words"),
    [
        ("labels", "A\nB\nA\n", "labels.csv: class 'A' stands there twice"),
        ("labels", "\n", "labels.csv: holds no class"),
        ("train", "7;Holding somthing\n", "train.csv: clip 7: unknown class .*did you mean 'Holding something'"),
        ("train", "7\n", "train.csv: line 1 is '7'; expected id;label"),
        ("train", "", "train.csv: holds no clip"),
        ("train", "../../etc/passwd;Holding something\n", "train.csv: clip id '../../etc/passwd'"),
        ("train", "7;Holding something\n7;Holding something\n", "train.csv: clip 7 stands there and already in"),
        ("validation", "100;Holding something\n", "validation.csv: clip 100 stands there and already in .*train.csv"),
    ],
)
def test_wrong_csv_is_named(csv: Path, role: str, content: str, words: str) -> None:
    (csv / f"something-something-v1-{role}.csv").write_text(content)
    with pytest.raises(DataError, match=words):
        read("sthv1", csv)


def test_csv_that_is_no_text_is_named(csv: Path) -> None:
    (csv / "something-something-v1-train.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"train\.csv: cannot be read as UTF-8"):
        read("sthv1", csv)


def one(**item: Any) -> dict[str, Any]:
    return {"vvvvvvvvvvv": {"subset": "training", "annotations": []} | item}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"taxonomy": {}}, "expected a mapping whose 'taxonomy' is a list"),
        ({"database": []}, "expected a mapping whose 'database' is a dict"),
        ({"taxonomy": [{"nodeName": "Archery"}]}, "a node of the taxonomy lacks nodeName or parentName"),
        ({"taxonomy": []}, "holds no class"),
        ({"database": one()}, "video vvvvvvvvvvv of training has no annotations"),
        ({"database": one(subset="trainin")}, "video vvvvvvvvvvv: .*did you mean 'training'"),
        ({"database": one(annotations=[{"segment": [0], "label": "Archery"}])}, "annotation 0 is not a segment"),
        ({"database": one(annotations=[{"segment": [0, 1], "label": "Archry"}])}, "did you mean 'Archery'"),
        ({"database": one(annotations=[{"segment": [0, "NaN"], "label": "Archery"}])}, r"the segment \[0.0, nan\]"),
        ({"database": {"../v": one(annotations=[{"segment": [0, 1], "label": "Archery"}])["vvvvvvvvvvv"]}}, "clip id"),
    ],
)
def test_wrong_database_is_named(net: Path, changes: dict[str, Any], words: str) -> None:
    trees.write(net / "activity_net.v1-3.min.json", database(**changes))
    with pytest.raises(DataError, match=words) as raised:
        read("activitynet", net)
    assert "activity_net.v1-3.min.json" in str(raised.value)


def test_json_that_breaks_off_is_named(net: Path) -> None:
    (net / "activity_net.v1-3.min.json").write_text(json.dumps(database())[:-9])
    with pytest.raises(DataError, match=r"v1-3\.min\.json: cannot be read as JSON"):
        read("activitynet", net)


def test_absent_lists_say_where_they_are_offered(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"found no labels.csv or jester-v1-labels.csv in .*developer.qualcomm.com"):
        read("jester", tmp_path)


@pytest.mark.parametrize(
    ("name", "classes"), [("sthv2", trees.CLASSES), ("sthv1", official.V1_CLASSES), ("jester", official.JESTER_CLASSES)]
)
def test_flip_pairs_name_classes_and_exchange_sides(name: str, classes: tuple[str, ...]) -> None:
    pairs = dataset(name).flip_pairs
    names = [n for pair in pairs for n in pair]
    assert len(set(names)) == len(names) >= 6
    # The fixtures hold a few real class names; each of them that knows a side stands in a pair.
    sided = {c for c in classes if any(word in c.lower() for word in ("left", "right", "clockwise"))}
    assert sided and sided <= set(names)
    for one_side, other in pairs:
        swapped = one_side.replace("left", "#").replace("right", "left").replace("#", "right")
        swapped = swapped.replace("Left", "#").replace("Right", "Left").replace("#", "Right")
        assert other == swapped or {one_side, other} == {"Turning Hand Clockwise", "Turning Hand Counterclockwise"}


def test_rows_are_consistent() -> None:
    official, own = {"sthv1", "sthv2", "jester", "activitynet", "activitynet12"}, {"folder", "imagefolder"}
    assert official | own | {"mini", "mini-image"} == set(CATALOG)
    assert {name for name, row in CATALOG.items() if row.rendered} == {"mini", "mini-image"}
    assert sum(CATALOG["sthv2"].counts.values()) == 220_847 - 27_157
    assert {row.metric for row in CATALOG.values()} == {"top1", "mAP"}
    for row in CATALOG.values():
        assert (row.template == "%05d.jpg") == (row.name in ("sthv1", "jester"))


@pytest.mark.parametrize("name", ["sthv1", "sthv2", "jester", "activitynet", "activitynet12"])
def test_absent_data_says_the_next_command(name: str, tmp_path: Path) -> None:
    from gfnet_video.datasets.annotations import read_manifest

    with pytest.raises(DataError) as raised:
        read_manifest(dataset(name), tmp_path, "train")
    assert f"gfnet-video prepare {name} SRC {tmp_path}" in str(raised.value) and raised.value.exit_code == 4
