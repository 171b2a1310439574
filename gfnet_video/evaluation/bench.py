"""Who is how fast, from files to answers: contenders take turns on the same clips, round by round.

All is measured end to end in one process; what the machine does besides falls on all alike. A ratio is that of two
contenders' milliseconds in the same round, so it comes with a spread; none is worked out from multiply-adds.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gfnet_video.engines.engine import Engine
from gfnet_video.evaluation.bench_rivals import RANDOM, Peer
from gfnet_video.evaluation.bench_runs import Contender, Run, run_engine, run_seats
from gfnet_video.inference.under_way import shares_looks
from gfnet_video.nn.exit_rule import ExitRule

QUEUE = 4  # times as many clips as seats, at least
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Scores:
    """A contender's runs, round by round, and the process's highest resident memory in its turns; None: unknown."""

    contender: Contender
    rounds: tuple[tuple[Run, ...], ...]
    peak_mb: float | None

    def ms(self, number: int, *, decoding: bool = True) -> float:
        """Milliseconds a clip in a round; decoding: with those of decoding it."""
        runs = self.rounds[number]
        apart = 0.0 if decoding else sum(r.seconds.get("decode", 0.0) for r in runs)
        return 1000 * (sum(r.seconds["total"] for r in runs) - apart) / sum(r.clips for r in runs)


def bench(
    contenders: Sequence[Contender], paths: Sequence[Path], rounds: int, told: Callable[[str], None]
) -> list[Scores]:
    """Every contender runs all clips in every round, after one round that warms up; each round begins with another."""
    found: list[list[tuple[Run, ...]]] = [[] for _ in contenders]
    peaks: list[float | None] = [None] * len(contenders)
    for number in range(rounds + 1):
        told(f"round {number} of {rounds}" if number else "warming up")
        for turn in range(len(contenders)):
            place = (turn + number) % len(contenders)
            one = contenders[place]
            fresh = _peak_from_here()
            runs = tuple(one.run(some) for some in _shares(paths, one))
            if number:
                found[place].append(runs)
                peaks[place] = max(peaks[place] or 0.0, _peak_mb()) if fresh else None
    return [Scores(c, tuple(f), p) for c, f, p in zip(contenders, found, peaks, strict=True)]


def _shares(paths: Sequence[Path], one: Contender) -> Iterable[Sequence[Path]]:
    """The clips as a contender takes them: in batches; where it has seats all in one run, and so often that most of the
    time others wait."""
    if not one.seats:
        return _batches(paths, one.batch)
    return [[*paths] * -(-QUEUE * one.batch // len(paths))]


def _batches(paths: Sequence[Path], size: int) -> Iterator[Sequence[Path]]:
    """So many clips at a time; the last batch is filled up with the first clips, so that all are of one size."""
    for start in range(0, len(paths), size):
        batch = paths[start : start + size]
        yield [*batch, *paths[: size - len(batch)]]


def contenders_of(
    opened: Sequence[tuple[Engine, str]],
    confidence: float | None,
    batches: Sequence[int],
    chunks: Sequence[int],
    peers: Sequence[Peer],
) -> list[Contender]:
    """Each model on each engine, at each batch and chunk, with its exits and at the first chunk without any; what is
    untrained has no exits; static networks take a whole clip at once, which is when they are fastest. In a batch a
    clip that exits leaves its seat to the next, where the model lets clips share looks (`shares_looks`): then frames
    are looked at one by one, whatever the chunks. confidence: in the place of each model's own thresholds."""
    found = []
    for engine, kind in opened:
        about = engine.about
        never = ExitRule.never(about.config.steps, about.rule.temperatures)
        rule = about.rule if confidence is None else about.rule.at(confidence)
        named = about.model if about.precision == "float32" else f"{about.model} {about.precision}"
        sizes = chunks if about.config.chunked else chunks[:1]
        ways = [*((c, ", exits", rule) for c in sizes), (chunks[0], ", all looks", never)]
        if kind == "untrained":
            ways = [(c, ", all looks", never) for c in sizes]
        if kind == "static":
            ways = [(about.config.frames, "", never)]
        note = "" if kind == "gfnet" else RANDOM
        for batch in batches:
            seats = batch > 1 and kind == "gfnet" and shares_looks(about.config)
            if seats:
                run = partial(run_seats, engine, rule, batch)
                found.append(Contender(named + ", exits", kind, engine.name, batch, 1, run, note, seats=True))
            for chunk, looks, used in ways[-1:] if seats else ways:
                run = partial(run_engine, engine, used, chunk)
                found.append(Contender(named + looks, kind, engine.name, batch, chunk, run, note))
    return found + [peer.contender(batch) for peer in peers for batch in batches]


def _peak_from_here() -> bool:
    """Forget the highest resident memory so far (Linux, proc(5)); whether that could be done."""
    try:
        CLEAR.write_text("5")
    except OSError:
        return False
    return True


def _peak_mb() -> float:
    for line in STATUS.read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
