"""What is rendered here: `mini`, clips, and `mini-image`, pictures. How each is named, planned and written to a file.

The renderer is imported where it is used, because it needs the extra `mini`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from PIL import Image

from gfnet_video.datasets.catalog import dataset

if TYPE_CHECKING:
    from gfnet_video.datasets.mini_render import Plan

CODEC = "libvpx-vp9"
OPTIONS = {
    "deadline": "realtime", "cpu-used": "8", "row-mt": "0", "threads": "1", "crf": "30", "b": "0", "flags": "+bitexact",
}  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """One data set. version: raised when a pixel changes, for trees of another version are made anew; folder, suffix:
    of its clips' files; counts: clips per split; classes, plan: of the renderer, by name; write: frames (t,h,w,3) uint8
    into a file; item: a line of the official lists, from a clip's id and class."""

    name: str
    version: int
    folder: str
    suffix: str
    counts: dict[str, int]
    classes_name: str
    plan_name: str
    write: Callable[[Path, np.ndarray], None]
    item: Callable[[str, str], dict[str, Any]]

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in label order. Raises DependencyError."""
        from gfnet_video.datasets import mini_render

        names: tuple[str, ...] = getattr(mini_render, self.classes_name)
        return names

    def plan(self, seed: int, split: str, number: int, label: int) -> Plan:
        """What a clip will show. Raises DependencyError."""
        from gfnet_video.datasets import mini_render

        found: Plan = getattr(mini_render, self.plan_name)(seed, split, number, label)
        return found


def write_clip(path: Path, frames: np.ndarray) -> None:
    """Write (t,h,w,3) uint8 frames as VP9 in webm, on one thread and without anything that names the moment."""
    with av.open(str(path), "w", format="webm", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream(CODEC, rate=12, options=OPTIONS)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def write_picture(path: Path, frames: np.ndarray) -> None:
    """Write the one frame of (1,h,w,3) uint8 as a JPEG."""
    Image.fromarray(frames[0]).save(path, "JPEG", quality=92)


def clip_item(clip: str, name: str) -> dict[str, Any]:
    """`Moving 3 left` as Something-Something V2 has it."""
    verb, digit, motion = name.split()
    return {"id": clip, "label": name.lower(), "template": f"{verb} [{digit}] {motion}", "placeholders": [digit]}


def picture_item(clip: str, name: str) -> dict[str, Any]:
    """`Showing 3` in the same form."""
    verb, digit = name.split()
    return {"id": clip, "label": name.lower(), "template": f"{verb} [{digit}]", "placeholders": [digit]}


MINI = Kind(
    name="mini",
    version=1,
    folder="20bn-something-something-v2",
    suffix=".webm",
    counts=dataset("mini").counts,
    classes_name="CLASSES",
    plan_name="plan_clip",
    write=write_clip,
    item=clip_item,
)
MINI_IMAGE = Kind(
    name="mini-image",
    version=1,
    folder="pictures",
    suffix=".jpg",
    counts=dataset("mini-image").counts,
    classes_name="PICTURE_CLASSES",
    plan_name="plan_picture",
    write=write_picture,
    item=picture_item,
)
KINDS = {kind.name: kind for kind in (MINI, MINI_IMAGE)}
