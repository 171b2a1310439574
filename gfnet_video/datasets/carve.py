"""Our splits out of the official lists: dev and calibration come out of train, the official validation is the test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gfnet_video.datasets.official import Listed
from gfnet_video.datasets.splits import split_groups
from gfnet_video.errors import ConfigError

# Of the official train; thresholds and temperatures are fitted on calibration, epochs are compared on dev.
SHARES = {"dev": 0.03, "calibration": 0.03}


def carve(clips: Sequence[Listed], shares: Mapping[str, float], seed: int) -> list[str]:
    """The split of each clip. shares: parts of the official train that `dev` and `calibration` get; 0 for none.

    Groups stay whole and classes keep their shares. The lists alone decide, not what was found of the clips, so that a
    mended download keeps its splits. Raises ConfigError for shares that leave nothing to train on.
    """
    held = {name: share for name, share in shares.items() if share}
    left = 1 - sum(held.values())
    if left <= 0 or min(held.values(), default=0) < 0:
        raise ConfigError(f"shares of dev and calibration are {dict(shares)}; expected 0 or more, less than 1 together")
    train = [clip for clip in clips if clip.list == "train"]
    labels, groups = [c.label for c in train], [c.group for c in train]
    parted = iter(split_groups(labels, groups, {"train": left, **held}, seed))
    return [next(parted) if clip.list == "train" else "test" for clip in clips]
