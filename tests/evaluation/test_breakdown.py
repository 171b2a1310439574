"""Confusions, difficulty and worst clips, against what can be counted by hand."""

from __future__ import annotations

import csv
import io
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from gfnet_video.datasets.difficulty import difficulties
from gfnet_video.datasets.manifest import Manifest
from gfnet_video.datasets.truth import TRUTH
from gfnet_video.errors import DataError
from gfnet_video.evaluation.breakdown import (
    UNREADABLE,
    by_difficulty,
    confusion,
    confusion_csv,
    first_step_rank,
    worst_clips,
)

NAMES = ("clap, twice", 'say "hi"', "wave")


def manifest_of(root: Path, ids: list[str], labels: list[int], further: tuple[tuple[int, int], ...] = ()) -> Manifest:
    return Manifest.of("dev", NAMES, root, ids, [f"{i}.webm" for i in ids], labels, further=further)


def test_every_clip_is_in_one_cell() -> None:
    guesses, labels = torch.tensor([0, 1, 1, -1, 0, 2]), torch.tensor([0, 0, 1, 1, 2, 2])
    counts = confusion(guesses, labels, 3)
    assert counts.tolist() == [[1, 1, 0, 0], [0, 1, 0, 1], [1, 0, 1, 0]]


def test_the_table_sums_to_the_clips_whatever_the_names() -> None:
    generator = torch.Generator().manual_seed(0)
    guesses = torch.randint(-1, 3, (200,), generator=generator)
    labels = torch.randint(0, 3, (200,), generator=generator)
    head, *rows = csv.reader(io.StringIO(confusion_csv(confusion(guesses, labels, 3), NAMES)))
    assert head[1:] == [*NAMES, UNREADABLE] and [row[0] for row in rows] == list(NAMES)
    table = np.array([row[1:] for row in rows], int)
    assert table.sum(1).tolist() == torch.bincount(labels, minlength=3).tolist()
    assert table.sum(0).tolist() == [int((guesses == k).sum()) for k in (0, 1, 2, -1)]
    assert np.trace(table) == int((guesses == labels).sum())


def test_fifths_part_the_clips_in_order() -> None:
    hard = torch.rand(23, generator=torch.Generator().manual_seed(0))
    exits = (hard > 0.5).long()
    groups = by_difficulty(hard, hard < 0.4, torch.ones(23, dtype=torch.bool), exits, 2)
    assert [g["clips"] for g in groups] == [5, 5, 5, 4, 4]
    assert [g["from"] for g in groups] == sorted(g["from"] for g in groups)
    assert all(a["to"] <= b["from"] for a, b in pairwise(groups))
    assert sum(g["top1"] * g["clips"] for g in groups) == pytest.approx(int((hard < 0.4).sum()))
    assert torch.tensor([g["exit_steps"] for g in groups]).sum(0).tolist() == torch.bincount(exits).tolist()
    assert groups[0]["mean_exit_step"] == 1 and groups[-1]["mean_exit_step"] == 2
    assert len(by_difficulty(hard[:2], hard[:2] < 1, hard[:2] < 1, exits[:2], 2)) == 2  # no group without a clip


def test_rank_is_the_place_in_the_order_of_doubt() -> None:
    assert first_step_rank(torch.tensor([0.2, 0.9, 0.5])).tolist() == [1.0, 0.0, 0.5]
    assert first_step_rank(torch.tensor([0.2])).tolist() == [0.0]


def test_the_surest_errors_come_first(tmp_path: Path) -> None:
    manifest = manifest_of(tmp_path, ["a", "b", "c", "d", "e"], [0, 0, 1, 2, 2], further=((2, 2),))
    said = [(NAMES[1], 0.6), (NAMES[0], 0.99), (NAMES[2], 0.98), (NAMES[0], 0.9)]
    rows = [
        {
            "id": manifest.id(i),
            "label": NAMES[manifest.labels[i]],
            "prediction": name,
            "score": score,
            "exit_step": i + 1,
        }
        for i, (name, score) in enumerate(said)
    ]
    rows.append({"id": "e", "label": NAMES[2], "error": "empty file", "correct": False})
    found = worst_clips(rows, manifest)
    assert [r["id"] for r in found] == ["d", "a"]  # b is right, c is right as a further class, e said nothing
    assert found[0] == {
        "id": "d", "path": str(tmp_path / "d.webm"), "label": "wave",
        "prediction": NAMES[0], "score": 0.9, "exit_step": 4,
    }  # fmt: skip
    assert worst_clips(rows, manifest, count=1) == found[:1]


def write_truth(root: Path, **arrays: np.ndarray) -> None:
    (root / TRUTH).parent.mkdir()
    np.savez(root / TRUTH, **arrays)


def test_difficulty_follows_the_ids(tmp_path: Path) -> None:
    write_truth(tmp_path, id=np.array(["1", "2", "3"]), difficulty=np.array([0.1, 0.2, 0.3]))
    found = difficulties(manifest_of(tmp_path, ["3", "1"], [0, 0]))
    assert found is not None and found.tolist() == [0.3, 0.1]


def test_most_data_sets_know_no_difficulty(tmp_path: Path) -> None:
    assert difficulties(manifest_of(tmp_path, ["1"], [0])) is None


def test_a_difficulty_that_lacks_a_clip_is_refused(tmp_path: Path) -> None:
    write_truth(tmp_path, id=np.array(["1"]), difficulty=np.array([0.1]))
    with pytest.raises(DataError, match="lacks 1 clips of split 'dev', such as 2"):
        difficulties(manifest_of(tmp_path, ["1", "2"], [0, 0]))


@pytest.mark.parametrize("content", [b"", b"no archive", None])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes | None) -> None:
    write_truth(tmp_path, id=np.array(["1"]))  # None: whole, but without difficulties
    if content is not None:
        (tmp_path / TRUTH).write_bytes(content)
    with pytest.raises(DataError, match=r"truth\.npz: cannot be read"):
        difficulties(manifest_of(tmp_path, ["1"], [0]))
