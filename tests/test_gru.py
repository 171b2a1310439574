"""Evidence as a recurrent state: one model however it is run, kept in a checkpoint, trained and counted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from gfnet_video.checkpoint import Card, load, save
from gfnet_video.config import Config, StageConfig, TrainConfig
from gfnet_video.engines.macs import count_macs, looked
from gfnet_video.errors import ConfigError
from gfnet_video.inference.batch import run_batch
from gfnet_video.model import GFNet, parted
from gfnet_video.nn.exit_rule import ExitRule
from gfnet_video.nn.gru_aggregator import GRUAggregator
from gfnet_video.nn.state import State
from gfnet_video.training.losses import stepwise_loss, supervised_loss
from gfnet_video.training.optim import open_parts
from tests import models

ORDERS: dict[str, dict[str, object]] = {
    "interleaved": {},
    "glance_first": {"order": "glance_first"},
    "shared, own frames": {"order": "glance_first", "patch": "shared", "focus_frames": 4},
    "both": {"order": "glance_first", "patch": "shared", "temporal": "both"},
    "static": {"focus": None},
}


def made(order: str, dtype: torch.dtype = torch.float32) -> GFNet:
    return models.model(dtype=dtype, aggregator="gru", **ORDERS[order])


def clips_for(model: GFNet, batch: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor | None]:
    return parted(models.frames(batch, models.FRAMES + model.config.focus_frames, dtype), model.config)


def test_it_is_torchs_gru_over_the_looks_in_their_order() -> None:
    torch.manual_seed(0)
    ours, theirs = GRUAggregator(7, 5, 3, hidden=8), nn.GRU(8, 8, batch_first=True)
    theirs.load_state_dict({f"{name}_l0": value for name, value in ours.cell.state_dict().items()})
    glance, focus, centres = torch.randn(2, 4, 7), torch.randn(2, 4, 5), torch.rand(2, 4, 2)
    moved = torch.cat([torch.zeros(2, 1, 2), centres.diff(dim=1)], 1)
    assert ours.focus is not None
    with torch.no_grad():
        seen, aimed = ours.glance(glance).relu(), ours.focus(torch.cat([focus, centres, moved], -1)).relu()
        one_by_one = torch.stack([seen, aimed], 2).flatten(1, 2)  # glance, focus, glance, ...
        both = ours(ours.start(glance), glance=glance, focus=focus, centres=centres)[1]
        assert torch.allclose(both, ours.classifier(theirs(one_by_one)[0][:, 1::2]), atol=1e-6)
        evidence, after_glances = ours(ours.start(glance), glance=glance)
        first = ours(evidence, focus=focus, centres=centres)[1]
        expected = ours.classifier(theirs(torch.cat([seen, aimed], 1))[0])
        assert torch.allclose(torch.cat([after_glances, first], 1), expected, atol=1e-6)


@pytest.mark.parametrize("chunk", [1, 3])
def test_step_by_step_is_all_at_once(chunk: int) -> None:
    ours = GRUAggregator(7, 5, 3, hidden=8).double()
    glance, focus, centres = torch.randn(2, 5, 7), torch.randn(2, 5, 5), torch.rand(2, 5, 2)
    looks, evidence, found = [x.double() for x in (glance, focus, centres)], ours.start(glance.double()), []
    whole = ours(evidence, glance=looks[0], focus=looks[1], centres=looks[2])[1]
    for parts in zip(*(x.split(chunk, 1) for x in looks), strict=True):
        evidence, logits = ours(evidence, glance=parts[0], focus=parts[1], centres=parts[2])
        found.append(logits)
    assert torch.allclose(torch.cat(found, 1), whole, atol=1e-12)


@pytest.mark.parametrize("order", ORDERS)
def test_walking_and_executed_exits_are_forward(order: str) -> None:
    model = made(order, torch.float64)
    frames, glanced = clips_for(model, 2, torch.float64)
    with torch.inference_mode():
        whole = model(frames, glance_frames=glanced)
    assert whole.step_logits.std() > 1e-3  # or equality would say nothing
    for chunk in (1, 4):
        given = None if glanced is None else glanced.unbind(1)
        steps = [s.logits for s in model.walk(frames.unbind(1), glance_frames=given, chunk=chunk)]
        assert torch.allclose(torch.stack(steps, 1), whole.step_logits, atol=1e-9)
    first = (whole.step_logits[:, 0] / 20).softmax(-1).amax(-1)
    rule = ExitRule((20.0,) * model.steps, (float(first.mean()),) * model.steps)  # one leaves at once
    exits = run_batch(model, frames, rule, glance_frames=glanced)
    assert torch.equal(exits.steps, rule.exits(whole.step_logits)) and 0 in exits.steps
    assert torch.allclose(exits.logits, whole.step_logits[torch.arange(2), exits.steps], atol=1e-9)


def test_rows_that_leave_and_join_are_as_if_alone() -> None:
    model, clip = made("interleaved", torch.float64), models.frames(2, dtype=torch.float64)
    late = models.frames(1, dtype=torch.float64, seed=5)
    with torch.inference_mode():
        alone, late_alone = model(clip).step_logits, model(late).step_logits
        state, _, _ = model.step(clip[:, :2], State())
        state = state.select(torch.tensor([1, -1]))  # 0 leaves, a fresh clip joins
        _, logits, _ = model.step(torch.stack([clip[1, 2:4], late[0, :2]]), state)
    assert torch.allclose(logits[0], alone[1, 2:4], atol=1e-9)
    assert torch.allclose(logits[1], late_alone[0, :2], atol=1e-9)


def test_it_reads_features_and_how_the_patch_moved() -> None:
    model, clip = made("interleaved"), models.frames(1)
    there = torch.linspace(0.1, 0.9, models.FRAMES)[None, :, None].expand(1, -1, 2)
    with torch.inference_mode():
        seen, _ = model.glance(clip)
        patch, _ = model.focus(clip, there)
        _, forth = model.aggregate(None, glance=seen, focus=patch, centres=there)
        _, back = model.aggregate(None, glance=seen, focus=patch, centres=there.flip(1))
        model.glance_net.classifier.linear.bias += 1
        assert torch.equal(model(clip, centres=there).logits, forth[:, -1])  # whatever the look itself says
    assert not torch.allclose(forth[:, -1], back[:, -1], atol=1e-3)


def test_a_checkpoint_keeps_it(tmp_path: Path) -> None:
    model = made("interleaved")
    save(tmp_path, model, Card(Config("mini", model.config, TrainConfig(())), tuple("abcde"), ExitRule.never(6)))
    found = load(tmp_path, verify=True)
    clip = models.frames()
    with torch.inference_mode():
        assert found.config.aggregator == "gru" and torch.equal(found(clip).step_logits, model(clip).step_logits)


@pytest.mark.parametrize("order", ["interleaved", "glance_first"])
def test_its_loss_is_of_the_steps_of_forward_and_reaches_every_part(order: str) -> None:
    model, clip, labels, centres = made(order), models.frames(), torch.tensor([0, 1]), torch.rand(3, 2, 6, 2)
    with torch.no_grad():
        loss = supervised_loss(model, clip, labels, centres, auxiliary=0.0)
        looks = model(clip.repeat(3, 1, 1, 1, 1), centres=centres.flatten(0, 1))
        steps = looks.step_logits[:, 1:] if order == "glance_first" else looks.step_logits
    assert torch.allclose(loss, stepwise_loss(steps, labels.repeat(3)), rtol=1e-4)
    open_parts(model, StageConfig("x", 1, 0.01, patches="random"))
    supervised_loss(model, clip, labels, centres).backward()
    grown = {name.split(".")[1] for name, p in model.aggregator.named_parameters(prefix="a") if p.grad is not None}
    assert grown == {"glance", "focus", "cell", "classifier"}
    assert all(bool(p.grad.isfinite().all()) for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("order", ["interleaved", "glance_first", "static"])
def test_its_macs_are_counted_once_a_look(order: str) -> None:
    model = made(order)
    macs = count_macs(model)
    assert macs.aggregate + macs.gather > 0
    with models.counted() as counter:
        model(models.frames(1))
    expected = counter.get_total_flops() / 2e9
    assert macs.of(looked(model.config, model.steps - 1)) == pytest.approx(expected, rel=1e-9)


def test_another_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="unknown aggregator 'grus'; did you mean 'gru'"):
        models.config(aggregator="grus")


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield
