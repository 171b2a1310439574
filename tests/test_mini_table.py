"""The table of mini: whose runs it compares, and what it says of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from gfnet_video.engines.macs import costs_of
from gfnet_video.evaluation.metrics import StepLogits
from gfnet_video.model import GFNet
from tools.equal_cost import EQUALS, equals
from tools.mini_rows import Row, in_order, parts, plain, unplain, with_earlier
from tools.mini_runs import FAMILIES, RECIPES, SEEDS, config_of, model_of, recipe_of
from tools.mini_table import CLAIMED, CLAIMS, SHOWN, claims, closed, markdown, summary
from tools.table_mini import FOUND, into_readme, write_tables

LABELS = np.arange(400) % 40
OBJECTS = LABELS // 4 * 1000 + np.arange(400) // 80


def row(key: str, right: int, seed: int = 0, gmacs: float = 0.1, recipe: str = "r", family: str = "f") -> Row:
    """A network that is right about the first `right` clips."""
    guesses = np.where(np.arange(400) < right, LABELS, (LABELS + 4) % 40)
    points = parts(guesses, LABELS)
    return Row(key, f"the {key}", family, seed, guesses == LABELS, points, gmacs, recipe, "2026-11-26", {"steps": 9})


@pytest.mark.parametrize("family", FAMILIES)
def test_each_recipe_has_a_run_of_its_own_and_starts_from_its_own_family_and_seed(family: str) -> None:
    configs = {(key, seed): config_of(key, family, seed) for key in RECIPES for seed in SEEDS}
    assert len({c.name for c in configs.values()}) == len(configs)
    for (_, seed), config in configs.items():
        assert config.train.seed == seed and config.model.glance.backbone == FAMILIES[family]
        starts = {s for s in (config.train.initial_glance, config.train.initial_focus) if s}
        assert starts <= {str(model_of(key, family, seed)) for key in ("full", "glance", "glance_long", "tiny")}


def test_controls_look_as_often_and_at_the_same_cost() -> None:
    gfnet, learned = config_of("gfnet"), ("gfnet", "reinforce", "ppo")
    assert config_of("end_to_end").model == gfnet.model
    for key in (*learned, "random", "centre", "oracle"):
        config = config_of(key)
        assert (config.model.glance, config.model.focus) == (gfnet.model.glance, gfnet.model.focus)
        fitted = [(s.epochs, s.lr, s.tracks, s.auxiliary) for s in config.train.stages if "focus" in s.train]
        assert fitted == [(4, 0.001, 1, 3)]
        assert config.model.where == (key if key not in learned else "policy")


def test_claims_take_the_seeds_that_both_sides_have() -> None:
    rows = [row("full", 360), row("full", 380, seed=1), row("gfnet+exits", 356), row("gfnet", 360)]
    found = {(c["of"], c["against"]): c for c in claims(rows, OBJECTS)}
    against_full = found["the gfnet+exits", "the full"]
    assert against_full["seeds"] == [0] and against_full["points"] == pytest.approx(-1.0)
    assert against_full["low"] < -1 < against_full["high"] <= 0
    assert ("the gfnet", "the oracle") not in {*found}


def test_the_gap_is_closed_by_what_lies_above_random() -> None:
    (found,) = closed([row("random", 200), row("gfnet", 350), row("oracle", 400)], OBJECTS)
    assert found["percent"] == pytest.approx(75) and found["low"] < 75 < found["high"]


def test_a_claim_has_a_column_for_each_family_that_makes_some() -> None:
    rows = [row(k, r, family=f) for f in ("a", "b", "c") for k, r in (("full", 360), ("gfnet+exits", 340))][:-1]
    rows += [row("gfnet", 340, family="b")]
    apart = claims(rows, OBJECTS)
    gap = [{"family": "b", "percent": 80.4, "low": 70.0, "high": 90.0, "seeds": [0]}]
    kept = {"rows": [plain(r) for r in rows], "differences": apart, "gap_closed": gap}
    result = kept | {"without_networks": {}, "times": []}
    lines = markdown(result).splitlines()
    assert "| difference in class accuracy, points (95 % interval) | a | b |" in lines
    (against_full,) = (line for line in lines if line.startswith("| the gfnet+exits - the full |"))
    assert against_full.count("| -5.0 (") == 2
    (against_all,) = (line for line in lines if line.startswith("| the gfnet+exits - the gfnet |"))
    assert "|  | +0.0 (" in against_all  # only b has both
    assert lines[-1] == "| of the gap from random to oracle patches, GFNet's close |  | 80 % (70 to 90 %) |"


@pytest.mark.parametrize("key", ["streaming", "gfnet"])
def test_exits_at_the_cost_of_a_smaller_network_cost_no_more_and_leave_with_what_was_said_there(key: str) -> None:
    model, dice = GFNet(config_of(key).model).eval(), torch.manual_seed(0)
    labels = torch.randint(0, 40, (120,), generator=dice)
    surer = torch.linspace(0, 12, model.steps)[:, None] * torch.nn.functional.one_hot(labels, 40)[:, None]
    steps = StepLogits(torch.randn(120, model.steps, 40, generator=dice) + surer, labels, torch.empty(0), {}, 0.0)
    found = equals(key, "mobilenetv2", model, steps, steps)
    assert [e.static for e in found] == list(EQUALS[key])
    for one in found:
        assert one.side == config_of(one.static).model.glance.side
        cost = costs_of(GFNet(config_of(one.static).model).eval())[-1]
        assert 0.85 * cost < one.gmacs <= cost
        places = (steps.logits == one.logits[:, None]).all(-1).int().argmax(1)
        assert one.gmacs == pytest.approx(np.take(costs_of(model), places).mean())
        assert torch.equal(steps.logits[torch.arange(120), places], one.logits)
    assert found[0].gmacs < found[1].gmacs


def test_the_table_is_put_between_its_marks_however_often(tmp_path: Path) -> None:
    rows = [row("full", 360, gmacs=0.4), row("full", 380, seed=1, gmacs=0.4), row("gfnet", 360)]
    guesses = {"chance": parts(np.zeros(400, int), LABELS), "place": {"motion": 27.1}}
    apart = claims(rows, OBJECTS)
    timed = {"family": "f", "key": "gfnet", "engine": "openvino", "gfnet_ms": 1.26, "full_ms": 4.0, "ratio": 0.314}
    told = {"without_networks": guesses, "differences": apart, "gap_closed": [], "times": [timed]}
    table = markdown({"rows": [plain(r) for r in rows]} | told)
    assert "| f: GFNet, glance first | openvino | 1.3 | 4.0 | 0.31 |" in table
    assert "| chance | 2.5 | 10.0 | 25.0 |  |  |" in table and "| place |  |  | 27.1 |  |  |" in table
    assert "| the full | 90.0, 95.0 | 92.5 | 100.0 | 0.400 | 100 % |" in table
    assert "| the gfnet | 90.0 | 90.0 | 100.0 | 0.100 | 25 % |" in table
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- table: make bench-mini -->\nold\n<!-- end of table -->\nafter\n")
    for _ in range(2):
        into_readme(readme, "make bench-mini", table, "*foot*")
        text = readme.read_text()
        assert text.startswith("before\n") and text.endswith("<!-- end of table -->\nafter\n") and "old" not in text
        assert text.count(table) == 1


def test_the_readme_has_the_table_in_short_with_families_beside_each_other() -> None:
    rows = [row("full", 360, family="a"), row("full", 380, seed=1, family="a"), row("full", 340, family="b")]
    rows += [row("gfnet+exits", 352, family="a"), row("reinforce", 300, family="a")]
    timed = [{"family": "a", "key": "gfnet", "engine": "openvino", "ratio": 0.314}]
    timed += [timed[0] | {"key": "gfnet_tiny", "ratio": 0.2}]
    told = {"differences": claims(rows, OBJECTS), "gap_closed": [], "times": timed}
    lines = summary({"rows": [plain(r) for r in rows]} | told).splitlines()
    assert lines[0] == "| | a | GMACs a clip | b | GMACs a clip |"
    assert lines[2:5] == [
        "| the full | 90.0, 95.0 | 0.100 | 85.0 | 0.100 |",
        "| the gfnet+exits | 88.0 | 0.100 |  |  |",
        "",
    ]
    assert [line for line in lines[7:] if "reinforce" in line] == []
    assert lines[-2].startswith("| the gfnet+exits - the full | -2.0 (")
    assert lines[-1] == "| time of GFNet, glance first, with exits, beside the full frame's, openvino | 0.31 |  |"
    assert set(SHOWN) >= {key for pair in CLAIMED for key in pair if "+as" not in key} - {"ppo", "end_to_end"}
    assert set(CLAIMED) <= set(CLAIMS)


def test_what_is_written_is_what_docs_mini_json_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tables that are checked in are those of the figures that are checked in."""
    result, pages = json.loads(FOUND.read_text()), ("README.md", "docs/mini.md")
    (tmp_path / "docs").mkdir()
    for page in pages:
        (tmp_path / page).write_text(Path(page).read_text())
    was = [Path(page).read_text() for page in pages]
    monkeypatch.chdir(tmp_path)
    write_tables(result)
    assert [Path(page).read_text() for page in pages] == was


