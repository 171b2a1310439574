"""What learns how fast: groups of the optimiser, and what a scale of zero leaves alone."""

from __future__ import annotations

import pytest
import torch

from gfnet_video.config import StageConfig
from gfnet_video.errors import ConfigError
from gfnet_video.training.losses import supervised_loss
from gfnet_video.training.optim import make_optimiser, open_parts, set_rate
from tests import models


def rates(optimiser: torch.optim.Optimizer, model: torch.nn.Module) -> dict[str, tuple[float, float]]:
    """(learning rate, weight decay) by the name of each tensor that learns."""
    found = {id(p): (g["lr"], g["weight_decay"]) for g in optimiser.param_groups for p in g["params"]}
    return {name: found[id(p)] for name, p in model.named_parameters() if id(p) in found}


@pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
def test_rates_and_decays_go_by_part_and_kind(optimiser: str) -> None:
    model = models.model()
    stage = StageConfig("x", 1, 0.1, patches="random", backbone_scale=0.01, optimiser=optimiser)
    open_parts(model, stage)
    made = make_optimiser(model, stage, 0.5)
    set_rate(made, 0.2)
    found = rates(made, model)
    assert set(found) == {n for n, _ in model.named_parameters() if not n.startswith("policy")}
    twice = 2.0 if optimiser == "sgd" else 1.0
    for name, (rate, decay) in found.items():
        flat = dict(model.named_parameters())[name].ndim == 1
        expected = 0.2 * (0.01 if ".backbone." in name else 1.0) * (twice if name.endswith(".bias") else 1.0)
        assert rate == pytest.approx(expected), name
        assert decay == (0.0 if flat else 0.5), name


def test_a_backbone_of_scale_zero_keeps_weights_and_statistics() -> None:
    model = models.model()
    stage = StageConfig("x", 1, 0.1, patches="random", backbone_scale=0.0, optimiser="sgd")
    open_parts(model, stage)
    made = make_optimiser(model, stage, 0.5)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    supervised_loss(model, models.frames(), torch.tensor([0, 1]), torch.rand(2, 2, models.FRAMES, 2)).backward()
    made.step()
    changed = {k for k, v in model.state_dict().items() if not torch.equal(v, before[k])}
    assert changed and not any(".backbone." in k for k in changed)


@pytest.mark.parametrize("changes", [{"optimiser": "adam"}, {"schedule": "step"}])
def test_unknown_names_are_refused_with_the_nearest(changes: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="did you mean"):
        StageConfig("x", 1, 0.1, **changes)  # type: ignore[arg-type]
