"""Strict configuration: every key known, every value of its type, every shipped file complete."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from gfnet_video import configs
from gfnet_video.config import Config, dump_config, load_config
from gfnet_video.errors import ConfigError
from gfnet_video.strict import from_dict, to_dict

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
        ("train.stages.9.epochs=1", "no position in a list of 2"),
        ("model.order=random", "unknown order 'random'"),
        ("train.stages.0.patches=oracel", "unknown patches 'oracel'; did you mean 'oracle'"),
        ("model.where=oracle", "'policy' has patches sampled, but model.where is oracle: there is no policy"),
        ("model.where=center", "unknown where 'center'; did you mean 'centre'"),
        ("train.stages.0.train=[glanze]", "did you mean 'glance'"),
        ("model.glance.side=400", r"glance.side is 400; expected 1 to frame_side \(96\)"),
        ("trane.seed=1", "unknown key 'trane'; did you mean 'train'"),
        ("seed", "has no '='"),
        ("train.seed=[1", "--set train.seed: cannot be read as YAML"),
        ("train.seed=-1", "seed is -1; expected at least 0"),
        ("train.stages.0.batch=0", "batch is 0; expected at least 1"),
        ("train.stages.0.epochs=0", "epochs is 0; expected at least 1"),
        ("train.stages.0.lr=.nan", "lr is nan; expected at least 0"),
        ("train.max_bad=1.5", "max_bad is 1.5; expected 0 to 1"),
        ("model.shift_div=0", "shift_div is 0; expected at least 1"),
        ("model.glance.dropout=2", "dropout is 2.0; expected 0 to 0.99"),
        ("model.mean=[0.5, 0.5]", "expected three numbers each"),
        ("model.focus=null", "'policy' has patches sampled; expected none without a focus"),
        ("train.stages.1.train=[]", "'fine-tune' has patches policy and trains \\[\\]; expected focus or glance"),
        ("train.stages.1.train=[policy]", "the policy is trained alone by sampled patches"),
        ("train.stages.0.train=[policy, focus]", "the policy is trained alone by sampled patches"),
    ],
)
def test_a_wrong_override_is_named(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(some(), (override,))


def test_floats_may_be_written_as_people_write_them() -> None:
    """YAML 1.1 reads 1e-3 as a word."""
    config = load_config(some(), ("train.stages.0.lr=1e-3", "train.weight_decay=0"))
    assert (config.train.stages[0].lr, config.train.weight_decay) == (0.001, 0.0)


def test_missing_and_broken_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.yaml: cannot be read"):
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
