"""The embedded data set: the same pixels every time, split cleanly, and with no leak from place to motion."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import av
import numpy as np
import pytest

pytest.importorskip("skimage")
pytest.importorskip("sklearn")

from gfnet_video.datasets import mini, mini_material, mini_render
from gfnet_video.errors import ConfigError, DataError, DependencyError

CLIPS = {"train": 5, "test": 3}
MOTIONS = sorted(mini_render.MOTIONS)
OPPOSITE = {"left": "right", "right": "left", "up": "down", "down": "up"}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    root = tmp_path_factory.mktemp("mini")
    return root, mini.generate(root, clips=CLIPS, workers=1)


@pytest.fixture(scope="module")
def simulated() -> dict[str, np.ndarray]:
    """20,000 trajectories: motion (n,), height (n,), mover and distractor (n,36,2), drift (n,36,2)."""
    rng = np.random.default_rng(3)
    motion = rng.integers(4, size=20_000)
    height = rng.uniform(*mini_render.HEIGHT, len(motion))
    paths = [
        mini_render.draw_paths(rng, MOTIONS[m], h, rng.uniform(*mini_render.TRAVEL))
        for m, h in zip(motion, height, strict=True)
    ]
    columns = {name: np.stack([getattr(p, name) for p in paths]) for name in ("mover", "distractor", "drift")}
    return {"motion": motion, "height": height, **columns}


def guess(places: np.ndarray, motion: np.ndarray, bins: int = 8) -> float:
    """Accuracy on the second half of guessing motion from places (n,2) by counting cells in the first half."""
    low, high = places.min(0), places.max(0) + 1e-9
    cells = ((places - low) / (high - low) * bins).astype(int) @ (bins, 1)
    half = len(cells) // 2
    counts = np.zeros((bins * bins, 4))
    np.add.at(counts, (cells[:half], motion[:half]), 1)
    return float((counts.argmax(1)[cells[half:]] == motion[half:]).mean())


def unwrapped_steps(paths: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Displacements (n,35,2) with the jumps of the wrap taken out."""
    span = (1 - height)[:, None, None]
    steps = np.diff(paths, axis=1)
    return steps - span * np.rint(steps / span)


def test_same_seed_same_pixels_and_another_seed_others(tree: tuple[Path, str], tmp_path: Path) -> None:
    assert mini.generate(tmp_path, clips=CLIPS, workers=2) == tree[1]
    one, two = (mini_render.render(mini_render.plan_clip(seed, "train", 0, 3), seed) for seed in (0, 1))
    assert (one != two).mean() > 0.5


def test_complete_tree_is_left_alone(tree: tuple[Path, str]) -> None:
    before = {p: p.stat().st_mtime_ns for p in tree[0].rglob("*")}
    assert mini.generate(tree[0], clips=CLIPS) == tree[1]
    assert {p: p.stat().st_mtime_ns for p in tree[0].rglob("*")} == before


