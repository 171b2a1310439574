"""Several sources, one model: each frame is looked at when its turn comes, each source has a memory of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from threading import Condition

import numpy as np

from gfnet_video.engines.engine import Engine
from gfnet_video.errors import ConfigError, VideoError
from gfnet_video.inference.events import Ended, Event, Failed
from gfnet_video.inference.stream import Choices, Progress, ended, stepped
from gfnet_video.video.feed import Feed
from gfnet_video.video.source import STDIN, shown

NAP = 0.5  # seconds after which a wait that nothing ends looks around, so that Ctrl-C is heard


def watch(
    engine: Engine, sources: Sequence[str], chosen: Choices, *, live: bool | None = None, shrink: bool = False
) -> Iterator[Event]:
    """What is seen on each source, as it is seen, until all have ended; closing the iterator ends the reading.

    Sources take turns, a frame each, where they have one; so each gives what it would alone, if the network keeps up.
    live: as Feed takes it; shrink: libav scales large frames (VideoReader). Raises ConfigError where two are
    standard input.
    """
    if list(sources).count(STDIN) > 1:
        raise ConfigError("standard input (-) is named twice; it can be read once")
    side, to = engine.about.config.frame_side, engine.about.config.shrunk_to(shrink)
    engine.slide(np.zeros((1, 3, side, side), np.uint8))  # the first call of a network takes far longer than the others
    bell = Condition()
    feeds = [Feed(name, chosen.every, bell=bell, live=live, shrink=to) for name in sources]
    try:
        yield from _watched(engine, chosen, feeds, bell)
    finally:
        for feed in feeds:
            feed.inbox.close()


def _watched(engine: Engine, chosen: Choices, feeds: Sequence[Feed], bell: Condition) -> Iterator[Event]:
    progress = {feed: Progress() for feed in feeds}
    while progress:
        idle = True
        for feed, before in list(progress.items()):
            if (shot := feed.inbox.take()) is not None:
                progress[feed], events = stepped(engine, chosen, shown(feed.name), before, shot)
                yield from events
                idle = False
            elif feed.inbox.done:
                yield from _finished(engine, chosen, feed, progress.pop(feed))
        with bell:
            if idle and progress and not any(feed.inbox.ready for feed in progress):
                bell.wait(NAP)


def _finished(engine: Engine, chosen: Choices, feed: Feed, last: Progress) -> Iterator[Event]:
    source, error = shown(feed.name), feed.inbox.error
    if error is not None and not isinstance(error, VideoError):
        raise error
    yield from ended(engine.about, chosen, source, last)
    if error is not None:
        yield Failed(source, error.reason)
        return
    shot = last.last
    yield Ended(source, shot.seconds if shot else 0.0, last.frames, last.dropped, shot.gaps if shot else 0)
