"""The table of mini: whose runs it compares, and what it says of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tools.mini_runs import FAMILIES, RECIPES, SEEDS, config_of, model_of
from tools.mini_table import Row, claims, closed, markdown, parts
from tools.table_mini import into_readme

LABELS = np.arange(400) % 40
OBJECTS = LABELS // 4 * 1000 + np.arange(400) // 80


def row(key: str, right: int, seed: int = 0, gmacs: float = 0.1) -> Row:
    """A network that is right about the first `right` clips."""
    return Row(key, f"the {key}", "f", seed, np.where(np.arange(400) < right, LABELS, (LABELS + 4) % 40), gmacs)


@pytest.mark.parametrize("family", FAMILIES)
def test_each_recipe_has_a_run_of_its_own_and_starts_from_its_own_family_and_seed(family: str) -> None:
    configs = {(key, seed): config_of(key, family, seed) for key in RECIPES for seed in SEEDS}
    assert len({c.name for c in configs.values()}) == len(configs)
    for (_, seed), config in configs.items():
        assert config.train.seed == seed and config.model.glance.backbone == FAMILIES[family]
        starts = {s for s in (config.train.initial_glance, config.train.initial_focus) if s}
        assert starts <= {str(model_of(key, family, seed)) for key in ("full", "glance")}


def test_controls_look_as_often_and_at_the_same_cost() -> None:
    gfnet, learned = config_of("gfnet"), ("gfnet", "reinforce", "ppo")
    assert config_of("end_to_end").model == gfnet.model
    for key in (*learned, "random", "centre", "oracle"):
        config = config_of(key)
        assert (config.model.glance, config.model.focus) == (gfnet.model.glance, gfnet.model.focus)
        fitted = [(s.epochs, s.lr, s.tracks) for s in config.train.stages if "focus" in s.train]
        assert fitted == [(4, 0.001, 2), (5, 0.0007, 1)]
        assert config.model.where == (key if key not in learned else "policy")


def test_claims_take_the_seeds_that_both_sides_have() -> None:
    rows = [row("full", 360), row("full", 380, seed=1), row("gfnet+exits", 356), row("gfnet", 360)]
    found = {(c["of"], c["against"]): c for c in claims(rows, LABELS, OBJECTS)}
    against_full = found["the gfnet+exits", "the full"]
    assert against_full["seeds"] == [0] and against_full["points"] == pytest.approx(-1.0)
    assert against_full["low"] < -1 < against_full["high"] <= 0
    assert ("the gfnet", "the oracle") not in {*found}


def test_the_gap_is_closed_by_what_lies_above_random() -> None:
    (found,) = closed([row("random", 200), row("gfnet", 350), row("oracle", 400)], LABELS, OBJECTS)
    assert found["percent"] == pytest.approx(75) and found["low"] < 75 < found["high"]


def test_the_table_is_put_between_its_marks_however_often(tmp_path: Path) -> None:
    rows = [row("full", 360, gmacs=0.4), row("full", 380, seed=1, gmacs=0.4), row("gfnet", 360)]
    plain = [{"key": r.key, "name": r.title, "family": "f", "gmacs": r.gmacs} | parts(r.guesses, LABELS) for r in rows]
    guesses = {"chance": parts(np.zeros(400, int), LABELS), "place": {"motion": 27.1}}
    apart = claims(rows, LABELS, OBJECTS)
    table = markdown({"rows": plain, "without_networks": guesses, "differences": apart, "gap_closed": []})
    assert "| chance | 2.5 | 10.0 | 25.0 |  |  |" in table and "| place |  |  | 27.1 |  |  |" in table
    assert "| the full | 90.0, 95.0 | 92.5 | 100.0 | 0.400 | 100 % |" in table
    assert "| the gfnet | 90.0 | 90.0 | 100.0 | 0.100 | 25 % |" in table
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- table: make bench-mini -->\nold\n<!-- end of table -->\nafter\n")
    for _ in range(2):
        into_readme(readme, table, "*foot*")
        text = readme.read_text()
        assert text.startswith("before\n") and text.endswith("<!-- end of table -->\nafter\n") and "old" not in text
        assert text.count(table) == 1
