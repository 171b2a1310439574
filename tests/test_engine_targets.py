"""What `tools/engine_targets.py` makes of times: seconds a clip, what is the networks', and which targets are met."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gfnet_video.evaluation.bench import Scores
from gfnet_video.evaluation.bench_runs import Run
from tools.bare_graphs import other
from tools.engine_targets import networks, row, seconds


def test_networks_are_what_is_neither_decoding_nor_preprocessing() -> None:
    held = {"decode": 1.0, "preprocess": 0.5, "glance": 2.0, "focus": 4.0, "total": 9.0}
    slow = held | {"total": 11.0}
    work = other("nothing", lambda _: None)
    score = Scores(work, ((Run(2, held, 0.0, 8), Run(2, slow, 0.0, 8)), (Run(2, held, 0.0, 8),) * 2), None)
    assert seconds(score, "glance", "focus", "locate").tolist() == [3.0, 3.0]
    assert networks(score).tolist() == [4.25, 3.75]


@pytest.mark.parametrize(("wanted", "met"), [(">= 2", True), (">= 2.1", False), ("<= 2", True), ("<= 1.9", False)])
def test_a_target_is_met_by_the_median(wanted: str, met: bool) -> None:
    found = row("a", "what", wanted, np.array([1.0, 2.0, 9.0]))
    assert (found["measured"], found["least"], found["most"], found["met"]) == (2.0, 1.0, 9.0, met)


def test_what_is_no_model_works_so_often_a_clip() -> None:
    seen: list[Path] = []
    ran = other("work", seen.append, 3).run([Path("a"), Path("b")])
    assert seen == [Path("a")] * 3 + [Path("b")] * 3 and ran.clips == 2 and ran.seconds["total"] > 0
