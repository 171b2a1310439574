"""Where the object that bears the class really is, for the oracle control: data that was made knows it."""

from __future__ import annotations

import zipfile

import numpy as np

from gfnet_video.datasets.manifest import Manifest
from gfnet_video.errors import DataError, printable


def true_places(manifest: Manifest) -> np.ndarray:
    """Where the object is in every frame of each clip: (N,frames,2) float32, (y, x) as parts of the frame.

    Read from `root`/labels/truth.npz, which mini has: `id` (n,), `mover` (n,frames,2). Raises DataError where there is
    none, where it is broken, and where it lacks a clip.
    """
    path = manifest.root / "labels" / "truth.npz"
    try:
        with np.load(path) as truth:
            rows, places = {str(name): n for n, name in enumerate(truth["id"])}, truth["mover"]
    except FileNotFoundError as error:
        raise DataError(
            f"{printable(path)}: absent, but patches of an oracle follow the truth of where things are, which mini "
            "has; take policy, centre or random for model.where and the stages' patches"
        ) from error
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"{printable(path)}: cannot be read: {error}; make the data anew") from error
    ids = [manifest.id(i) for i in range(len(manifest))]
    if missing := [name for name in ids if name not in rows]:
        raise DataError(f"{printable(path)}: lacks {len(missing)} of {len(ids)} clips, first {missing[0]}")
    return np.asarray(places[[rows[name] for name in ids]], np.float32)
