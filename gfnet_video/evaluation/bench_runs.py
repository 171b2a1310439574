"""One measurement: clips from their files to an answer, side by side or seat by seat, with the seconds of each part."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np

from gfnet_video.engines.engine import Engine, fires
from gfnet_video.engines.macs import looked
from gfnet_video.engines.timing import Seconds, timed_items
from gfnet_video.inference.reading import Opened, in_order
from gfnet_video.inference.runner import claimed_frames, forced_centres, indices_of, open_video
from gfnet_video.inference.under_way import Pulled, in_seats
from gfnet_video.nn.exit_rule import ExitRule

PARTS = ("decode", "preprocess", "glance", "locate", "focus", "aggregate", "network")  # network: one that has no looks


@dataclass(frozen=True)
class Run:
    """Of some clips: seconds of each part and in `total`, for all of them; GMACs and frames a clip."""

    clips: int
    seconds: dict[str, float]
    gmacs: float
    frames: float


Contest = Callable[[Sequence[Path]], Run]


@dataclass(frozen=True)
class Contender:
    """What takes turns with others. kind: gfnet | untrained | static | other; chunk: frames computed together; note:
    for people; seats: of all clips so many are under way, else they come in whole batches."""

    name: str
    kind: str
    engine: str
    batch: int
    chunk: int
    run: Contest
    note: str = ""
    seats: bool = False


def run_engine(engine: Engine, rule: ExitRule, chunk: int, paths: Sequence[Path]) -> Run:
    """Decode, look and stop as `predict` does; of several clips side by side when the last of them is sure.

    What comes after the exit is neither decoded nor computed. Raises VideoError naming the file.
    """
    seconds: Seconds = defaultdict(float)
    config, began = engine.about.config, perf_counter()
    with ExitStack() as stack:
        videos = [open_video(path) for path in paths]
        for video in videos:
            stack.enter_context(video)
        both = [indices_of(config, claimed_frames(video)) for video in videos]
        seconds["decode"] += perf_counter() - began
        glance, focus = (_side_by_side(engine, videos, [b[i] for b in both], seconds) for i in (0, 1))
        others = {"glance_frames": glance} if config.focus_frames else {}
        drawn = [c for path in paths if (c := forced_centres(config, path)) is not None]
        centres = np.concatenate(drawn) if drawn else None
        last = _last(engine, rule, focus if others else glance, others, chunk, centres, seconds)
    seconds["total"] = perf_counter() - began
    seen = looked(config, last, chunk)
    frames = seen.glances + (seen.focuses if config.focus_frames else 0)
    return Run(len(paths), dict(seconds), engine.about.macs.of(seen), frames)


def run_seats(engine: Engine, rule: ExitRule, seats: int, paths: Sequence[Path]) -> Run:
    """Decode, look and stop as `predict` does frame by frame, so many clips under way at a time: one that is sure makes
    room for the next. Raises VideoError naming the file."""
    seconds: Seconds = defaultdict(float)
    about, began = engine.about, perf_counter()
    waiting = (_waiting(engine, rule, path, seconds) for path in paths)
    ended = [len(one.turns) - 1 for left in in_seats(engine, waiting, seats, seconds) for one in left]
    seconds["total"] = perf_counter() - began
    seen = [looked(about.config, last) for last in ended]
    gmacs, frames = sum(map(about.macs.of, seen)), sum(one.glances for one in seen)
    return Run(len(paths), dict(seconds), gmacs / len(paths), frames / len(paths))


def _waiting(engine: Engine, rule: ExitRule, path: Path, seconds: Seconds) -> Pulled:
    """A clip whose frames are decoded when their turn comes."""
    began, config, video = perf_counter(), engine.about.config, open_video(path)
    indices, _ = indices_of(config, claimed_frames(video))
    seconds["decode"] += perf_counter() - began
    frames = (one[0] for one in _side_by_side(engine, [video], [indices], seconds))
    return Pulled(config, rule, len(indices), forced_centres(config, path), frames=frames)


def _last(
    engine: Engine,
    rule: ExitRule,
    frames: Iterator[np.ndarray],
    others: dict[str, Iterator[np.ndarray]],
    chunk: int,
    centres: np.ndarray | None,
    seconds: Seconds,
) -> int:
    """The step at which the last of the clips is sure, or there is no further."""
    sure, last = np.zeros(1, bool), -1
    turns = engine.walk(frames, chunk=chunk, centres=centres, seconds=seconds, **others)
    for turn in turns:
        last = turn.index
        sure = sure | fires(rule, turn)
        if sure.all():
            break
    turns.close()
    return last


def _side_by_side(
    engine: Engine, videos: Sequence[Opened], indices: Sequence[list[int]], seconds: Seconds
) -> Iterator[np.ndarray]:
    """Working frames (B,3,S,S) of B clips, each decoded when its turn comes."""
    read = (in_order(video, some) for video, some in zip(videos, indices, strict=True))
    for pixels in timed_items(zip(*read, strict=True), seconds, "decode"):
        began = perf_counter()
        frames = np.stack([engine.cut(one) for one in pixels])
        seconds["preprocess"] += perf_counter() - began
        yield frames
