"""How hard each clip is, where a data set knows it: `mini` does, of every clip it rendered."""

from __future__ import annotations

import numpy as np

from gfnet_video.datasets.manifest import Manifest
from gfnet_video.datasets.truth import TRUTH, known_of


def difficulties(manifest: Manifest) -> np.ndarray | None:
    """(N,) from 0, easy, to 1, or None where the data set does not say.

    Raises DataError where its file cannot be read or lacks a clip.
    """
    return known_of(manifest, "difficulty") if (manifest.root / TRUTH).is_file() else None
