"""Rewards of all frames at once are those of the plain loop: step, and step aside with another patch and forget it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from gfnet_video.model import GFNet, parted
from gfnet_video.nn.state import State
from gfnet_video.training.rewards import alone, contrastive, glance_at, increment, odds_alone
from tests import models

CASES: dict[str, dict[str, Any]] = {
    "interleaved": {},
    "glance_first": {"order": "glance_first"},
    "shared": {"order": "glance_first", "patch": "shared"},
    "shared, focus frames of its own": {"order": "glance_first", "patch": "shared", "focus_frames": 4},
    "sees the clip": {"order": "glance_first", "policy_sees": "clip"},
    "both": {"order": "glance_first", "patch": "shared", "temporal": "both"},
}
LABELS = torch.tensor([3, 1, 4])


def some(case: str, shift: bool) -> tuple[GFNet, Tensor, Tensor | None, Tensor, Tensor]:
    """A model in doubles, frames, the glance's own, and centres and others (B,A,2) for its decisions."""
    changes = CASES[case] | {"focus": replace(models.config().focus, shift=shift)}  # type: ignore[type-var]
    model = models.model(dtype=torch.float64, **changes)
    count = model.config.frames + model.config.focus_frames
    frames, glanced = parted(models.frames(3, count, torch.float64), model.config)
    decisions = 1 if model.config.patch == "shared" else model.config.frames
    drawn = torch.rand(2, 3, decisions, 2, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    temper(model, frames, frames if glanced is None else glanced, model.spread(drawn[0], frames.shape[1]))
    return model, frames, glanced, drawn[0], drawn[1]


@torch.no_grad()
def temper(model: GFNet, frames: Tensor, glanced: Tensor, centres: Tensor) -> None:
    """Scale the classifiers to logits of deviation 1, so that confidences lie between 0 and 1."""
    assert model.focus_net is not None
    said = model.glance(glanced)[0].logits, model.focus(frames, centres)[0].logits
    for net, logits in zip((model.glance_net, model.focus_net), said, strict=True):
        for value in net.classifier.parameters():
            value /= logits.std()
    for value in model.aggregator.track[2].parameters():  # type: ignore[union-attr]
        value /= 10


def true(logits: Tensor) -> Tensor:
    """Confidence (B,) in the true class from logits (B,K)."""
    return logits.softmax(-1)[torch.arange(len(LABELS)), LABELS]


def one(x: Tensor, t: int) -> Tensor:
    return x[:, t : t + 1]


def plain_interleaved(model: GFNet, frames: Tensor, centres: Tensor, others: Tensor) -> list[Tensor]:
    state, found = State(), []
    for t in range(frames.shape[1]):
        _, aside, _ = model.step(one(frames, t), state, one(others, t))
        state, logits, _ = model.step(one(frames, t), state, one(centres, t))
        found.append(true(logits[:, 0]) - true(aside[:, 0]))
    return found


def plain_glance_first(model: GFNet, frames: Tensor, centres: Tensor, others: Tensor) -> list[Tensor]:
    evidence, _ = model.aggregate(None, glance=model.glance(frames)[0])
    state, found = State(evidence=evidence), []
    for t in range(frames.shape[1]):
        after = []
        for track in (others, centres):
            patch, focus = model.focus(one(frames, t), one(track, t), state.focus)
            evidence, logits = model.aggregate(state.evidence, focus=patch, centres=one(track, t))
            after.append(true(logits[:, 0]))
        state = State(focus=focus, evidence=evidence)  # of the policy's track, which came last
        found.append(after[1] - after[0])
    return found


@pytest.mark.parametrize("shift", [True, False], ids=["shift", "no shift"])
@pytest.mark.parametrize("case", CASES)
@torch.no_grad()
def test_contrastive_is_a_step_aside_that_is_forgotten(case: str, shift: bool) -> None:
    model, frames, glanced, centres, others = some(case, shift)
    found = contrastive(model, glance_at(model, frames, LABELS, glanced), centres, others)
    if model.config.patch == "shared":
        with_, without = (model(frames, glance_frames=glanced, centres=c) for c in (centres, others))
        expected = [true(with_.logits) - true(without.logits)]
    else:
        plain = plain_glance_first if model.glances_first else plain_interleaved
        expected = plain(model, frames, centres, others)
    assert found.shape == centres.shape[:2] and found.abs().min() > 1e-7
    assert torch.allclose(found, torch.stack(expected, 1), atol=1e-9)


@pytest.mark.parametrize("case", CASES)
@torch.no_grad()
def test_increment_is_the_gain_over_the_step_before(case: str) -> None:
    model, frames, glanced, centres, _ = some(case, True)
    found = increment(model, glance_at(model, frames, LABELS, glanced), centres)
    looks = model(frames, glance_frames=glanced, centres=centres)
    steps = [true(looks.step_logits[:, s]) for s in range(looks.step_logits.shape[1])]
    if model.config.patch == "shared":
        expected = [steps[-1] - steps[0]]
    else:
        steps = steps if model.glances_first else [torch.full_like(steps[0], 1 / models.CLASSES), *steps]
        expected = [after - before for before, after in pairwise(steps)]
    assert torch.allclose(found, torch.stack(expected, 1), atol=1e-9)


@pytest.mark.parametrize("case", CASES)
@torch.no_grad()
def test_the_odds_of_a_patch_are_those_of_a_first_look(case: str) -> None:
    model, frames, glanced, centres, others = some(case, shift=True)
    seen = glance_at(model, frames, LABELS, glanced)
    shared = model.config.patch == "shared"
    for found, track in zip(odds_alone(model, seen, torch.stack([centres, others])), (centres, others), strict=True):
        where = model.spread(track, frames.shape[1])
        for t in range(track.shape[1]):
            part = slice(None) if shared else slice(t, t + 1)
            so_far = slice(None) if shared or case == "sees the clip" else slice(0, t + 1)
            patch, _ = model.focus(frames[:, part], where[:, part])
            chance = true(seen.glance.logits[:, so_far].mean(1) + patch.logits.mean(1))
            assert torch.allclose(found[:, t], (chance / (1 - chance)).log(), atol=1e-7)


@torch.no_grad()
def test_the_policys_own_patches_gain_nothing_over_themselves() -> None:
    model, frames, _, centres, _ = some("interleaved", True)
    found = contrastive(model, glance_at(model, frames, LABELS), centres, centres)
    assert torch.allclose(found, torch.zeros_like(found), atol=1e-12)


@pytest.mark.parametrize("shared", [False, True])
@torch.no_grad()
def test_a_patch_alone_is_judged_with_the_glances_so_far(shared: bool) -> None:
    model, frames, _, centres, others = some("shared" if shared else "interleaved", False)
    seen = glance_at(model, frames, LABELS)
    for track, found in zip((centres, others), alone(model, seen, torch.stack([centres, others])), strict=True):
        said = model.focus(frames, model.spread(track, models.FRAMES))[0].logits
        for t in range(track.shape[1]):
            looks = said.mean(1) if shared else said[:, t]
            glances = seen.glance.logits if shared else seen.glance.logits[:, : t + 1]
            assert torch.allclose(found[:, t], true(glances.mean(1) + looks).log(), atol=1e-9)
