"""Clips of one's own: every layout found, recordings kept together, what cannot be trained on refused with a reason."""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from gfnet_video.datasets.folder import find_clips
from gfnet_video.datasets.groups import Found, group_clips
from gfnet_video.datasets.manifest_file import Entry, Head, write_entries
from gfnet_video.datasets.own import carve, open_own, open_whole, shares_of
from gfnet_video.datasets.source import ENOUGH, TO_CALIBRATE, OwnSource, keep_split, open_prepared
from gfnet_video.errors import ConfigError, DataError


def plant(root: Path, *names: str) -> Path:
    """Empty files below `root`: what is in them is not asked when clips are found."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def classes(root: Path, count: int = 10, *, layout: str = "{k}/{n}x.mp4") -> Path:
    return plant(root, *(layout.format(k=k, n=n) for k in ("clap", "wave") for n in range(count)))


def files(source: OwnSource) -> dict[str, list[str]]:
    return {s: [m.id(i) for i in range(len(m))] for s in source.splits if (m := source.manifest(s))}


def test_sub_folders_are_classes(tmp_path: Path) -> None:
    source = open_own(plant(classes(tmp_path), "clap/notes.txt", ".hidden/x.mp4", "clap/.Trash/y.mp4", "clap/UP.MOV"))
    found = files(source)
    assert source.splits == ("train", "dev", "test") and source.name == tmp_path.name and source.carved
    assert sorted(chain(*found.values())) == sorted(
        [f"{k}/{n}x.mp4" for k in ("clap", "wave") for n in range(10)] + ["clap/UP.MOV"]
    )
    for split in source.splits:
        manifest = source.manifest(split)
        assert manifest.classes == ("clap", "wave") and set(manifest.labels) == {0, 1}
        assert all(manifest.path(i).is_file() for i in range(len(manifest)))
        assert all(manifest.id(i).startswith(manifest.classes[k]) for i, k in enumerate(manifest.labels))
    assert any("exits will not be calibrated" in note for note in source.notes)


def test_enough_clips_are_calibrated_on(tmp_path: Path) -> None:
    source = open_own(classes(tmp_path, 160))
    counts = {split: len(source.manifest(split)) for split in source.splits}
    assert counts == {"train": 176, "dev": 48, "calibration": 48, "test": 48}
    assert (sum(counts.values()), counts["calibration"]) == (ENOUGH, TO_CALIBRATE)
    assert "calibration" not in shares_of(ENOUGH - 1, [])
    assert not any("calibrated" in note for note in source.notes)


def test_splits_that_are_there_stay_and_what_lacks_is_carved_from_train(tmp_path: Path) -> None:
    classes(tmp_path / "train", 12)
    assert open_own(tmp_path).splits == ("train", "dev")
    (tmp_path / "train").rename(tmp_path / "Training")
    classes(tmp_path / "validation", 3)
    classes(tmp_path / "test", 2)
    source = open_own(tmp_path)
    assert {s: len(f) for s, f in files(source).items()} == {"train": 24, "dev": 6, "test": 4}
    assert all(name.startswith("validation/") for name in files(source)["dev"]) and not source.carved


def test_train_may_be_a_class(tmp_path: Path) -> None:
    plant(tmp_path, *(f"{k}/{n}x.mp4" for k in ("bus", "train") for n in range(5)))
    assert open_own(tmp_path).manifest("train").classes == ("bus", "train")


def test_folders_of_frames_are_clips(tmp_path: Path) -> None:
    for n in range(6):
        classes(tmp_path, 4, layout="{k}/" + f"take{n}x" + "/img_0000{n}.jpg")
    train = open_own(tmp_path).manifest("train")
    assert train.template == "img_%05d.jpg" and set(train.frames) == {4} and train.path(0).is_dir()
    plant(tmp_path, "wave/video.mp4")
    with pytest.raises(DataError, match=r"is a folder of frames and wave/video.mp4 a video"):
        open_own(tmp_path)


def test_a_list_with_a_second_list_to_measure_on(tmp_path: Path) -> None:
    classes(tmp_path / "videos")
    (tmp_path / "train.txt").write_text(
        "".join(f"{k}/{n}x.mp4 {i}\n" for i, k in enumerate(("wave", "clap")) for n in range(8))
    )
    (tmp_path / "val.txt").write_text("clap/8x.mp4 1\nwave/8x.mp4 0\n")
    (tmp_path / "names.txt").write_text("wave\nclap\n")
    source = open_own(
        tmp_path / "train.txt", root=tmp_path / "videos", class_file=tmp_path / "names.txt", val=tmp_path / "val.txt"
    )
    assert source.splits == ("train", "dev") and source.name == "train"
    assert source.manifest("train").classes == ("wave", "clap")  # in the order of the class file
    assert source.manifest("dev").labels.tolist() == [1, 0]
    assert files(source)["dev"] == ["clap/8x.mp4", "wave/8x.mp4"]
    assert source.manifest("dev", ("jump", "clap", "wave")).labels.tolist() == [1, 2]  # by name
    with pytest.raises(DataError, match=r"does not know 1 of its 2 classes: unknown class 'wave'"):
        source.manifest("dev", ("clap", "jump"))


def test_csv_with_splits_and_several_labels(tmp_path: Path) -> None:
    classes(tmp_path, 4)
    lines = [f"{k}/{n}x.mp4,{k},{'val' if n == 3 else 'Train'}" for k in ("wave", "clap") for n in range(4)]
    (tmp_path / "all.csv").write_text("path,label,split\n" + "\n".join(lines))
    assert {s: len(f) for s, f in files(open_own(tmp_path / "all.csv")).items()} == {"train": 6, "dev": 2}
    (tmp_path / "all.csv").write_text("path,label,split\n" + "\n".join(lines).replace("val", "vla"))
    with pytest.raises(DataError, match=r"all.csv:5: unknown split 'vla'; did you mean 'val'"):
        open_own(tmp_path / "all.csv")
    (tmp_path / "all.csv").write_text("path,label,split\n" + "\n".join(lines).replace("Train", ""))
    with pytest.raises(DataError, match="some clips are told a split and others are not"):
        open_own(tmp_path / "all.csv")
    (tmp_path / "many.txt").write_text("".join(f"clap/{n}x.mp4 0 1\nwave/{n}x.mp4 1\n" for n in range(4)))
    (tmp_path / "names.txt").write_text("clap\nwave\n")
    train = open_own(tmp_path / "many.txt", class_file=tmp_path / "names.txt").manifest("train")
    assert [train.labels[i] for i, _ in train.further] == [0] * len(train.further) and set(train.further[:, 1]) == {1}


@pytest.mark.parametrize(
    ("names", "rule", "groups"),
    [
        (["v01_g01_c01", "v01_g01_c02", "v01_g02_c01"], "number at the end", [0, 0, 1]),
        (["anna_0001", "anna_0002", "ben (3)"], "number at the end", [0, 0, 1]),
        (["talk1-part1", "talk1-part2", "talk2-part1"], "number at the end", [0, 0, 1]),
        (["talk_1-part1", "talk_2-part2", "talk_2-part1"], "number at the end", [0, 1, 1]),
        (["clip_0001", "clip_0002", "clip_0003"], "a group of its own", [0, 1, 2]),  # the number only counts
        (["a", "b", "c"], "a group of its own", [0, 1, 2]),
    ],
)
def test_names_tell_what_belongs_together(names: list[str], rule: str, groups: list[int]) -> None:
    clips = [Found(f"{k}/{name}.mp4", (k,)) for k in ("clap", "wave") for name in names]
    keys, words = group_clips(clips)
    assert rule in words
    mine = keys[: len(names)]
    assert [sorted(set(mine), key=mine.index).index(k) for k in mine] == groups


def test_a_folder_below_the_class_is_a_session_and_a_column_beats_it() -> None:
    clips = [Found(f"{k}/{s}/{n}.mp4", (k,), s) for k in ("clap", "wave") for s in ("mon", "tue") for n in range(2)]
    keys, words = group_clips(clips)
    assert keys == ["mon", "mon", "tue", "tue"] * 2 and "one folder below their class" in words
    column = [Found(c.path, c.labels, c.session, f"g{i % 3}") for i, c in enumerate(clips)]
    assert group_clips(column)[0] == [f"g{i % 3}" for i in range(8)] and "column" in group_clips(column)[1]


def test_recordings_are_never_on_two_sides(tmp_path: Path) -> None:
    names = (f"{k}/v_{k}_g{g:02d}_c{c:02d}.mp4" for k in ("clap", "wave") for g in range(8) for c in range(4))
    source = open_own(plant(tmp_path, *names))
    sides = defaultdict(set)
    for split, held in files(source).items():
        for name in held:
            sides[name.rsplit("_", 1)[0]].add(split)
    assert len(sides) == 16 and all(len(side) == 1 for side in sides.values())
    assert any("number at the end are one group" in note for note in source.notes)


def test_the_same_clips_are_parted_the_same_wherever_they_lie(tmp_path: Path) -> None:
    one, other = open_own(classes(tmp_path / "a")), open_own(classes(tmp_path / "b"))
    assert files(one) == files(other) != files(open_own(tmp_path / "a", seed=1))
    assert one.manifest("train").digest() == other.manifest("train").digest()


def test_unequal_classes_are_all_measured(tmp_path: Path) -> None:
    plant(tmp_path, *(f"clap/{n}x.mp4" for n in range(60)), *(f"wave/{n}x.mp4" for n in range(3)))
    source = open_own(tmp_path)
    found = {s: Counter(source.manifest(s).labels.tolist()) for s in source.splits}
    assert found["train"][1] >= 1 and found["dev"][1] >= 1 and abs(found["train"][0] - 42) <= 1


def test_shares() -> None:
    assert shares_of(400, []) == {"train": 0.55, "dev": 0.15, "calibration": 0.15, "test": 0.15}
    assert shares_of(100, ["train", "dev", "test"]) == {"train": 1.0}
    assert all(abs(sum(shares_of(n, []).values()) - 1) < 1e-9 for n in (20, 320, 999, 1000, 5000))


def test_the_split_of_a_run_outlives_new_clips(tmp_path: Path) -> None:
    source = open_own(classes(tmp_path / "data"))
    keep_split(source, tmp_path / "run")
    plant(tmp_path / "data", *(f"clap/new{n}.mp4" for n in range(5)))
    again = open_own(tmp_path / "run")
    assert files(again) == files(source) and again.name == "data" and not again.carved
    for split in source.splits:
        assert again.manifest(split).digest() == source.manifest(split).digest()
        assert all(again.manifest(split).path(i) == source.manifest(split).path(i) for i in range(2))
    with pytest.raises(ConfigError, match="unknown split of data 'calibration'") as refused:
        again.manifest("calibration")
    assert "its 20 clips were too few to set some apart (expected 320" in str(refused.value)
    assert "infer --confidence 0.9" in str(refused.value) and "train'" not in str(refused.value)


def test_what_prepare_made_keeps_its_splits_and_bad_clips_out_of_training(tmp_path: Path) -> None:
    entries = [Entry(str(n), f"{n}.mp4", n % 2, "dev" if n > 5 else "train", span=(1.0, 2.5)) for n in range(8)]
    entries += [
        Entry("8", "8.mp4", 0, "train", status="bad", reason="truncated"),
        Entry("9", "9.mp4", 0, "dev", status="missing"),
    ]
    write_entries(tmp_path, Head("jester", ("clap", "wave")), entries)
    source = open_prepared(tmp_path)
    assert files(source) == {"train": list("012345"), "dev": list("679")} and source.name == "jester"
    assert source.notes == ("2 of 10 clips are bad or missing: left out of train, counted as wrong elsewhere",)
    keep_split(source, tmp_path / "run")
    assert np.array_equal(
        open_prepared(tmp_path / "run").manifest("dev").spans, source.manifest("dev").spans, equal_nan=True
    )
    write_entries(tmp_path, Head("jester", ("clap", "wave")), entries[:6])
    with pytest.raises(DataError, match=r"manifest.jsonl: holds no clip of split 'dev'"):
        open_own(tmp_path)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([], r"no clip below its 0 sub-folders; expected CLASS/clip.mp4"),
        (["clap/readme.txt"], "no clip below its 1 sub-folders"),
        (["a.mp4"], "videos lie directly in it; expected a sub-folder of clips for each class"),
        (["clap/1.mp4", "clap/2.mp4"], "holds 1 class; expected two or more"),
        (["clap/1.mp4", "clap/2.mp4", "wave/1.mp4"], r"class 'wave' has one group .* expected two at least"),
        (["train/clap/1.mp4", "train/wave/1.mp4", "trial/clap/1.mp4"], r"trial: lies beside train/; unknown split"),
        (["train/clap/1.mp4", "val/clap/2.mp4", "val/wave/2.mp4"], r"1 of 2 classes have no training clip: 'wave'"),
    ],
)
def test_what_cannot_be_trained_on_says_what_is_needed(tmp_path: Path, names: list[str], words: str) -> None:
    with pytest.raises(DataError, match=words):
        open_own(plant(tmp_path, *names))


def test_a_class_that_no_clip_shows_is_refused(tmp_path: Path) -> None:
    classes(tmp_path)
    (tmp_path / "list.txt").write_text(
        "".join(f"{k}/{n}x.mp4 {i}\n" for i, k in enumerate(("clap", "wave")) for n in range(8))
    )
    (tmp_path / "names.txt").write_text("clap\nwave\njump\n")
    with pytest.raises(DataError, match=r"list.txt: 1 of 3 classes have no training clip: 'jump'"):
        open_own(tmp_path / "list.txt", class_file=tmp_path / "names.txt")


def test_what_is_not_there_and_what_does_not_belong(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no such folder or list; a data set is named by --dataset"):
        open_own(tmp_path / "mini")
    with pytest.raises(DataError, match="--val and --classes belong to a list"):
        find_clips(classes(tmp_path), val=tmp_path / "val.txt")
    with pytest.raises(DataError, match=r"no clip is for training; found splits \['test'\]"):
        carve([Found("a.mp4", ("x",), split="test")], tmp_path, 0)


def test_names_in_any_bytes_survive(tmp_path: Path) -> None:
    classes(tmp_path / "data")
    odd = os.fsdecode(b"caf\xe9x.mp4")
    plant(tmp_path / "data", f"clap/{odd}", "wave/line\nbreak.mp4")
    source = open_own(tmp_path / "data")
    keep_split(source, tmp_path / "run")
    again = files(open_prepared(tmp_path / "run"))
    assert again == files(source) and f"clap/{odd}" in set(chain(*again.values()))
    json.loads((tmp_path / "run" / "manifest.jsonl").read_text(errors="surrogateescape").splitlines()[0])


def test_quarantined_clips_are_left_out_before_the_split(tmp_path: Path) -> None:
    row = {"path": "clap/3x.mp4", "kind": "truncated", "reason": "decoding ends after 2 frames"}
    (classes(tmp_path) / "quarantine.jsonl").write_text(json.dumps(row) + "\n")
    source = open_own(tmp_path)
    assert "clap/3x.mp4" not in set(chain(*files(source).values())) and sum(map(len, files(source).values())) == 19
    assert "1 clips are in quarantine and left out: clap/3x.mp4: decoding ends after 2 frames" in source.notes
    assert len(open_whole(tmp_path).manifest("all")) == 20
