"""One of several clips under way: a process decodes it, and its looks are taken together with those of others."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from gfnet_video.engines.engine import Engine
from gfnet_video.errors import VideoError
from gfnet_video.inference.reading import forwards
from gfnet_video.inference.runner import Options, forced_centres, indices_of, noted, rule_of, summary
from gfnet_video.inference.under_way import UnderWay
from gfnet_video.records import Prediction
from gfnet_video.video.remote import COUNT, NEXT, ReadingWorker, told


class Seat:
    """A decoding process, and the clip that it reads.

    number, path: of the clip. clip: what is known of it, once its frames are counted. owed: the process has been asked
    and not been heard. true_count: how many frames decode, where the header lied.
    """

    def __init__(self, engine: Engine, options: Options, worker: ReadingWorker) -> None:
        self.engine, self.about, self.options, self.worker = engine, engine.about, options, worker
        self.rule = rule_of(self.about.rule, options)
        self.seated = self.owed = False
        self.clip: UnderWay | None = None
        self.asks: Iterator[str | list[int]] = iter(())

    @property
    def ready(self) -> UnderWay | None:
        """The clip, where its next frame is there."""
        return self.clip if self.clip is not None and self.clip.frame is not None else None

    @property
    def idle(self) -> bool:
        """Whether it can begin with a clip."""
        return not (self.seated or self.owed)

    def begin(self, number: int, path: Path, true_count: int | None = None) -> None:
        """Open a file on the far side."""
        self.number, self.path, self.true_count = number, path, true_count
        self.began, self.claimed, self.counted, self.decoded = time.perf_counter(), 0, False, 0
        self.indices, self.clip = list[int](), None
        shrink = self.about.config.shrunk_to(self.options.shrink)
        self.worker.begin((str(path), self.options.reader, shrink, self.worker.limits))
        self.seated = self.owed = True

    def hear(self) -> None:
        """Take the far side's answer, and ask for the next frame. Raises VideoError; not for a clip that has left."""
        answer, self.owed = self.worker.finish(), False
        if not self.seated:
            return
        answer = told(answer, str(self.path))
        if self.clip is not None:
            self.clip.take(answer)
        elif answer or self.counted:
            self._sample(answer)
        else:
            self.counted = True
            self._ask(COUNT)
            return
        if (asked := next(self.asks, None)) is not None:
            self.decoded += 1
            self._ask(asked)

    def _sample(self, claimed: int) -> None:
        if claimed < 1:
            raise VideoError(self.path, "no frame can be decoded")
        self.claimed = claimed
        self.indices, _ = indices_of(self.about.config, self.true_count or claimed)
        self.asks = _asks(self.indices)
        config = self.about.config
        self.clip = UnderWay(config, self.rule, len(self.indices), forced_centres(config, self.path))

    def _ask(self, what: str | list[int]) -> None:
        self.worker.request(what)
        self.owed = True

    def summary(self) -> Prediction:
        """What the looks say; seconds are those from opening the file to its answer, which it shared with others."""
        assert self.clip is not None
        found = summary(self.about, self.path, self.rule, self.clip.turns, (self.indices, []), 1)
        warnings = noted(self.engine, self.options, 1, self.claimed, self.true_count)
        seconds = {"total": time.perf_counter() - self.began}
        return replace(found, frames_decoded=self.decoded, seconds=seconds, warnings=warnings)

    def leave(self) -> None:
        """The clip is done with; what the process still owes is not waited for."""
        self.seated, self.clip = False, None


def _asks(indices: list[int]) -> Iterator[str | list[int]]:
    """What to say to the far side for one frame after the other."""
    for run in forwards(indices):
        yield run
        yield from [NEXT] * (len(run) - 1)
