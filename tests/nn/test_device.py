"""Choosing where networks run, and results that come back from there."""

from __future__ import annotations

import pytest
import torch

from gfnet_video.errors import ConfigError
from gfnet_video.inference.batch import run_batch
from gfnet_video.nn.device import device_of, pick_device
from gfnet_video.nn.exit_rule import ExitRule
from tests import models


def test_auto_is_a_gpu_or_the_cpu() -> None:
    assert pick_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert pick_device("cpu") == device_of(models.model())


@pytest.mark.parametrize("name", ["gpu", "cuda:99"])
def test_a_device_that_is_not_there_is_refused_in_words(name: str) -> None:
    with pytest.raises(ConfigError, match=f"device '{name}' cannot be used here: .*; use cpu or auto"):
        pick_device(name)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("changes", [{}, {"order": "glance_first", "patch": "shared", "temporal": "both"}])
def test_a_gpu_gives_what_the_cpu_gives(changes: dict[str, object]) -> None:
    model, clip = models.model(dtype=torch.float64, **changes), models.frames(3, dtype=torch.float64)
    rule = ExitRule((1.0,) * model.steps, (0.5,) * model.steps)
    here = run_batch(model, clip, rule)
    there = run_batch(model.to("cuda"), clip.to("cuda"), rule)
    assert torch.equal(here.steps, there.steps) and torch.allclose(here.logits, there.logits, atol=1e-6)
