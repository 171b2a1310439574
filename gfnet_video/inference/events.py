"""What a stream says: records, one line of JSON or one line for people each."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timezone

from gfnet_video.errors import printable
from gfnet_video.inference.report import encodable


@dataclass(frozen=True)
class Recognised:
    """What is seen has become another. label: None where a whole window was less sure than the model may be; frames: of
    evidence it was decided after; time: of the last of them, in seconds since the source's first frame; latency:
    seconds from that frame's being decoded to its answer; dropped: sampled frames that the network was too slow for."""

    source: str
    time: float
    label: str | None
    confidence: float
    frames: int
    latency: float
    dropped: int


@dataclass(frozen=True)
class Gap:
    """The source gave nothing for `seconds`, None where its clock began anew; restarted: all evidence is forgotten."""

    source: str
    time: float
    seconds: float | None
    restarted: bool


@dataclass(frozen=True)
class Dropped:
    """The network was too slow: `frames` sampled frames were dropped in all."""

    source: str
    time: float
    frames: int


@dataclass(frozen=True)
class Ended:
    """The source has ended. frames: that were looked at."""

    source: str
    time: float
    frames: int
    dropped: int
    gaps: int


@dataclass(frozen=True)
class Failed:
    """The source cannot be opened, or broke off."""

    source: str
    error: str


Event = Recognised | Gap | Dropped | Ended | Failed
NAMES = {Recognised: "label", Gap: "gap", Dropped: "dropped", Ended: "end", Failed: "error"}


def json_event(event: Event) -> str:
    """One line of JSON; `at` is the clock on the wall, UTC."""
    plain = asdict(event) | {"source": encodable(event.source)}
    rounded = {k: round(v, 4) if isinstance(v, float) else v for k, v in plain.items()}
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    return json.dumps({"event": NAMES[type(event)], "at": now} | rounded, ensure_ascii=False)


def plain_event(event: Event) -> str:
    """One line for people.

    >>> plain_event(Recognised("0", 3.25, "Clapping", 0.971, 5, 0.031, 0))
    '0: 3.2 s: Clapping (0.97), after 5 frames, 31 ms'
    """
    source = printable(event.source)
    if isinstance(event, Failed):
        return f"{source}: {event.error}"
    return f"{source}: {event.time:.1f} s: {_said(event)}"


def _said(event: Recognised | Gap | Dropped | Ended) -> str:
    if isinstance(event, Recognised):
        label = f"{event.label} ({event.confidence:.2f})" if event.label else f"nothing sure ({event.confidence:.2f})"
        return f"{label}, after {event.frames} frames, {1000 * event.latency:.0f} ms"
    if isinstance(event, Gap):
        gap = "its clock began anew" if event.seconds is None else f"nothing came for {event.seconds:.1f} s"
        return gap + (", evidence begins anew" if event.restarted else "")
    if isinstance(event, Dropped):
        return f"{event.frames} frames dropped so far: the network is slower than the source"
    return f"ended after {event.frames} frames looked at, {event.dropped} dropped, {event.gaps} gaps"
