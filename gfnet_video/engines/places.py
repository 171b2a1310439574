"""Where patches lie, and cutting them, without torch.

Letters: B videos, k frames of a group, n looks at it, S frame side, P patch side, F focus looks of a clip.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gfnet_video.config import ModelConfig
from gfnet_video.nn.draws import drawn_centres


def fixed_centres(config: ModelConfig, first: int = 0, count: int = 0) -> np.ndarray | None:
    """Centres (1,n,2) of `count` looks from number `first` on, of a clip's by default, that no policy picks; None where
    one does."""
    if config.where in ("policy", "cam") or config.focus is None:
        return None
    count = count or config.looks
    if config.where == "random":
        return drawn_centres("", range(first, first + count))[None]
    return np.full((1, count, 2), 0.5, np.float32)


def cropped(group: np.ndarray, which: list[int], centres: np.ndarray, size: int) -> np.ndarray:
    """`crop_patches` of the frames `which` of a group (B,k,3,S,S): patches (B,n,3,P,P)."""
    videos, room = len(group), np.float32(group.shape[-1] - size)
    corners = (centres.clip(0, 1) * room).astype(int).tolist()  # none is below 0: this rounds down
    patches = np.empty((videos, len(which), 3, size, size), np.uint8)
    for video in range(videos):
        own = corners[video if len(corners) > 1 else 0]
        for i, frame in enumerate(which):
            top, left = own[i]
            patches[video, i] = group[video, frame, :, top : top + size, left : left + size]
    return patches


def beside(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Arrays (B,...) beside each other (B,k,...); a lone one, the usual case, is not copied."""
    return parts[0][:, None] if len(parts) == 1 else np.stack(parts, 1)


def each_its_own(centre: np.ndarray, videos: int) -> np.ndarray:
    """A centre for each video (B,2), from (B,2) or one for all (1,2)."""
    return centre if len(centre) == videos else np.broadcast_to(centre, (videos, 2))
