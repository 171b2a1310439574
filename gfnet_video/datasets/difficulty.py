"""How hard each clip is, where a data set knows it: `mini` does, of every clip it rendered."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np

from gfnet_video.datasets.manifest import Manifest
from gfnet_video.errors import DataError

TRUTH = Path("labels", "truth.npz")


def difficulties(manifest: Manifest) -> np.ndarray | None:
    """(N,) from 0, easy, to 1, or None where the data set does not say.

    Raises DataError where its file cannot be read or lacks a clip.
    """
    file = manifest.root / TRUTH
    if not file.is_file():
        return None
    try:
        with np.load(file) as truth:
            known = dict(zip(truth["id"].tolist(), truth["difficulty"].astype(float).tolist(), strict=True))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{file}: cannot be read: {error}; make the data set anew") from error
    ids = [os.fsdecode(i) for i in manifest.ids.tolist()]
    strangers = [i for i in ids if i not in known]
    if strangers:
        raise DataError(f"{file}: lacks {len(strangers)} clips of split {manifest.split!r}, such as {strangers[0]}")
    return np.array([known[i] for i in ids])