def test_a_row_is_read_as_it_was_written() -> None:
    written = row("gfnet+exits", 397)
    found = unplain(plain(written), 400)
    assert np.array_equal(found.right, written.right) and found.right.sum() == 397
    assert plain(found) == plain(written) and found.facts == {"steps": 9}


def test_earlier_rows_stay_until_their_network_is_measured_anew_or_its_recipe_or_the_split_changes() -> None:
    old = [row("full", 100), row("full+shuffled", 90), row("gfnet", 200), row("gfnet+exits", 190), row("small", 5)]
    earlier = {"split": "s", "clips": 400, "rows": [plain(r) for r in old]}
    recipes = {("full", "f", 0): "r", ("gfnet", "f", 0): "r", ("small", "f", 0): "another"}
    now = [row("gfnet", 300)]
    kept = in_order(with_earlier(now, earlier, "s", recipes), ("full", "small", "gfnet"), ("f",))
    assert [(r.key, int(r.right.sum())) for r in kept] == [("full", 100), ("full+shuffled", 90), ("gfnet", 300)]
    assert with_earlier(now, earlier, "t", recipes) == now and with_earlier(now, {}, "s", recipes) == now


def test_a_recipe_is_also_what_it_starts_from() -> None:
    found = {recipe_of(key, family, seed) for key in RECIPES for family in FAMILIES for seed in SEEDS}
    assert len(found) == len(RECIPES) * len(FAMILIES) * len(SEEDS)
