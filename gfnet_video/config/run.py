"""A whole run, from and to strict YAML: one complete file per data set and backbone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gfnet_video.config.models import ModelConfig
from gfnet_video.config.training import TrainConfig
from gfnet_video.errors import ConfigError
from gfnet_video.strict import as_yaml, from_dict, override, parse_yaml, to_dict


@dataclass(frozen=True)
class Config:
    """A whole run: which data, which model, how it is trained."""

    dataset: str
    model: ModelConfig
    train: TrainConfig
    name: str = "gfnet_tsm"

    def __post_init__(self) -> None:
        if self.train.stages and self.model.policy.startswith("adafocus"):
            raise ConfigError(
                f"model.policy is {self.model.policy}, a published one, which is run and not trained; train heat, or "
                "in image mode (policy_sees: latest) gfnet or gfnet_conv"
            )
        for stage in self.train.stages:
            if self.model.image and stage.learner in ("proposals", "end_to_end"):
                raise ConfigError(
                    f"stage {stage.name!r} has learner {stage.learner}; in image mode each look's map is what the next "
                    "one is chosen by, and the policy learns by ppo or reinforce"
                )
            if stage.reward == "activation" and self.model.focus is not None and self.model.focus.clipwise:
                raise ConfigError(
                    f"stage {stage.name!r} has reward activation and focus.backbone {self.model.focus.backbone}, which "
                    "says one thing of a whole clip; expected reward alone"
                )
            if self.model.focus is None and stage.patches != "none":
                raise ConfigError(f"stage {stage.name!r} has patches {stage.patches}; expected none without a focus")
            if self.model.where != "policy" and stage.patches in ("policy", "sampled"):
                raise ConfigError(
                    f"stage {stage.name!r} has patches {stage.patches}, but model.where is {self.model.where}: there "
                    "is no policy; expected centre, random, oracle or none"
                )
        moved = [f"train.{name}" for name in ("flip", "randaugment") if getattr(self.train, name)]
        moved += ["train.crops"] * (self.train.crops != "none")
        if self.asks_oracle and moved:
            raise ConfigError(
                "patches of an oracle follow translate, scale, degrees, stretch and shear alone; "
                f"leave out {', '.join(moved)}"
            )

    @property
    def asks_oracle(self) -> bool:
        """Whether training needs to know where things really are."""
        return self.model.where == "oracle" or any(stage.patches == "oracle" for stage in self.train.stages)


def load_config(path: Path, overrides: tuple[str, ...] = ()) -> Config:
    """Read a complete YAML file, apply `key.sub=value` overrides, check all of it. Raises ConfigError."""
    try:
        data = parse_yaml(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    for item in overrides:
        override(data, item)
    return from_dict(Config, data, path.name)


def dump_config(config: Config) -> str:
    """The config as YAML text that `load_config` reads back."""
    return as_yaml(to_dict(config))
