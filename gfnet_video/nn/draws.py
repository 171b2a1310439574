"""Random places, for torch and for engines that load none."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np


def drawn_centres(clip: str, looks: Iterable[int]) -> np.ndarray:
    """Centres (n,2), uniform in [0, 1], of the looks of a clip by their numbers.

    Each is drawn from the clip's name and its own number alone, so neither batch nor order nor chunk changes it.
    """
    name = int.from_bytes(hashlib.sha256(clip.encode("utf-8", "surrogateescape")).digest()[:8], "big")
    drawn = [np.random.default_rng([name, look]).random(2) for look in looks]
    return np.array(drawn, np.float32).reshape(-1, 2)
