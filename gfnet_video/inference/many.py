"""Many files, one after the other or several at once: one that is unreadable is reported in its place.

Several files are decoded in a process of their own, where a decoder that hangs or crashes costs one file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gfnet_video.engines.engine import Engine
from gfnet_video.engines.opening import engine_of
from gfnet_video.errors import VideoError
from gfnet_video.inference.reading import Opened
from gfnet_video.inference.report import Outcome
from gfnet_video.inference.runner import Options, open_video, predict
from gfnet_video.inference.together import Load, predict_together
from gfnet_video.video.picture import is_picture
from gfnet_video.video.remote import ReadingWorker, RemoteReader, reading
from gfnet_video.video.worker import LIMITS, Limits

if TYPE_CHECKING:
    from gfnet_video.checkpoint import Recogniser


def predict_many(
    model: Recogniser | Engine,
    paths: Iterable[Path],
    options: Options,
    limits: Limits | None = None,
    *,
    jobs: int = 1,
    load: Load | None = None,
) -> Iterator[Outcome]:
    """A Prediction or the VideoError of each path, in order, as each is done; the same as `predict` gives of each.

    limits: what decoding one file may cost. Without any a single file is decoded in this process, and several within
    the usual ones. jobs: so many of them are decoded at once and looked at together (`predict_together`); then
    answers may differ by the rounding of a batch, and `load` says where the time went.
    Raises OSError where no process can be started.
    """
    listed, engine = list(paths), engine_of(model)
    if limits is None and len(listed) == 1:
        yield from _each(engine, listed, options)
        return
    if jobs > 1:
        yield from predict_together(engine, listed, options, limits or LIMITS, jobs=jobs, load=load or Load())
        return
    worker = ReadingWorker(reading, limits or LIMITS)
    try:
        yield from _each(engine, listed, replace(options, video=partial(_open, worker=worker)))
    finally:
        worker.close()


def _open(path: Path, *, worker: ReadingWorker, reader: str, shrink: int) -> Opened:
    """A video in the other process; pictures need no decoder that could hang."""
    if os.path.isdir(path) or is_picture(path):
        return open_video(path)
    return RemoteReader(path, worker=worker, reader=reader, shrink=shrink)


def _each(engine: Engine, paths: list[Path], options: Options) -> Iterator[Outcome]:
    for path in paths:
        try:
            yield predict(engine, path, options=options)
        except VideoError as error:
            yield error
