"""Making `mini`: planned, rendered and encoded clips in the layout of Something-Something V2.

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

import av
import numpy as np

from gfnet_video.datasets.mini_material import PHOTOGRAPHS, SPLITS, check_packages, crops
from gfnet_video.errors import ConfigError, DataError, unknown
from gfnet_video.files import whole, write_text

VERSION = 1  # raise it when a pixel changes: trees of another version are made anew
DEFAULT_CLIPS = {"train": 3000, "dev": 1600, "calibration": 2000, "test": 2000}
FOLDER, SUFFIX = "20bn-something-something-v2", ".webm"
STAMP, JOURNAL = "mini.json", ".journal"
CODEC = "libvpx-vp9"
OPTIONS = {
    "deadline": "realtime", "cpu-used": "8", "row-mt": "0", "threads": "1", "crf": "30", "b": "0", "flags": "+bitexact",
}  # fmt: skip
KNOBS = (
    "label", "instance", "distractor_instance", "background",
    "difficulty", "height", "travel", "contrast", "texture", "noise",
)  # fmt: skip
Job = tuple[str, int, str, int, int]  # folder, seed, split, clip number, label
Progress = Callable[[int, int], None]


def generate(
    root: Path,
    *,
    clips: dict[str, int] = DEFAULT_CLIPS,
    seed: int = 0,
    workers: int = 2,
    progress: Progress | None = None,
) -> str:
    """Make the data set under `root` and return the sha256 (hex) of its rendered pixels; a complete one is kept as is.

    clips: clips per split, of the names in SPLITS. workers: processes; 1 works in this one. progress: called with
    (clips done, clips in all). A script that calls this with several workers needs an `if __name__ == "__main__"`.
    Raises ConfigError for other split names or counts, DataError where `root` holds another data set,
    DependencyError without scikit-image or scikit-learn.
    """
    root = Path(root)
    _check(clips, root)
    stamp = _stamp(seed, clips)
    if (done := _complete(root, stamp)) is not None:
        return done
    check_packages()
    (root / "labels").mkdir(parents=True, exist_ok=True)
    (root / FOLDER).mkdir(exist_ok=True)
    hashes = _render_all(root, stamp, list(_jobs(root, seed, clips)), workers, progress or (lambda done, total: None))
    _write_labels(root, seed, clips)
    digest = hashlib.sha256("".join(hashes[i] for i in sorted(hashes)).encode()).hexdigest()
    write_text(root / STAMP, json.dumps({**stamp, "pixels": digest}, indent=1))
    return digest


def clip_id(split: str, number: int) -> str:
    """The id of a clip: its split in the first figure.

    >>> clip_id("dev", 7)
    '200007'
    """
    return str((SPLITS.index(split) + 1) * 100_000 + number)


def labels_of(seed: int, split: str, count: int) -> np.ndarray:
    """Class of every clip of a split (count,): shuffled, each class as often as the others to within one."""
    from gfnet_video.datasets.mini_render import CLASSES

    rng = np.random.default_rng([seed, SPLITS.index(split), 7])
    rounds = [rng.permutation(len(CLASSES)) for _ in range(-(-count // len(CLASSES)))]
    return rng.permutation(np.concatenate([*rounds, np.zeros(0, np.int64)])[:count])


def _check(clips: dict[str, int], root: Path) -> None:
    for split, count in clips.items():
        if split not in SPLITS:
            raise ConfigError(unknown("split of mini", split, SPLITS))
        if not 0 <= count < 100_000:
            raise ConfigError(f"mini: {split} must hold 0 to 99999 clips, not {count}")
    if (root / "labels" / "labels.json").exists() and not ((root / STAMP).exists() or (root / JOURNAL).exists()):
        raise DataError(f"{root} holds another data set; give mini a folder of its own")


def _stamp(seed: int, clips: dict[str, int]) -> dict[str, Any]:
    return {"name": "mini", "version": VERSION, "seed": seed, "clips": {s: clips[s] for s in SPLITS if clips.get(s)}}


def _complete(root: Path, stamp: dict[str, Any]) -> str | None:
    """The hash of a finished tree with this stamp, or None where something is missing or of another make."""
    try:
        found = json.loads((root / STAMP).read_text())
        present = {entry.name for entry in os.scandir(root / FOLDER)}
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict) or {k: v for k, v in found.items() if k != "pixels"} != stamp:
        return None
    wanted = {clip_id(s, n) + SUFFIX for s, count in stamp["clips"].items() for n in range(count)}
    names = ["labels.json", "truth.npz", *(f"{s}.json" for s in stamp["clips"])]
    whole = wanted <= present and all((root / "labels" / name).is_file() for name in names)
    return str(found.get("pixels")) if whole else None


def _jobs(root: Path, seed: int, clips: dict[str, int]) -> Iterator[Job]:
    for split in SPLITS:
        for number, label in enumerate(labels_of(seed, split, clips.get(split, 0))):
            yield str(root / FOLDER), seed, split, number, int(label)


def _render_all(root: Path, stamp: dict[str, Any], jobs: list[Job], workers: int, progress: Progress) -> dict[str, str]:
    """Pixel hash of every clip by id, from the journal where one is there and rendered where not."""
    hashes = _read_journal(root, stamp)
    left = [job for job in jobs if clip_id(job[2], job[3]) not in hashes]
    progress(len(jobs) - len(left), len(jobs))
    with (root / JOURNAL).open("a") as journal:
        for clip, digest in _results(left, workers):
            hashes[clip] = digest
            journal.write(f"{clip} {digest}\n")
            journal.flush()
            progress(len(hashes), len(jobs))
    return hashes


def _read_journal(root: Path, stamp: dict[str, Any]) -> dict[str, str]:
    """Clips already made with this stamp, whose files are there; a journal of another stamp is begun anew."""
    head = json.dumps(stamp)
    file = root / JOURNAL
    lines = file.read_text().splitlines() if file.exists() else []
    if lines[:1] != [head]:
        lines = []
    rows = [row.groups() for line in lines[1:] if (row := re.fullmatch(r"(\d{6}) ([0-9a-f]{64})", line))]
    kept = {clip: digest for clip, digest in rows if (root / FOLDER / (clip + SUFFIX)).is_file()}
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
    from gfnet_video.datasets.mini_render import plan_clip, render

    folder, seed, split, number, label = job
    clip = clip_id(split, number)
    frames = render(plan_clip(seed, split, number, label), seed)
    with whole(Path(folder) / (clip + SUFFIX)) as temporary:
        _encode(temporary, frames)
    return clip, hashlib.sha256(frames.tobytes()).hexdigest()


def _encode(path: Path, frames: np.ndarray) -> None:
    """Write (t,h,w,3) uint8 frames as VP9 in webm, on one thread and without anything that names the moment."""
    with av.open(str(path), "w", format="webm", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream(CODEC, rate=12, options=OPTIONS)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def _write_labels(root: Path, seed: int, clips: dict[str, int]) -> None:
    from gfnet_video.datasets.mini_render import CLASSES

    folder = root / "labels"
    write_text(folder / "labels.json", json.dumps({name: str(i) for i, name in enumerate(CLASSES)}, indent=1))
    for split in (s for s in SPLITS if clips.get(s)):
        labels = labels_of(seed, split, clips[split])
        items = [_item(clip_id(split, n), CLASSES[label]) for n, label in enumerate(labels)]
        write_text(folder / f"{split}.json", json.dumps(items, indent=1))
    _write_truth(folder / "truth.npz", seed, clips)


def _item(clip: str, name: str) -> dict[str, Any]:
    verb, digit, motion = name.split()
    return {"id": clip, "label": name.lower(), "template": f"{verb} [{digit}] {motion}", "placeholders": [digit]}


def _write_truth(path: Path, seed: int, clips: dict[str, int]) -> None:
    """What each clip really shows, for tests, controls and reports, never for training: one row a clip in every array.

    mover and distractor (clips,36,2) are centres (y,x) as parts of the frame.
    """
    from gfnet_video.datasets.mini_render import plan_clip

    plans = [
        plan_clip(seed, s, n, int(label)) for s in SPLITS for n, label in enumerate(labels_of(seed, s, clips.get(s, 0)))
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
