"""Extract the frames of a folder of videos: python data_prep/extract_frames.py VIDEOS DST"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from gfnet_video.datasets.extract import STYLES, Style
from gfnet_video.datasets.frames import extract_folder
from gfnet_video.errors import GFNetVideoError
from gfnet_video.video.sandbox import Limits


def show(stage: str, done: int, total: int) -> None:
    if sys.stderr.isatty() or done == total:
        print(f"\r{stage}: {done} of {total}", end="\n" if done == total else "", file=sys.stderr, flush=True)


@click.command()
@click.argument("videos", type=click.Path(path_type=Path))
@click.argument("destination", type=click.Path(path_type=Path))
@click.option("--naming", type=click.Choice(list(STYLES)), default="tsm", show_default=True)
@click.option("--side", default=256, show_default=True, help="Longest short side in pixels; 0: as they are.")
@click.option("--quality", default=90, show_default=True, help="Of the JPEG, 1 to 95.")
@click.option("--workers", default=2, show_default=True, help="Processes.")
@click.option("--seconds", default=60.0, show_default=True, help="Longest time to decode one video.")
def main(videos: Path, destination: Path, naming: str, side: int, quality: int, workers: int, seconds: float) -> None:
    """Write DESTINATION/NAME/%06d.jpg for each video NAME below VIDEOS; prints frames and failures as JSON lines.

    Interrupted, the same command carries on. Exit code 1 when some videos fail.
    """
    try:
        style, limits = Style(naming, side, quality), Limits(seconds=seconds)
        found = extract_folder(videos, destination, style, workers=workers, limits=limits, progress=show)
    except GFNetVideoError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    for name, (frames, reason) in found.items():
        print(json.dumps({"name": name, "frames": frames, "reason": reason}))
    sys.exit(any(reason for _, reason in found.values()))


if __name__ == "__main__":
    main()
