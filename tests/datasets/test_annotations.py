"""Annotation files in Something-Something V2's form, read right or refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gfnet_video.datasets.annotations import read_manifest
from gfnet_video.datasets.catalog import CATALOG, dataset
from gfnet_video.errors import ConfigError, DataError
from tests import trees

STHV2 = dataset("sthv2")


def test_templates_lose_their_brackets_and_keep_their_words(tree: Path) -> None:
    found = read_manifest(STHV2, tree, "train")
    assert found.classes == trees.CLASSES
    assert "Pretending to be tearing something that is not tearable" in found.classes
    assert [found.id(i) for i in range(10)] == [str(100 + n) for n in range(10)]
    assert found.labels.tolist() == [n % 5 for n in range(10)]
    assert all(found.path(i).is_file() and found.path(i).stem == found.id(i) for i in range(10))


def test_dev_and_test_are_the_official_validation(tree: Path) -> None:
    dev, test = (read_manifest(STHV2, tree, split) for split in ("dev", "test"))
    assert dev.digest() == test.digest() and len(dev) == 5


def test_classes_are_in_the_order_of_their_ids_not_of_the_file(own: Path) -> None:
    file = own / "labels" / "labels.json"
    ids = json.loads(file.read_text())
    trees.write(file, dict(reversed(ids.items())))
    assert read_manifest(STHV2, own, "train").classes == trees.CLASSES


def test_digest_tells_data_apart_and_ignores_where_they_lie(tree: Path, own: Path) -> None:
    whole = read_manifest(STHV2, tree, "train")
    assert whole.digest() == read_manifest(STHV2, own, "train").digest()
    assert whole.head(9).digest() != whole.digest()


def test_a_clip_that_is_absent_stays_in_the_list(own: Path) -> None:
    (own / trees.FOLDER / "103.webm").unlink()
    found = read_manifest(STHV2, own, "train")
    assert len(found) == 10 and not found.path(3).exists()


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        (
            "train.json",
            '[{"id": "1", "template": "Holding [smething]"}]',
            r"train.json: clip 1: .*did you mean 'Holding",
        ),
        ("train.json", "[{", "train.json: cannot be read as JSON"),
        ("train.json", '[{"label": "no id"}]', "train.json: item 0 has no id"),
        ("train.json", '{"id": "1"}', "train.json: expected a list of clips"),
        ("train.json", '[{"id": "7"}]', "train.json: clip 7 has no template: this split is without labels"),
        ("train.json", '[{"id": "7", "template": null}]', "clip 7 has no template"),
        ("train.json", "[]", "train.json: holds no clip"),
        ("labels.json", '["Holding something"]', "labels.json: expected a mapping of class names to ids"),
        ("labels.json", '{"a": "0", "b": "2"}', "class ids are not 0 to 1"),
        ("labels.json", '{"a": "zero"}', "labels.json: .*'zero'"),
    ],
)
def test_broken_annotation_names_the_file(own: Path, file: str, content: str, words: str) -> None:
    (own / "labels" / file).write_text(content)
    with pytest.raises(DataError, match=words):
        read_manifest(STHV2, own, "train")


def test_other_classes_than_the_models_are_refused(tree: Path) -> None:
    with pytest.raises(DataError, match="are not the model's"):
        read_manifest(STHV2, tree, "test", expected=("a", "b"))


def test_unknown_split_names_the_nearest(tree: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'train'"):
        read_manifest(STHV2, tree, "trian")


@pytest.mark.parametrize("name", [n for n, row in CATALOG.items() if not row.rendered])
def test_absent_data_says_its_licence_and_where_it_is_offered(name: str, tmp_path: Path) -> None:
    row = dataset(name)
    with pytest.raises(DataError) as raised:
        read_manifest(row, tmp_path, "train")
    assert row.licence in str(raised.value) and row.page in str(raised.value)
