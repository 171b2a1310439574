"""Making `mini` and `mini-image`: planned, rendered and encoded clips in the layout of Something-Something V2.

A clip is written under a temporary name and renamed when whole, its pixel hash then goes into a journal, and the stamp
comes last: killed at any time, the next call carries on and ends with the same data and the same hash.
The renderer is imported where it is used, because it needs the extra `mini`.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gfnet_video.datasets.mini_kinds import KINDS, MINI, Kind
from gfnet_video.datasets.mini_material import PHOTOGRAPHS, SPLITS, check_packages, crops
from gfnet_video.errors import ConfigError, DataError, unknown
from gfnet_video.files import whole, write_text

STAMP, JOURNAL = "mini.json", ".journal"
KNOBS = (
    "label", "instance", "distractor_instance", "background",
    "difficulty", "height", "travel", "contrast", "texture", "noise",
)  # fmt: skip
Job = tuple[str, str, int, str, int, int]  # kind, folder, seed, split, clip number, label
Progress = Callable[[int, int], None]


def generate(
    root: Path,
    *,
    kind: Kind = MINI,
    clips: dict[str, int] | None = None,
    seed: int = 0,
    workers: int = 2,
    progress: Progress | None = None,
) -> str:
    """Make the data set under `root` and return the sha256 (hex) of its rendered pixels; a complete one is kept as is.

    kind: which of the two. clips: clips per split, of the names in SPLITS; None: the kind's own. workers: processes; 1
    works in this one. progress: called with (clips done, clips in all).
    A script that calls this with several workers needs an `if __name__ == "__main__"`.
    Raises ConfigError for other split names or counts, DataError where `root` holds another data set,
    DependencyError without scikit-image or scikit-learn.
    """
    root = Path(root)
    clips = kind.counts if clips is None else clips
    _check(kind, clips, root)
    stamp = _stamp(kind, seed, clips)
    if (done := _complete(kind, root, stamp)) is not None:
        return done
    check_packages()
    (root / "labels").mkdir(parents=True, exist_ok=True)
    (root / kind.folder).mkdir(exist_ok=True)
    jobs = list(_jobs(kind, root, seed, clips))
    hashes = _render_all(kind, root, stamp, jobs, workers, progress or (lambda done, total: None))
    _write_labels(kind, root, seed, clips)
    digest = hashlib.sha256("".join(hashes[i] for i in sorted(hashes)).encode()).hexdigest()
    write_text(root / STAMP, json.dumps({**stamp, "pixels": digest}, indent=1))
    return digest


def clip_id(split: str, number: int) -> str:
    """The id of a clip: its split in the first figure.

    >>> clip_id("dev", 7)
    '200007'
    """
    return str((SPLITS.index(split) + 1) * 100_000 + number)


def labels_of(seed: int, split: str, count: int, kind: Kind = MINI) -> np.ndarray:
    """Class of every clip of a split (count,): shuffled, each class as often as the others to within one."""
    classes = len(kind.classes)
    rng = np.random.default_rng([seed, SPLITS.index(split), 7])
    rounds = [rng.permutation(classes) for _ in range(-(-count // classes))]
    return rng.permutation(np.concatenate([*rounds, np.zeros(0, np.int64)])[:count])


def _check(kind: Kind, clips: dict[str, int], root: Path) -> None:
    for split, count in clips.items():
        if split not in SPLITS:
            raise ConfigError(unknown(f"split of {kind.name}", split, SPLITS))
        if not 0 <= count < 100_000:
            raise ConfigError(f"{kind.name}: {split} must hold 0 to 99999 clips, not {count}")
    foreign = (root / "labels" / "labels.json").exists() and not ((root / STAMP).exists() or (root / JOURNAL).exists())
    if foreign or _kinds_at(root) - {kind.name}:
        raise DataError(f"{root} holds another data set; give {kind.name} a folder of its own")


def _kinds_at(root: Path) -> set[object]:
    """What a finished or begun tree says it is; nothing where that cannot be read."""
    found = set[object]()
    for file, lines in ((STAMP, None), (JOURNAL, 1)):
        try:
            head = json.loads("\n".join((root / file).read_text().splitlines()[:lines]))
        except (OSError, ValueError):
            continue
        if isinstance(head, dict):
            found.add(str(head.get("name")))
    return found


def _stamp(kind: Kind, seed: int, clips: dict[str, int]) -> dict[str, Any]:
    counts = {s: clips[s] for s in SPLITS if clips.get(s)}
    return {"name": kind.name, "version": kind.version, "seed": seed, "clips": counts}


def _complete(kind: Kind, root: Path, stamp: dict[str, Any]) -> str | None:
    """The hash of a finished tree with this stamp, or None where something is missing or of another make."""
    try:
        found = json.loads((root / STAMP).read_text())
        present = {entry.name for entry in os.scandir(root / kind.folder)}
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict) or {k: v for k, v in found.items() if k != "pixels"} != stamp:
        return None
    wanted = {clip_id(s, n) + kind.suffix for s, count in stamp["clips"].items() for n in range(count)}
    names = ["labels.json", "truth.npz", *(f"{s}.json" for s in stamp["clips"])]
    whole = wanted <= present and all((root / "labels" / name).is_file() for name in names)
    return str(found.get("pixels")) if whole else None


def _jobs(kind: Kind, root: Path, seed: int, clips: dict[str, int]) -> Iterator[Job]:
    for split in SPLITS:
        for number, label in enumerate(labels_of(seed, split, clips.get(split, 0), kind)):
            yield kind.name, str(root / kind.folder), seed, split, number, int(label)


def _render_all(
    kind: Kind, root: Path, stamp: dict[str, Any], jobs: list[Job], workers: int, progress: Progress
) -> dict[str, str]:
    """Pixel hash of every clip by id, from the journal where one is there and rendered where not."""
    hashes = _read_journal(kind, root, stamp)
    left = [job for job in jobs if clip_id(job[3], job[4]) not in hashes]
    progress(len(jobs) - len(left), len(jobs))
    with (root / JOURNAL).open("a") as journal:
        for clip, digest in _results(left, workers):
            hashes[clip] = digest
            journal.write(f"{clip} {digest}\n")
            journal.flush()
            progress(len(hashes), len(jobs))
    return hashes


def _read_journal(kind: Kind, root: Path, stamp: dict[str, Any]) -> dict[str, str]:
    """Clips already made with this stamp, whose files are there; a journal of another stamp is begun anew."""
    head = json.dumps(stamp)
    file = root / JOURNAL
    lines = file.read_text().splitlines() if file.exists() else []
    if lines[:1] != [head]:
        lines = []
    rows = [row.groups() for line in lines[1:] if (row := re.fullmatch(r"(\d{6}) ([0-9a-f]{64})", line))]
    kept = {clip: digest for clip, digest in rows if (root / kind.folder / (clip + kind.suffix)).is_file()}
    write_text(file, "".join(f"{line}\n" for line in [head, *(f"{c} {d}" for c, d in kept.items())]))
    return kept


def _results(jobs: list[Job], workers: int) -> Iterator[tuple[str, str]]:
    if workers <= 1 or len(jobs) < 2:
        yield from map(_make, jobs)
        return
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        yield from pool.imap_unordered(_make, jobs, chunksize=8)


def _make(job: Job) -> tuple[str, str]:
    """Render and encode one clip; return its id and the sha256 of its pixels."""
    from gfnet_video.datasets.mini_render import render

    name, folder, seed, split, number, label = job
    kind, clip = KINDS[name], clip_id(split, number)
    frames = render(kind.plan(seed, split, number, label), seed)
    with whole(Path(folder) / (clip + kind.suffix)) as temporary:
        kind.write(temporary, frames)
    return clip, hashlib.sha256(frames.tobytes()).hexdigest()


def _write_labels(kind: Kind, root: Path, seed: int, clips: dict[str, int]) -> None:
    folder, classes = root / "labels", kind.classes
    write_text(folder / "labels.json", json.dumps({name: str(i) for i, name in enumerate(classes)}, indent=1))
    for split in (s for s in SPLITS if clips.get(s)):
        labels = labels_of(seed, split, clips[split], kind)
        items = [kind.item(clip_id(split, n), classes[label]) for n, label in enumerate(labels)]
        write_text(folder / f"{split}.json", json.dumps(items, indent=1))
    _write_truth(kind, folder / "truth.npz", seed, clips)


def _write_truth(kind: Kind, path: Path, seed: int, clips: dict[str, int]) -> None:
    """What each clip really shows, for tests, controls and reports: one row a clip in every array. Of training it is no
    part, but of that of the oracle control.

    mover and distractor (clips,frames,2) are centres (y,x) as parts of the frame.
    """
    plans = [
        kind.plan(seed, s, n, int(label))
        for s in SPLITS
        for n, label in enumerate(labels_of(seed, s, clips.get(s, 0), kind))
    ]
    arrays: dict[str, np.ndarray] = {"id": np.array([clip_id(p.split, p.number) for p in plans], "U6")}
    for name in KNOBS:
        arrays[name] = np.array([getattr(p, name) for p in plans])
    for name in ("mover", "distractor", "drift"):
        arrays[name] = np.array([getattr(p.paths, name) for p in plans], np.float32)
    files = np.array([p.file for p in PHOTOGRAPHS])
    arrays["photograph"] = files[[crops(p.split)[p.background].photograph for p in plans]] if plans else files[:0]
    with whole(path) as temporary, temporary.open("wb") as out:
        np.savez_compressed(out, **arrays)  # type: ignore[arg-type]
