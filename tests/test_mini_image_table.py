"""The table of mini-image: what is trained for it, and what it says of what was measured."""

from __future__ import annotations

from pathlib import Path

from gfnet_video.cli.train import config_path
from gfnet_video.config import load_config
from tools.mini_image import COMMAND, FULL, GFNETS, footnote, markdown
from tools.table_mini import into_readme

FOUND = {
    "command": COMMAND,
    "clips": 2000,
    "rows": [
        {"name": "static network", "top1": 96.04, "gmacs": 0.21},
        {"name": "GFNet, the glance alone", "top1": 80.0},
    ],
    "differences": [{"name": "GFNet", "points": -0.4, "low": -1.2, "high": 0.4}],
    "times": [
        {
            "batch": 1,
            "static_ms": 30.0,
            "gfnets": [{"name": "GFNet", "ms": 12.0, "ratio": 0.4, "low": 0.38, "high": 0.45}],
        }
    ],
    "date": "2026-11-26",
    "cpu": "a processor",
    "threads": 1,
    "torch": "2.14.1",
}


def test_gfnets_start_from_the_static_network_and_see_the_same_pictures() -> None:
    full = load_config(config_path(FULL))
    for name in GFNETS:
        config = load_config(config_path(name))
        assert config.name == name and config.dataset == full.dataset == "mini-image"
        assert config.train.initial_glance == config.train.initial_focus == f"runs/{full.name}/model"
        assert config.model.glance.backbone == full.model.glance.backbone
        assert config.model.frame_side == full.model.frame_side == full.model.glance.side


def test_the_table_says_what_was_measured(tmp_path: Path) -> None:
    table, foot = markdown(FOUND), footnote(FOUND)
    assert "| static network | 96.0 | 0.210 |" in table and "| GFNet, the glance alone | 80.0 |  |" in table
    assert "GFNet -0.4 (-1.2 to +0.4)" in foot and "1 at a time 30.0 ms, GFNet 12.0 (0.40, 0.38 to 0.45)" in foot
    readme = tmp_path / "README.md"
    readme.write_text(Path("README.md").read_text(encoding="utf-8"), encoding="utf-8")
    into_readme(readme, COMMAND, table, foot)
    assert table in readme.read_text(encoding="utf-8")
