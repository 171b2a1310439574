"""Many files, one after the other: an unreadable one is reported in its place and the rest go on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from gfnet_video.checkpoint import Recogniser
from gfnet_video.errors import VideoError
from gfnet_video.inference.macs import count_macs
from gfnet_video.inference.report import Outcome
from gfnet_video.inference.runner import Options, predict


def predict_many(model: Recogniser, paths: Iterable[Path], options: Options) -> Iterator[Outcome]:
    """A Prediction or the VideoError of each path, in order, as each is done."""
    macs = count_macs(model)
    for path in paths:
        try:
            yield predict(model, path, options=options, macs=macs)
        except VideoError as error:
            yield error
