"""Accuracy against cost: computed exits are the executed ones, and the ends of the curves are known."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gfnet_video.checkpoint import Recogniser, load
from gfnet_video.datasets.annotations import read_manifest
from gfnet_video.datasets.catalog import dataset
from gfnet_video.datasets.clips import Clips, open_clips
from gfnet_video.engines.macs import costs_of
from gfnet_video.errors import DataError
from gfnet_video.evaluation import exit_timing
from gfnet_video.evaluation.curve import GRID, AllLooks, anytime, at_rule, over_confidences
from gfnet_video.evaluation.evaluate import evaluate
from gfnet_video.evaluation.exit_timing import settings_of, time_exits, timing_report
from gfnet_video.evaluation.metrics import accuracy, step_accuracies, step_logits_of
from gfnet_video.nn.exit_rule import ExitRule

STEPS, COSTS = 4, (1.0, 2.0, 3.0, 5.0)


@pytest.fixture
def looks() -> AllLooks:
    """Sixty clips whose logits grow from step to step, so that they exit all along the way; two failed."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(60, STEPS, 7, generator=generator).cumsum(1)
    logits[[3, 40]] = float("nan")
    return AllLooks(logits, torch.randint(0, 7, (60,), generator=generator), COSTS)


@pytest.fixture
def rule() -> ExitRule:
    return ExitRule((1.5, 1.2, 1.0, 0.8), (0.9, 0.8, 0.8, 0.7))


@pytest.fixture
def model(checkpoint: Path) -> Recogniser:
    return load(checkpoint)


@pytest.fixture
def clips(model: Recogniser, tree: Path) -> Clips:
    return open_clips(read_manifest(dataset("sthv2"), tree, "test"), model.config, None)


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exit_timing, "ROUNDS", 2)
    monkeypatch.setattr(exit_timing, "CONFIDENCES", (0.3,))


def test_the_last_points_are_those_of_all_looks(looks: AllLooks, rule: ExitRule) -> None:
    all_looks = accuracy(looks.logits[:, -1], looks.labels)
    assert anytime(looks)[-1] == {"step": STEPS, "gmacs": 5.0, "top1": all_looks}
    assert over_confidences(rule, looks)[-1] == {
        "confidence": None, "top1": all_looks, "gmacs": 5.0, "mean_exit_step": STEPS,
    }  # fmt: skip


def test_the_first_points_are_those_of_one_step(looks: AllLooks, rule: ExitRule) -> None:
    first = step_accuracies(looks.logits, looks.labels)[0]
    assert anytime(looks)[0]["top1"] == first
    assert over_confidences(rule, looks)[0] == {"confidence": 0.01, "top1": first, "gmacs": 1.0, "mean_exit_step": 1.0}


def test_more_confidence_never_costs_less(looks: AllLooks, rule: ExitRule) -> None:
    rows = over_confidences(rule, looks)
    assert [r["confidence"] for r in rows] == [*GRID, None]
    gmacs = [r["gmacs"] for r in rows]
    assert gmacs == sorted(gmacs) and len(set(gmacs)) > 20


def test_a_rule_by_hand() -> None:
    """Two classes; log-odds 4 is a confidence of 0.98. The failed clip is wrong and in no mean of costs."""
    sure, unsure, failed = [4.0, 0.0], [0.0, 1.0], [float("nan")] * 2
    logits = torch.tensor([[sure, unsure], [unsure, sure], [unsure, unsure], [failed, failed]])
    looks = AllLooks(logits, torch.tensor([0, 0, 0, 0]), (1.0, 3.0))
    found = at_rule(ExitRule((1.0, 1.0), (0.9, 0.9)), looks)
    assert found == {"top1": 0.5, "gmacs": pytest.approx(7 / 3), "mean_exit_step": pytest.approx(5 / 3)}


def test_where_all_failed_nothing_has_a_cost(rule: ExitRule) -> None:
    looks = AllLooks(torch.full((3, STEPS, 7), float("nan")), torch.zeros(3, dtype=torch.long), COSTS)
    assert at_rule(rule, looks) == {"top1": 0.0, "gmacs": None, "mean_exit_step": None}


@pytest.mark.parametrize("confidence", [0.25, 0.5, 0.9])
def test_a_rule_gives_what_evaluate_reports(model: Recogniser, clips: Clips, confidence: float) -> None:
    rule = model.card.rule.at(confidence)
    found = evaluate(model, clips, rule, batch=3)
    looks = AllLooks(found.steps.logits, found.steps.labels, costs_of(model))
    computed = at_rule(rule, looks)
    for name in ("top1", "gmacs", "mean_exit_step"):
        assert computed[name] == pytest.approx(found.summary[name], rel=1e-5)
    assert torch.equal(rule.exits(looks.logits), found.exits)


def test_exits_executed_are_those_computed(model: Recogniser, clips: Clips, brief: None) -> None:
    rule = ExitRule(model.card.rule.temperatures, (0.35,) * 5 + (2.0,))
    steps = step_logits_of(model, clips)
    timing = time_exits(model, clips, rule)
    assert sorted(timing.places) == list(range(5)) and len(timing.decode_ms) == 5
    places = list(timing.places)
    for row in timing.rows:
        assert torch.equal(row.exits, row.setting.rule.exits(steps.logits[places])), row.setting.name
        assert len(row.ms) == 2 and min(row.ms) > 0
    report = timing_report(timing, AllLooks(steps.logits, steps.labels, costs_of(model)))
    assert [(r["setting"], r["batch"]) for r in report["network"]] == [
        (name, batch) for batch in (1, 5) for name in ("thresholds of this run", "confidence 0.3", "no exit")
    ]
    assert [r["exits_that_differ"] for r in report["network"]] == [0] * 6
    assert all(r["mean_exit_step"] == r["mean_exit_step_timed"] for r in report["network"])  # all clips were timed


def test_an_exit_takes_less_time_than_none(model: Recogniser, clips: Clips, brief: None) -> None:
    found = {(r.setting.name, r.batch): min(r.ms) for r in time_exits(model, clips, model.card.rule.at(0.01)).rows}
    assert found["thresholds of this run", 1] < found["no exit", 1]


def test_no_setting_is_timed_twice(rule: ExitRule) -> None:
    for own, name in ((rule, "thresholds of this run"), (rule.at(0.9), "confidence 0.9")):
        found = settings_of(own)
        assert [s.name for s in found if s.run] == [name]
        assert len({s.rule for s in found}) == len(found)
    assert [s.name for s in settings_of(ExitRule.never(STEPS, rule.temperatures)) if s.run] == ["no exit"]


def test_clips_that_cannot_be_read_are_not_timed(model: Recogniser, own: Path, brief: None) -> None:
    manifest = read_manifest(dataset("sthv2"), own, "test")
    manifest.path(1).write_bytes(b"no video")
    found = time_exits(model, open_clips(manifest, model.config, None), model.card.rule)
    assert sorted(found.places) == [0, 2, 3, 4]
    for i in found.places:
        manifest.path(i).write_bytes(b"")
    with pytest.raises(DataError, match="no clip of split 'test' could be read"):
        time_exits(model, open_clips(manifest, model.config, None), model.card.rule)
