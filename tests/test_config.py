"""Strict configuration: every key known, every value of its type, every shipped file complete."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from gfnet_video import configs
from gfnet_video.config import Config, dump_config, from_dict, load_config, to_dict
from gfnet_video.errors import ConfigError

SHIPPED = sorted(Path(configs.__path__[0]).glob("*.yaml"))


def some() -> Path:
    return next(p for p in SHIPPED if p.stem == "mini_mobilenetv2_gfnet")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_shipped_files_load_and_survive_the_round_trip(path: Path) -> None:
    config = load_config(path)
    assert from_dict(Config, to_dict(config)) == config
    assert from_dict(Config, yaml.safe_load(dump_config(config))) == config


def test_override_reaches_into_tables() -> None:
    config = load_config(some(), ("train.seed=7", "train.stages.0.epochs=1", "model.glance.side=64"))
    assert (config.train.seed, config.train.stages[0].epochs, config.model.glance.side) == (7, 1, 64)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.sed=7", r"unknown key in .*train 'sed'; did you mean 'seed'\?"),
        ("model.glance.sid=7", r"unknown key in .*glance 'sid'; did you mean 'side'\?"),
        ("train.seed=seven", r"train.seed is 'seven' \(str\); expected int"),
        ("train.seed=true", r"train.seed is True \(bool\); expected int"),
        ("train.stages=3", r"train.stages is 3; expected a list"),
        ("train.stages.9.epochs=1", "no position in a list of 3"),
        ("model.order=random", "unknown order 'random'"),
        ("train.stages.0.patches=oracle", "unknown patches 'oracle'"),
        ("train.stages.0.train=[glanze]", "did you mean 'glance'"),
        ("model.glance.side=400", r"glance.side is 400; expected 1 to frame_side \(96\)"),
        ("trane.seed=1", "unknown key 'trane'; did you mean 'train'"),
        ("seed", "has no '='"),
    ],
)
def test_a_wrong_override_is_named(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(some(), (override,))


def test_missing_and_broken_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read as YAML"):
        load_config(tmp_path / "absent.yaml")
    (tmp_path / "broken.yaml").write_text("a: [1")
    with pytest.raises(ConfigError, match=r"broken.yaml"):
        load_config(tmp_path / "broken.yaml")
    (tmp_path / "short.yaml").write_text("dataset: mini")
    with pytest.raises(ConfigError, match=r"short.yaml lacks model, train"):
        load_config(tmp_path / "short.yaml")
    (tmp_path / "list.yaml").write_text("- 1")
    with pytest.raises(ConfigError, match="expected a mapping"):
        load_config(tmp_path / "list.yaml")
