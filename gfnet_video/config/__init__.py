"""Configuration: frozen dataclasses, strict YAML, one complete file per data set and backbone."""

from gfnet_video.config.looks import LookConfig
from gfnet_video.config.models import ModelConfig
from gfnet_video.config.run import Config, dump_config, load_config
from gfnet_video.config.stages import StageConfig
from gfnet_video.config.training import TrainConfig, randaugment_of

__all__ = [
    "Config",
    "LookConfig",
    "ModelConfig",
    "StageConfig",
    "TrainConfig",
    "dump_config",
    "load_config",
    "randaugment_of",
]
