"""One stream's progress: a frame comes, the window slides, and what is seen becomes another or stays the same."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import Any

from gfnet_video.config import ModelConfig
from gfnet_video.engines.engine import About, Engine, Turn, fires, probabilities
from gfnet_video.errors import ConfigError
from gfnet_video.inference.events import Dropped, Event, Gap, Recognised
from gfnet_video.inference.validity import elsewhere
from gfnet_video.nn.exit_rule import ExitRule
from gfnet_video.video.feed import Shot

AGAIN = 10.0  # seconds of the source between two reports of dropped frames


@dataclass(frozen=True)
class Choices:
    """How to judge a stream. every: seconds between two frames; abstain: a whole window that is less sure than this,
    and does not reach its threshold, is no label."""

    every: float
    rule: ExitRule
    abstain: float


@dataclass(frozen=True)
class Answer:
    """Class and its probability; None: none of them."""

    label: int | None
    confidence: float


@dataclass(frozen=True)
class Progress:
    """What one stream has come to. memory: the engine's; last: the newest frame looked at; turn: what it gave; answer:
    what was said last, None at the start and after a restart; told: of dropped frames, and when."""

    memory: Any = None
    last: Shot | None = None
    turn: Turn | None = None
    answer: Answer | None = None
    frames: int = 0
    told: tuple[int, float] = (0, -math.inf)

    @property
    def dropped(self) -> int:
        """Sampled frames that came before the newest and were not looked at."""
        return self.last.number - self.frames if self.last else 0


def choices(
    about: About, *, every: float | None = None, confidence: float | None = None, abstain: float = 0.5
) -> Choices:
    """Raises ConfigError for a model that cannot stream or does not know its interval, and for numbers out of range."""
    check_streams(about.config)
    interval = about.interval if every is None else every
    if every is None and not interval:
        raise ConfigError(
            f"{about.model} stores no interval between its frames (it was written before models did): name it with "
            f"--every SECONDS, which is the length of a clip it was trained on, divided by {about.config.frames}"
        )
    if not 0 < interval < math.inf:
        raise ConfigError(f"every is {interval} seconds; expected a number above 0")
    if not 0 <= abstain <= 1:
        raise ConfigError(f"abstain is {abstain}; expected 0 (always a label) to 1")
    return Choices(interval, about.rule if confidence is None else about.rule.at(confidence), abstain)


def check_streams(config: ModelConfig) -> None:
    """Raise ConfigError unless each frame can be judged when it comes."""
    why = ""
    if config.image:
        why = "policy_sees is latest (image mode): it looks at single pictures"
    elif config.temporal == "both":
        why = "temporal is both: each frame's look needs the frame after it"
    elif config.glances_first:
        why = "order is glance_first: the first patch is picked after the last frame of the clip"
    elif config.sampler == "coarse_to_fine":
        why = "sampler is coarse_to_fine: its frames are not seen in time's order"
    elif config.where == "oracle":
        why = "where is oracle: a stream has no truth to follow"
    if why:
        raise ConfigError(f"{why}; a stream needs a causal model whose order is interleaved")


def warnings(engine: Engine, chosen: Choices, *, confidence: float | None) -> tuple[str, ...]:
    """Where stored thresholds are used elsewhere than they were found; none where one confidence replaces them."""
    if confidence is not None:
        return ()
    about = engine.about
    apart = about.interval and abs(chosen.every / about.interval - 1) > 0.01
    found = f"thresholds were found for frames {about.interval:g} s apart, used with {chosen.every:g}"
    return (*elsewhere(about, engine=engine.name), *((found,) if apart else ()))


def stepped(
    engine: Engine, chosen: Choices, source: str, before: Progress, shot: Shot
) -> tuple[Progress, tuple[Event, ...]]:
    """Look at one more frame of a stream."""
    before, events = _noticed(engine, chosen, source, before, shot)
    memory, turn = engine.slide(engine.cut(shot.pixels)[None], before.memory)
    now = replace(before, memory=memory, last=shot, turn=turn, frames=before.frames + 1)
    full = turn.index + 1 >= engine.about.config.steps
    now, said = _answered(engine.about, chosen, source, now, answered(chosen, turn, whole=full))
    dropped, when = now.told
    if now.dropped > dropped and shot.seconds >= when + AGAIN:
        events = (*events, Dropped(source, shot.seconds, now.dropped))
        now = replace(now, told=(now.dropped, shot.seconds))
    return now, (*events, *said)


def ended(about: About, chosen: Choices, source: str, before: Progress) -> tuple[Event, ...]:
    """A source that ends before it was sure, and before a whole window, is answered from what there was."""
    if before.turn is None or before.answer is not None:
        return ()
    return _answered(about, chosen, source, before, answered(chosen, before.turn, whole=True))[1]


def answered(chosen: Choices, turn: Turn, *, whole: bool) -> Answer | None:
    """What a step says: the label that reaches its threshold; of a whole window one that is sure enough, or that there
    is none; else it is still to be seen. On one clip this is where its exit is, and what it answers there."""
    odds = probabilities(chosen.rule, turn)[0]
    best, sure = int(odds.argmax()), bool(fires(chosen.rule, turn)[0])
    if not sure and not whole:
        return None
    confidence = float(odds[best])
    return Answer(best if sure or confidence >= chosen.abstain else None, confidence)


def _noticed(
    engine: Engine, chosen: Choices, source: str, before: Progress, shot: Shot
) -> tuple[Progress, tuple[Event, ...]]:
    """What lies between the frame before and this one; where it is longer than the window, evidence begins anew."""
    last = before.last
    if last is None:
        return before, ()
    window = engine.about.config.frames * chosen.every
    turned = shot.turns > last.turns
    restarts = turned or shot.seconds - last.seconds > window
    events: tuple[Event, ...] = ()
    if turned or shot.gaps > last.gaps:
        events = (Gap(source, shot.seconds, None if turned else shot.lost - last.lost, restarts),)
    return (replace(before, memory=None, answer=None) if restarts else before), events


def _answered(
    about: About, chosen: Choices, source: str, now: Progress, answer: Answer | None
) -> tuple[Progress, tuple[Event, ...]]:
    """An event where the answer is another than the last."""
    if answer is None or (now.answer is not None and now.answer.label == answer.label):
        return now, ()
    assert now.last is not None and now.turn is not None
    label = None if answer.label is None else about.classes[answer.label]
    frames = now.turn.index // about.config.looks_per_frame + 1
    latency = time.monotonic() - now.last.read
    event = Recognised(source, now.last.seconds, label, answer.confidence, frames, latency, now.dropped)
    return replace(now, answer=answer), (event,)
