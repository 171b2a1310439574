"""How fast training's loader is against bare decoding of the same frames, and whether its memory stays flat.

    python tools/loader_speed.py FOLDER                    # generates 200 clips there (428x240, VP9) and measures
    python tools/loader_speed.py FOLDER --rows 20000       # and reads that many rows, printing memory as it goes

Bare decoding is the package's own reader giving the sampled frames and nothing else. Run it pinned to one core
(taskset -c 0), nothing else running: each figure is then videos a second of that core.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import torch

from gfnet_video.datasets.clips import Clips
from gfnet_video.datasets.manifest import Manifest
from gfnet_video.training.loading import Loader
from gfnet_video.video.augment import Recipe
from gfnet_video.video.reader import VideoReader

WIDTH, HEIGHT, LENGTH = 428, 240, 45  # Something-Something V2: height 240, about 45 frames at 12 a second
CODEC = {"deadline": "realtime", "cpu-used": "8", "threads": "1", "b": "400k"}
BATCH = 8


def write_clip(path: Path, seed: int, height: int) -> None:
    """A camera moving over a blurred random picture with film grain."""
    width = WIDTH * height // HEIGHT // 2 * 2
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.uniform(0, 255, (1, 3, 20, 32)).astype(np.float32))
    smooth = torch.nn.functional.interpolate(coarse, size=(height + 80, width + 80), mode="bicubic")[0].permute(1, 2, 0)
    picture = (smooth.numpy() + rng.normal(0, 6, smooth.shape)).clip(0, 255).astype(np.uint8)
    with av.open(str(path), "w", format="webm") as container:
        stream = container.add_stream("libvpx-vp9", rate=12, options=CODEC)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for i in range(LENGTH):
            y, x = int(40 + 30 * np.sin(i / 9)), int(40 + 30 * np.cos(i / 7))
            view = np.ascontiguousarray(picture[y : y + height, x : x + width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(view, format="rgb24")))
        container.mux(stream.encode())


def clips_in(folder: Path, count: int, height: int) -> Manifest:
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{i:05d}_{height}.webm" for i in range(count)]
    for i, name in enumerate(names):
        if not (folder / name).is_file():
            write_clip(folder / name, i, height)
    return Manifest.of("train", ("one",), folder, names, names, [0] * count, frames=[LENGTH] * count)


def bare(manifest: Manifest, clips: Clips) -> Iterator[int]:
    for i in range(len(manifest)):
        with VideoReader(manifest.path(i)) as video:
            list(video.read(clips.indices(LENGTH, i)))
        yield 1


def loaded(clips: Clips, workers: int) -> Iterator[int]:
    places = np.arange(len(clips))
    for batch in Loader(clips, workers).epoch(0, [places[i : i + BATCH] for i in range(0, len(places), BATCH)]):
        if batch.lost:
            raise SystemExit(f"a clip cannot be read: {batch.lost[0]}")
        yield len(batch.labels)


def rate(run: Callable[[], Iterator[int]], repeats: int) -> float:
    """Videos a second of processor time, of the best of `repeats` runs; the first clips of each warm it up."""
    best = 0.0
    for _ in range(repeats):
        counts = run()
        next(counts)
        began = time.process_time()
        done = sum(counts)
        best = max(best, done / (time.process_time() - began))
    return best


def memory() -> int:
    """MB that this process now holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() >> 20


def watch_memory(manifest: Manifest, side: int, frames: int, rows: int, workers: int) -> None:
    """Read `rows` rows, the clips over and over under their own names, and print memory ten times."""
    many = manifest.select(np.arange(len(manifest)))
    again = np.arange(rows) % len(manifest)
    arrays = {name: getattr(many, name)[again] for name in ("ids", "files", "labels", "frames", "spans")}
    tall = Manifest("train", many.classes, many.root, **arrays)
    done, told = 0, 0
    for count in loaded(Clips(tall, frames, side, jitter=True, recipe=Recipe("multi_scale")), workers):
        done += count
        if done >= told:
            print(f"{done:>6} rows: {memory()} MB", flush=True)
            told += rows // 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--height", type=int, default=HEIGHT, help="of the clips that are generated")
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--rows", type=int, default=0, help="also read that many rows and print memory")
    parser.add_argument("--workers", type=int, default=0, help="of the memory run; speeds are of one process")
    given = parser.parse_args()
    torch.set_num_threads(1)
    manifest = clips_in(given.folder, given.clips, given.height)
    recipes = {
        "resize and centre crop": None,
        "multi-scale crop": Recipe("multi_scale"),
        "multi-scale crop, RandAugment n2m9": Recipe("multi_scale", randaugment=(2, 9)),
    }
    plain = Clips(manifest, given.frames, given.side, jitter=True)
    alone = rate(lambda: bare(manifest, plain), given.repeats)
    print(f"{'bare decoding':36}{alone:7.1f} videos/s")
    for name, recipe in recipes.items():
        clips = Clips(manifest, given.frames, given.side, jitter=True, recipe=recipe)
        speed = rate(lambda clips=clips: loaded(clips, 0), given.repeats)  # type: ignore[misc]
        print(f"{name:36}{speed:7.1f} videos/s {speed / alone:7.1%}")
    if given.rows:
        watch_memory(manifest, given.side, given.frames, given.rows, given.workers)


if __name__ == "__main__":
    main()
