"""What holds an engine against torch must not pass an engine that computes nothing."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gfnet_video.checkpoint import load
from gfnet_video.engines.engine import Turn
from gfnet_video.engines.torch_engine import TorchEngine
from gfnet_video.errors import CheckpointError
from gfnet_video.inference.parity import compare


class Spoilt(TorchEngine):
    """Torch, but for one part of each step."""

    name = "spoilt"
    part = "logits"

    def walk(self, *args: Any, **kwargs: Any) -> Generator[Turn, None, None]:
        for turn in super().walk(*args, **kwargs):
            yield replace(turn, **{self.part: np.full_like(getattr(turn, self.part), np.nan)})


def test_torch_says_what_torch_says(checkpoint: Path, clip: Path) -> None:
    engine = TorchEngine(load(checkpoint))
    found = compare(engine, engine, [clip])
    assert (found.clips, found.pixels, found.moved) == (1, 0.0, ()) and found.logits < 1e-5


@pytest.mark.parametrize("part", ["logits", "centre"])
def test_what_is_no_number_is_a_difference(checkpoint: Path, clip: Path, part: str) -> None:
    engine = TorchEngine(load(checkpoint))
    spoilt = Spoilt(engine.model)
    spoilt.part = part
    with pytest.raises(CheckpointError, match=r"clip\.webm: spoilt and torch differ"):
        compare(engine, spoilt, [clip])
