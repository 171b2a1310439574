"""Is extracting worth it? After extract_frames.py VIDEOS FRAMES: python data_prep/compare_decoding.py VIDEOS FRAMES"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
from PIL import Image

from gfnet_video.video.reader import read_clip
from gfnet_video.video.samplers import uniform_indices
from gfnet_video.video.suffixes import SUFFIXES


def from_video(path: Path, count: int) -> int:
    """Decode `count` frames of a video; their bytes."""
    return read_clip(path, lambda total: uniform_indices(total, count)).frames.nbytes


def from_frames(folder: Path, count: int) -> int:
    """Decode the same frames from their JPEGs; their bytes."""
    names = sorted(folder.glob("*.jpg"))
    return sum(np.asarray(Image.open(names[i])).nbytes for i in uniform_indices(len(names), count))


def cost(read: Callable[[Path, int], int], paths: list[Path], count: int) -> float:
    """CPU milliseconds a clip, the median of three passes after a first one that fills the disk's cache."""
    passes = []
    for _ in range(4):
        began = time.process_time()
        for path in paths:
            read(path, count)
        passes.append((time.process_time() - began) * 1000 / len(paths))
    return round(sorted(passes[1:])[1], 2)


def size(path: Path) -> int:
    return sum(p.stat().st_size for p in path.iterdir()) if path.is_dir() else path.stat().st_size


@click.command()
@click.argument("videos", type=click.Path(path_type=Path, exists=True))
@click.argument("frames", type=click.Path(path_type=Path, exists=True))
@click.option("--count", default=8, show_default=True, help="Frames of each clip.")
def main(videos: Path, frames: Path, count: int) -> None:
    """Print CPU milliseconds and bytes a clip: of the videos directly below VIDEOS, and of their folders in FRAMES."""
    paths = sorted(p for p in videos.iterdir() if p.suffix in SUFFIXES and (frames / p.stem).is_dir())
    folders = [frames / p.stem for p in paths]
    if not paths:
        print(f"error: {frames} holds no folder for a video of {videos}", file=sys.stderr)
        sys.exit(4)
    for what, held, read in (("video", paths, from_video), ("frames", folders, from_frames)):
        row = {"from": what, "clips": len(held), "cpu_ms": cost(read, held, count)}
        print(json.dumps(row | {"bytes": sum(map(size, held)) // len(held)}))


if __name__ == "__main__":
    main()
