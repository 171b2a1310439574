"""How hard each clip is, where a data set knows it: `mini` does, of every clip it rendered."""

from __future__ import annotations

import numpy as np

from gfnet_video.datasets.manifest import Manifest
from gfnet_video.datasets.truth import TRUTH, read_truth
from gfnet_video.errors import DataError


def difficulties(manifest: Manifest) -> np.ndarray | None:
    """(N,) from 0, easy, to 1, or None where the data set does not say.

    Raises DataError where its file cannot be read or lacks a clip.
    """
    file = manifest.root / TRUTH
    if not file.is_file():
        return None
    rows, known = read_truth(file, "difficulty")
    ids = [manifest.id(i) for i in range(len(manifest))]
    strangers = [i for i in ids if i not in rows]
    if strangers:
        raise DataError(f"{file}: lacks {len(strangers)} clips of split {manifest.split!r}, such as {strangers[0]}")
    return known[[rows[i] for i in ids]]
