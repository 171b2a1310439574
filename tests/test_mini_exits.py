"""The exits of mini's networks: each recipe's goal, and that stored thresholds are of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gfnet_video.checkpoint import BUNDLED, find, load
from gfnet_video.engines.macs import costs_of
from gfnet_video.evaluation.calibration import Budget, Risk
from tools import train_mini
from tools.mini_runs import BUNDLES, RECIPES, STATIC
from tools.train_mini import exits_of, find_exits


def test_a_cost_is_a_part_of_what_the_full_frame_network_costs() -> None:
    budget = exits_of("gfnet")
    assert isinstance(budget, Budget)
    assert budget.gmacs == pytest.approx(costs_of(load(find(STATIC["full"])))[-1] * RECIPES["gfnet"].cost)


def test_a_recipe_without_exits_has_no_goal_and_none_has_two() -> None:
    assert exits_of("streaming") == Risk(0.01, confidence=0.95)
    assert all(exits_of(k) is None for k, r in RECIPES.items() if not (r.max_drop or r.cost))
    assert not any(r.max_drop and r.cost for r in RECIPES.values())


@pytest.mark.parametrize(("key", "name"), BUNDLES.values())
def test_thresholds_are_found_again_only_where_they_were_found_for_another_goal(
    key: str, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(train_mini, "calibrate_folder", lambda *given: asked.append(given[-1]))
    goal, other = exits_of(key), Risk(0.02, confidence=0.95)
    assert goal is not None
    find_exits(BUNDLED / name, tmp_path, goal)
    assert not asked  # what ships is of its recipe
    find_exits(BUNDLED / name, tmp_path, other)
    assert asked == [other]
