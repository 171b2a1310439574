"""Milliseconds from a file to the working frames of a clip: by Decord, by PyAV, and with frames shrunk by libav.

    taskset -c 0 python -m tools.reading_speed FOLDER --height 720 --side 96     # generates clips there (VP9)

The three take turns on the same clips, round by round, after a round that warms up; each ratio is to Decord's
milliseconds in the same round, and told as the median with the least and the most. Apart: by how many levels of 255 the
pixels of a shrunk clip differ from those cut of whole frames, on average.
"""

from __future__ import annotations

import argparse
import statistics
from functools import partial
from pathlib import Path

import numpy as np

from gfnet_video.evaluation.bench import bench
from gfnet_video.video.pixels import cut_frame
from gfnet_video.video.reader import VideoReader
from gfnet_video.video.samplers import uniform_indices
from tools.bare_graphs import other
from tools.loader_speed import HEIGHT, LENGTH, clips_in

WAYS = {"decord": ("decord", False), "pyav": ("pyav", False), "pyav, shrunk": ("auto", True)}


def working_frames(path: Path, way: str, frames: int, side: int) -> np.ndarray:
    """(frames,3,side,side) uint8."""
    reader, shrink = WAYS[way]
    with VideoReader(path, reader=reader, shrink=side if shrink else 0) as video:
        return np.stack([cut_frame(one, frame_side=side) for one in video.read(uniform_indices(LENGTH, frames))])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--height", type=int, default=HEIGHT, help="of the clips that are generated")
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--side", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    manifest = clips_in(given.folder, given.clips, given.height)
    paths, asked = [manifest.path(i) for i in range(given.clips)], {"frames": given.frames, "side": given.side}
    works = [other(way, partial(working_frames, way=way, **asked)) for way in WAYS]
    decord, *scores = bench(works, paths, given.rounds, lambda _: None)
    for score in (decord, *scores):
        ms = [score.ms(i) for i in range(given.rounds)]
        ratios = [one / decord.ms(i) for i, one in enumerate(ms)]
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        print(f"{score.contender.name:16}{statistics.median(ms):8.1f} ms  {spread}")
    whole, small = (
        np.stack([working_frames(p, way, **asked) for p in paths]).astype(int) for way in ("pyav", "pyav, shrunk")
    )
    print(f"apart           {np.abs(whole - small).mean():8.2f} of 255")


if __name__ == "__main__":
    main()
