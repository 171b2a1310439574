"""Clips in seats: each answers as alone, those that are sure make room, and what an exit saves is not pulled."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from gfnet_video.engines.engine import fires
from gfnet_video.engines.macs import LookMacs
from gfnet_video.engines.timing import LOOKS, Seconds
from gfnet_video.engines.torch_engine import TorchEngine
from gfnet_video.errors import ConfigError, DataError
from gfnet_video.inference.under_way import Pulled, in_seats, shares_looks
from gfnet_video.nn.draws import drawn_centres
from gfnet_video.nn.exit_rule import ExitRule
from tests import models
from tests.engines.walks import recogniser

CLIPS, SEATS = 7, 3


def engine(changes: dict[str, Any]) -> TorchEngine:
    return TorchEngine(recogniser(models.config("resnet10t", **changes)), LookMacs(0.0, 0.0, 0.0, 0.0))


def pixels() -> np.ndarray:
    """Clips (N,T,3,S,S) uint8."""
    size = (CLIPS, models.FRAMES, 3, models.SIDE, models.SIDE)
    return np.random.default_rng(0).integers(0, 256, size, np.uint8)


def drawn(looks: TorchEngine, number: int) -> np.ndarray | None:
    """The centres (1,F,2) of a clip, where the model does not say them."""
    config = looks.about.config
    return drawn_centres(str(number), range(config.looks))[None] if config.where == "random" else None


def alone(looks: TorchEngine, clip: np.ndarray, rule: ExitRule, forced: np.ndarray | None) -> list[np.ndarray]:
    """Logits (K,) of each step of a clip (T,3,S,S) up to its exit."""
    said = []
    for turn in looks.walk(iter(clip[:, None]), centres=forced):
        said.append(turn.logits[0])
        if fires(rule, turn)[0]:
            break
    return said


def counted(clip: np.ndarray, pulled: list[int], number: int) -> Iterator[np.ndarray]:
    for frame in clip:
        pulled[number] += 1
        yield frame


ORDERS: list[dict[str, Any]] = [
    {},
    {"focus": None},
    {"aggregator": "gru"},
    {"order": "glance_first", "policy_sees": "clip"},
    {"order": "glance_first", "policy_sees": "past"},
    {"order": "glance_first", "where": "centre"},
    {"where": "random"},
    {"order": "glance_first", "where": "random"},
]


@pytest.mark.parametrize("changes", ORDERS, ids=str)
def test_clips_in_seats_answer_as_alone(changes: dict[str, Any]) -> None:
    looks, clips, pulled = engine(changes), pixels(), [0] * CLIPS
    never = looks.about.rule.at(1.0)
    places = [drawn(looks, i) for i in range(CLIPS)]
    whole = [s for c, p in zip(clips, places, strict=True) for s in alone(looks, c, never, p)]
    shares = [np.exp(s - s.max()) / np.exp(s - s.max()).sum() for s in whole]
    rule = looks.about.rule.at(float(np.quantile([s.max() for s in shares], 0.8)))
    config, seconds = looks.about.config, Seconds(float)
    waiting = [Pulled(config, rule, len(c), places[i], frames=counted(c, pulled, i)) for i, c in enumerate(clips)]
    left = [one for some in in_seats(looks, waiting, SEATS, seconds) for one in some]
    assert sorted(map(id, left)) == sorted(map(id, waiting)) and all(one.done for one in left)
    expected = [alone(looks, c, rule, p) for c, p in zip(clips, places, strict=True)]
    assert len({len(e) for e in expected}) > 1, "all exit at one step: nothing is shown"
    for i, (one, steps) in enumerate(zip(waiting, expected, strict=True)):
        assert len(one.turns) == len(steps)
        assert np.allclose([t.logits[0] for t in one.turns], steps, atol=1e-3, rtol=1e-3)
        assert pulled[i] == (models.FRAMES if config.glances_first else len(steps))
    assert set(seconds) - {"preprocess"} <= set(LOOKS.values()) and seconds["glance"] > 0


@pytest.mark.parametrize("changes", [ORDERS[0], ORDERS[3]], ids=str)
def test_no_more_clips_are_drawn_than_there_are_seats(changes: dict[str, Any]) -> None:
    looks, drawn, gone = engine(changes), list[int](), 0

    def waiting() -> Iterator[Pulled]:
        for number, clip in enumerate(pixels()):
            drawn.append(number)
            yield Pulled(looks.about.config, looks.about.rule.at(1.0), len(clip), frames=iter(clip))

    for some in in_seats(looks, waiting(), SEATS):
        assert len(drawn) - gone <= SEATS
        gone += len(some)
    assert gone == len(drawn) == CLIPS


def test_no_seat_and_clips_that_cannot_share_are_refused() -> None:
    looks, shared = engine({}), engine({"order": "glance_first", "patch": "shared"})
    for one, seats in ((looks, 0), (shared, SEATS)):
        with pytest.raises(ConfigError, match=f"{seats} seats; it needs one or more, and looks that clips can share"):
            next(in_seats(one, [], seats))


@pytest.mark.parametrize("changes", [ORDERS[0], ORDERS[3]], ids=str)
def test_a_clip_that_ends_early_says_so(changes: dict[str, Any]) -> None:
    looks, (clip, *_) = engine(changes), pixels()
    short = Pulled(looks.about.config, looks.about.rule.at(1.0), len(clip), frames=iter(clip[:2]))
    with pytest.raises(DataError, match=f"a clip of {len(clip)} frames ended before its "):
        list(in_seats(looks, [short], SEATS))


def test_whose_clips_can_share_looks() -> None:
    both = {"order": "glance_first", "temporal": "both", "patch": "shared"}
    for changes, can in (
        ({}, True),
        ({"focus": None}, True),
        ({"order": "glance_first", "policy_sees": "clip"}, True),
        (both, False),
        ({"order": "glance_first", "patch": "shared"}, False),
        ({"looks_per_frame": 2}, False),
        ({"order": "glance_first", "looks_per_frame": 2}, False),
    ):
        assert shares_looks(models.config("resnet10t", **changes)) is can, changes