def test_killed_run_resumes_to_the_same_hash(tree: tuple[Path, str], tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from gfnet_video.datasets.mini import generate\n"
        f"generate(Path(sys.argv[1]), clips={CLIPS}, workers=1, progress=lambda d, t: os._exit(9) if d == 4 else None)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == 9
    assert not (tmp_path / mini.STAMP).exists()
    with (tmp_path / mini.JOURNAL).open("a") as journal:
        journal.write("100004 0123")  # a line cut off by the kill
    (tmp_path / mini.MINI.folder / "100001.webm").unlink()
    seen: list[int] = []
    assert mini.generate(tmp_path, clips=CLIPS, workers=1, progress=lambda d, t: seen.append(d)) == tree[1]
    assert seen == [3, 4, 5, 6, 7, 8]
    same = [p.name for p in (tree[0] / mini.MINI.folder).iterdir()]
    assert all(
        (tmp_path / mini.MINI.folder / n).read_bytes() == (tree[0] / mini.MINI.folder / n).read_bytes() for n in same
    )


def test_layout_is_that_of_something_something_v2(tree: tuple[Path, str]) -> None:
    labels = json.loads((tree[0] / "labels" / "labels.json").read_text())
    assert list(labels) == sorted(labels) and list(labels.values()) == [str(i) for i in range(40)]
    for split, count in CLIPS.items():
        items = json.loads((tree[0] / "labels" / f"{split}.json").read_text())
        assert len(items) == count
        for item in items:
            assert (tree[0] / mini.MINI.folder / f"{item['id']}.webm").is_file()
            name = item["template"].replace("[", "").replace("]", "")
            assert name in labels and item["label"] == name.lower() and item["placeholders"] == [name.split()[1]]


def test_every_clip_decodes_to_its_frames(tree: tuple[Path, str]) -> None:
    for path in (tree[0] / mini.MINI.folder).iterdir():
        with av.open(str(path)) as container:
            frames = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
            assert container.streams.video[0].average_rate == mini_render.RATE
        assert len(frames) == 36 and {f.shape for f in frames} == {(240, 240, 3)}


def test_truth_matches_the_annotation(tree: tuple[Path, str]) -> None:
    with np.load(tree[0] / "labels" / "truth.npz") as truth:
        assert truth["mover"].shape == truth["distractor"].shape == (8, 36, 2)
        target = mini_material.digits()[1]
        assert (target[truth["instance"]] == truth["label"] // 4).all()
        assert (target[truth["distractor_instance"]] != truth["label"] // 4).all()
        items = [i for s in CLIPS for i in json.loads((tree[0] / "labels" / f"{s}.json").read_text())]
        names = [mini_render.CLASSES[i] for i in truth["label"]]
        assert dict(zip(truth["id"], names, strict=True)) == {
            i["id"]: i["template"].replace("[", "").replace("]", "") for i in items
        }


@pytest.mark.parametrize(("split", "count"), [("train", 3000), ("dev", 400), ("calibration", 815)])
def test_classes_are_balanced(split: str, count: int) -> None:
    counts = Counter(mini.labels_of(0, split, count).tolist())
    assert len(counts) == 40 and max(counts.values()) - min(counts.values()) <= 1 and sum(counts.values()) == count


def test_splits_share_no_digit_and_no_photograph() -> None:
    for digit in range(10):
        owned = [set(mini_material.instances(s, digit).tolist()) for s in mini_material.SPLITS]
        assert all(len(o) >= 10 for o in owned)
        assert sum(map(len, owned)) == len(set.union(*owned)) == (mini_material.digits()[1] == digit).sum()
    photographs = [{c.photograph for c in mini_material.crops(s)} for s in mini_material.SPLITS]
    assert sum(map(len, photographs)) == len(set.union(*photographs)) == len(mini_material.PHOTOGRAPHS)
    assert all(len(set(mini_material.crops(s))) >= 60 for s in mini_material.SPLITS)


def test_test_photographs_may_be_redistributed() -> None:
    free = [p.licence for p in mini_material.PHOTOGRAPHS if p.split == "test"]
    assert free and all(licence.startswith(("CC0", "public domain")) for licence in free)


def test_place_is_uniform_at_every_instant(simulated: dict[str, np.ndarray]) -> None:
    height = simulated["height"][:, None, None]
    for name in ("mover", "distractor"):
        part = (simulated[name] - height / 2) / (1 - height)
        assert part.min() >= 0 and part.max() <= 1  # wholly visible
        for t in range(0, 36, 5):
            for axis in range(2):
                shares = np.histogram(part[:, t, axis], 10, (0, 1))[0] / len(part)
                assert np.abs(shares - 0.1).max() < 0.012


def test_one_frame_does_not_tell_the_motion(simulated: dict[str, np.ndarray]) -> None:
    height = simulated["height"][:, None]
    for t in range(36):
        mover, other = simulated["mover"][:, t], simulated["distractor"][:, t]
        for places in (mover, (mover - height / 2) / (1 - height), other, mover - other):
            assert guess(places, simulated["motion"]) <= 0.30


def test_guess_would_see_a_leak(simulated: dict[str, np.ndarray]) -> None:
    """The check itself: straight paths from a margin are told at once."""
    ahead = np.array([mini_render.MOTIONS[m] for m in MOTIONS])[simulated["motion"]]
    assert guess(simulated["mover"][:, 0] * 0.3 + ahead, simulated["motion"]) > 0.9


def test_classes_are_closed_under_time_reversal(simulated: dict[str, np.ndarray]) -> None:
    names = set(mini_render.CLASSES)
    assert all(f"{c.rsplit(' ', 1)[0]} {OPPOSITE[c.rsplit(' ', 1)[1]]}" in names for c in names)
    steps = unwrapped_steps(simulated["mover"], simulated["height"])
    for index, name in enumerate(MOTIONS):
        back = -steps[simulated["motion"] == index][:, ::-1]
        forth = steps[simulated["motion"] == MOTIONS.index(OPPOSITE[name])]
        assert np.abs(back.mean(0) - forth.mean(0)).max() < 1e-3  # of the side a frame; a step is about 0.015
        assert np.abs(back.std(0) - forth.std(0)).max() < 1e-3


def test_motion_is_relative_to_the_scene(simulated: dict[str, np.ndarray]) -> None:
    steps = unwrapped_steps(simulated["mover"], simulated["height"]) - np.diff(simulated["drift"], axis=1)
    ahead = np.array([mini_render.MOTIONS[m] for m in MOTIONS])[simulated["motion"]]
    travel = np.einsum("nta,na->n", steps, ahead)
    assert travel.min() >= 0.45 - 1e-6 and travel.max() <= 0.62 + 1e-6
    rest = unwrapped_steps(simulated["distractor"], simulated["height"]) - np.diff(simulated["drift"], axis=1)
    assert np.abs(rest).max() < 1e-9


def test_what_cannot_be_made_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="did you mean 'train'"):
        mini.generate(tmp_path, clips={"trian": 3})
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "labels.json").write_text("{}")
    with pytest.raises(DataError, match="another data set"):
        mini.generate(tmp_path, clips={"train": 3})
    monkeypatch.setattr(mini_material, "find_spec", lambda name: None)
    with pytest.raises(DependencyError, match=r"scikit-image is not installed.*gfnet-video\[mini\]"):
        mini.generate(tmp_path / "new", clips={"train": 3})
