"""What data that was made knows of its clips; where the object that bears the class really is, for the oracle."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from gfnet_video.datasets.manifest import Manifest
from gfnet_video.errors import DataError, printable

TRUTH = Path("labels", "truth.npz")


def read_truth(path: Path, column: str) -> tuple[dict[str, int], np.ndarray]:
    """A column of what a data set that was made knows of its clips (n,...), and each clip's row by its id.

    Raises DataError where the file cannot be read or has no such column.
    """
    try:
        with np.load(path) as truth:
            rows, values = {str(name): n for n, name in enumerate(truth["id"])}, truth[column].astype(float)
            if len(truth["id"]) != len(values):
                raise ValueError(f"{len(truth['id'])} ids, but {len(values)} rows of {column}")
            return rows, values
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{printable(path)}: cannot be read: {error}; make the data anew") from error


def known_of(manifest: Manifest, column: str) -> np.ndarray:
    """A column of the truth, one row for each clip (N,...). Raises DataError where it is broken or lacks a clip."""
    file = manifest.root / TRUTH
    rows, known = read_truth(file, column)
    ids = [manifest.id(i) for i in range(len(manifest))]
    strangers = [i for i in ids if i not in rows]
    if strangers:
        raise DataError(f"{file}: lacks {len(strangers)} clips of split {manifest.split!r}, such as {strangers[0]}")
    return known[[rows[i] for i in ids]]


def true_places(manifest: Manifest) -> np.ndarray:
    """Where the object is in every frame of each clip: (N,frames,2) float32, (y, x) as parts of the frame.

    Read from `root`/labels/truth.npz, which mini has: `id` (n,), `mover` (n,frames,2). Raises DataError where there is
    none, where it is broken, and where it lacks a clip.
    """
    path = manifest.root / TRUTH
    if not path.is_file():
        raise DataError(
            f"{printable(path)}: absent, but patches of an oracle follow the truth of where things are, which mini "
            "has; take policy, centre or random for model.where and the stages' patches"
        )
    rows, places = read_truth(path, "mover")
    ids = [manifest.id(i) for i in range(len(manifest))]
    if missing := [name for name in ids if name not in rows]:
        raise DataError(f"{printable(path)}: lacks {len(missing)} of {len(ids)} clips, first {missing[0]}")
    return np.asarray(places[[rows[name] for name in ids]], np.float32)
