"""Several files at once: each is decoded in a process of its own, and those whose next frame is there are looked at
together. A decoder is one frame ahead of the networks; a clip that is sure gives its process to the next file."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path

from gfnet_video.engines.engine import Engine
from gfnet_video.errors import ConfigError, VideoError
from gfnet_video.inference.report import Outcome
from gfnet_video.inference.runner import Options, predict
from gfnet_video.inference.seat import Seat
from gfnet_video.inference.under_way import glance_together, look_together, shares_looks
from gfnet_video.video.picture import is_picture
from gfnet_video.video.pixels import cut_frame
from gfnet_video.video.reader import VideoEnded
from gfnet_video.video.remote import ReadingWorker, reading
from gfnet_video.video.worker import Limits


@dataclass
class Load:
    """Where the seconds of many files went: all of them, those that the networks waited for frames, and those in which
    they looked; steps: how often, looked: at how many frames in all."""

    total: float = 0.0
    wait: float = 0.0
    networks: float = 0.0
    steps: int = 0
    looked: int = 0


def in_words(load: Load, files: int) -> str:
    """How fast it went, and which part was the limit.

    >>> in_words(Load(2.0, 1.2, 0.6, 10, 25), 8)
    '8 files in 2.0 s, 4.0 a second: the networks looked 30 % of the time, at 2.5 clips at once, and waited for decoding
    60 %; decoding is the limit'
    """
    looked, waited = load.networks / load.total, load.wait / load.total
    limit = "decoding is" if waited > looked else "the networks are"
    return (
        f"{files} files in {load.total:.1f} s, {files / load.total:.1f} a second: the networks looked {looked:.0%} of "
        f"the time, at {load.looked / load.steps:.1f} clips at once, and waited for decoding {waited:.0%}; {limit} the "
        "limit"
    ).replace("%", " %")


def predict_together(
    engine: Engine, paths: Sequence[Path], options: Options, limits: Limits, *, jobs: int, load: Load
) -> Iterator[Outcome]:
    """A Prediction or the VideoError of each path, in order; `jobs` files are read at a time. `load` is added to.

    Pictures and folders of pictures need no decoder, and are looked at one by one.
    Raises ConfigError for a model whose clips cannot share their looks, and for a chunk, OSError where no process can
    be started.
    """
    check_shares(engine, options)
    config = engine.about.config
    cut = partial(cut_frame, frame_side=config.frame_side, short_side=config.short_side)
    crew = [
        Seat(engine, options, ReadingWorker(partial(reading, cut=cut), limits)) for _ in range(min(jobs, len(paths)))
    ]
    began, coming, done = time.perf_counter(), iter(enumerate(paths)), dict[int, Outcome]()
    try:
        for number in range(len(paths)):
            while number not in done:
                looked = _fill(engine, crew, coming, done)
                _hear(crew, done, load, waits=not looked)
                _look(engine, crew, done, load)
            load.total = time.perf_counter() - began
            with _clocks_stand(crew):
                yield done.pop(number)
    finally:
        for seat in crew:
            seat.worker.close()


def check_shares(engine: Engine, options: Options) -> None:
    """Raises ConfigError for a model whose clips cannot share their looks, and for a chunk."""
    if not shares_looks(engine.about.config):
        raise ConfigError(
            f"{engine.about.model}: looks at whole clips as one, or at a frame several times, or shares a patch, "
            "or at a batch as one; such clips share no looks; leave jobs at 1"
        )
    if options.chunk not in (None, 1):
        raise ConfigError(f"chunk is {options.chunk}; clips share their looks at one frame each; leave it or jobs at 1")


@contextmanager
def _clocks_stand(crew: list[Seat]) -> Iterator[None]:
    """Within, nobody listens to the decoders, and none of it counts as their time."""
    began = time.monotonic()
    try:
        yield
    finally:
        for seat in crew:
            seat.worker.deadline += time.monotonic() - began


def _fill(engine: Engine, crew: list[Seat], coming: Iterator[tuple[int, Path]], done: dict[int, Outcome]) -> bool:
    """Idle processes begin with the files that come next, up to a picture: that is looked at here, one a turn, so that
    the decoders are heard in between. Whether there was one."""
    for seat in crew:
        if seat.idle and (following := next(coming, None)) is not None:
            number, path = following
            if os.path.isdir(path) or is_picture(path):
                with _clocks_stand(crew):
                    done[number] = _alone(engine, path, seat.options)
                return True
            seat.begin(number, path)
    return False


def _alone(engine: Engine, path: Path, options: Options) -> Outcome:
    try:
        return predict(engine, path, options=options)
    except VideoError as error:
        return error


def _hear(crew: list[Seat], done: dict[int, Outcome], load: Load, *, waits: bool) -> None:
    """Take what the decoders have; wait for it only where the networks have nothing to look at, and no file may be
    next that needs no decoder (`waits`)."""
    awaited = [seat for seat in crew if seat.owed and seat.ready is None]
    began, until = time.perf_counter(), 0.0
    if waits and awaited and all(seat.ready is None for seat in crew):
        until = min(seat.worker.deadline for seat in awaited) - time.monotonic()
    wait([seat.worker.pipe for seat in awaited if seat.worker.pipe], max(0.0, until))
    for seat in awaited:
        if seat.worker.due():
            _heard(seat, done)
    load.wait += time.perf_counter() - began


def _heard(seat: Seat, done: dict[int, Outcome]) -> None:
    try:
        seat.hear()
    except VideoError as error:
        if isinstance(error, VideoEnded) and error.frames and seat.true_count is None:
            seat.begin(seat.number, seat.path, error.frames)  # sampled once more, on the true count
        else:
            done[seat.number] = error
            seat.leave()


def _look(engine: Engine, crew: list[Seat], done: dict[int, Outcome], load: Load) -> None:
    """One look at every clip whose next frame is there; new clips are glanced at whole first, where the model does."""
    began = time.perf_counter()
    clips = [clip for seat in crew if (clip := seat.ready) is not None]
    if not clips:
        return
    with _clocks_stand(crew):
        new = [clip for clip in clips if clip.new]
        glance_together(engine, new)
        ready = [clip for clip in clips if clip.frame is not None]
        look_together(engine, ready)
        for seat in crew:
            if seat.clip is not None and seat.clip.done:
                done[seat.number] = seat.summary()
                seat.leave()
    load.networks += time.perf_counter() - began
    load.steps += bool(new) + bool(ready)
    load.looked += len(new) + len(ready)
