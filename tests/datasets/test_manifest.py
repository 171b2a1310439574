"""Manifests in memory and on disk: the same clips, the same bytes, and broken lines named."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gfnet_video.datasets.manifest import Manifest
from gfnet_video.datasets.manifest_file import NAME, Entry, Head, read_entries, split_of, write_entries
from gfnet_video.errors import ConfigError, DataError

HEAD = Head("sthv1", ("Holding something", "Pushing something, gently", "It's ours"), "%05d.jpg")
ENTRIES = [
    Entry("1", "clips/1", 0, "train", 40, 12.0, 40 / 12),
    Entry("2", "clips/2", 2, "train", status="missing", reason="no such folder"),
    Entry("3", "clips/a\nb \udcff", 1, "train", 12, 12.0, 1.0, span=(0.5, 1.25), further=(0, 2)),
    Entry("4", "clips/4", 1, "test", status="bad", reason="no frame can be decoded"),
]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_entries(tmp_path, HEAD, ENTRIES)
    first = (tmp_path / NAME).read_bytes()
    assert read_entries(tmp_path) == (HEAD, ENTRIES)
    write_entries(tmp_path, *read_entries(tmp_path))
    assert (tmp_path / NAME).read_bytes() == first


def test_training_leaves_out_what_is_not_ok_and_evaluation_keeps_it(tmp_path: Path) -> None:
    train = split_of(tmp_path, HEAD, ENTRIES, "train", keep_bad=False)
    assert [train.id(i) for i in range(len(train))] == ["1", "3"]
    assert train.path(1) == tmp_path / "clips" / "a\nb \udcff"
    assert train.spans[1].tolist() == [0.5, 1.25] and math.isnan(train.spans[0, 0])
    assert train.further.tolist() == [[1, 0], [1, 2]] and train.frames.tolist() == [40, 12]
    assert len(split_of(tmp_path, HEAD, ENTRIES, "test", keep_bad=True)) == 1
    with pytest.raises(DataError, match="no clip of split 'test' that can be used"):
        split_of(tmp_path, HEAD, ENTRIES, "test", keep_bad=False)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "line 5 cannot be read as JSON"),
        ('{"id": "9", "path": "x", "label": "two", "split": "train"}', "line 5.label is 'two'"),
        ('{"id": "9", "path": "x", "label": 0, "split": "train", "status": "fine"}', "unknown status 'fine'"),
        ('{"id": "9", "path": "x", "label": 0, "spilt": "train"}', "did you mean 'split'"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: str, words: str) -> None:
    write_entries(tmp_path, HEAD, ENTRIES[:3])
    with (tmp_path / NAME).open("a") as file:
        file.write(line + "\n")
    with pytest.raises(DataError, match=words) as raised:
        read_entries(tmp_path)
    assert str(raised.value).startswith(str(tmp_path / NAME))


def test_a_manifest_of_another_format_or_none_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_entries(tmp_path)
    write_entries(tmp_path, dataclasses.replace(HEAD, format=2), [])
    with pytest.raises(DataError, match="format 2; expected 1: make it anew with gfnet-video prepare"):
        read_entries(tmp_path)
    (tmp_path / NAME).write_text("")
    with pytest.raises(DataError, match="is empty"):
        read_entries(tmp_path)


@given(st.permutations(range(4)), st.integers(0, 4))
def test_selecting_keeps_each_clip_whole(order: list[int], count: int) -> None:
    manifest = split_of(
        Path("root"), HEAD, [dataclasses.replace(e, split="train") for e in ENTRIES], "train", keep_bad=True
    )
    rows = np.array(order[:count], np.int64)
    found = manifest.select(rows)
    assert [found.id(i) for i in range(count)] == [manifest.id(int(r)) for r in rows]
    pairs = {(manifest.id(int(i)), int(k)) for i, k in manifest.further if i in rows}
    assert {(found.id(int(i)), int(k)) for i, k in found.further} == pairs


def test_arrays_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="lengths"):
        Manifest.of("train", "ab", Path(), ["1", "2"], ["1", "2"], [0])
    with pytest.raises(ConfigError, match="labels are 0 to 2; expected 0 to 1"):
        Manifest.of("train", "ab", Path(), ["1", "2"], ["1", "2"], [0, 2])
