"""Which clips a split holds: files, labels and class names, in arrays that a loader's workers copy cheaply."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np

from gfnet_video.errors import ConfigError

_PER_CLIP = ("ids", "files", "labels", "frames", "spans")


def _no_pairs() -> np.ndarray:
    return np.zeros((0, 2), np.int64)


@dataclass(frozen=True)
class Manifest:
    """A split: `classes` in label order, and N clips.

    ids, files: (N,) bytes; a file is a path below `root`: a video, or a folder of frames where `template` names them
    (`%05d.jpg`). labels: (N,) int64. frames: (N,) int64, how many decode, 0 where nobody has counted. spans: (N,2)
    seconds, the part of the video that is the clip, NaN where it is the whole. further: (M,2) int64 pairs of a clip's
    place and a class that is right for it too. Raises ConfigError where lengths or labels do not fit.
    """

    split: str
    classes: tuple[str, ...]
    root: Path
    ids: np.ndarray
    files: np.ndarray
    labels: np.ndarray
    frames: np.ndarray
    spans: np.ndarray
    template: str = ""
    further: np.ndarray = field(default_factory=_no_pairs)

    def __post_init__(self) -> None:
        lengths = {name: len(getattr(self, name)) for name in _PER_CLIP}
        if len(set(lengths.values())) != 1:
            raise ConfigError(f"a manifest's arrays have lengths {lengths}; expected one for all")
        known = np.concatenate([self.labels, self.further[:, 1]])
        if len(known) and not 0 <= known.min() <= known.max() < len(self.classes):
            raise ConfigError(f"labels are {known.min()} to {known.max()}; expected 0 to {len(self.classes) - 1}")

    @classmethod
    def of(
        cls,
        split: str,
        classes: Iterable[str],
        root: Path,
        ids: Sequence[str],
        files: Sequence[str],
        labels: Sequence[int],
        *,
        frames: Sequence[int] | None = None,
        spans: Sequence[tuple[float, float]] | None = None,
        template: str = "",
        further: Sequence[tuple[int, int]] = (),
    ) -> Manifest:
        """From lists, one entry a clip; frames and spans are unknown and whole where they are not given."""
        n = len(ids)
        return cls(
            split,
            tuple(classes),
            Path(root),
            np.array([os.fsencode(i) for i in ids], np.bytes_),
            np.array([os.fsencode(f) for f in files], np.bytes_),
            np.array(labels, np.int64),
            np.zeros(n, np.int64) if frames is None else np.array(frames, np.int64),
            np.full((n, 2), np.nan) if spans is None else np.array(spans, np.float64).reshape(n, 2),
            template,
            np.array(further, np.int64).reshape(-1, 2),
        )

    def __len__(self) -> int:
        return len(self.ids)

    def id(self, index: int) -> str:
        """The name of a clip within its data set."""
        return os.fsdecode(self.ids[index])

    def path(self, index: int) -> Path:
        """The clip's video, or its folder of frames."""
        return self.root / os.fsdecode(self.files[index])

    def select(self, rows: np.ndarray) -> Manifest:
        """The clips at `rows` (n,) int, in that order, each once at most."""
        place = {int(row): new for new, row in enumerate(rows)}
        pairs = [(place[int(i)], int(k)) for i, k in self.further if int(i) in place]
        held = {f.name: getattr(self, f.name) for f in fields(self)}
        picked = {name: held[name][rows] for name in _PER_CLIP}
        return Manifest(**held | picked | {"further": np.array(pairs, np.int64).reshape(-1, 2)})

    def head(self, count: int) -> Manifest:
        """The first `count` clips."""
        return self.select(np.arange(min(count, len(self))))

    def digest(self) -> str:
        """sha256 of class names, ids, labels and spans: which data a result or a threshold belongs to."""
        content: list[object] = [self.classes, [self.id(i) for i in range(len(self))], self.labels.tolist()]
        if bool(np.isfinite(self.spans).any()):
            content.append(np.nan_to_num(self.spans, nan=-1.0).tolist())
        if len(self.further):
            content.append(self.further.tolist())
        return hashlib.sha256(json.dumps(content).encode("utf-8", "surrogateescape")).hexdigest()
