"""Configuration: frozen dataclasses, strict YAML, one complete file per data set and backbone."""

from __future__ import annotations

import dataclasses
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from gfnet_video.errors import ConfigError, unknown

T = TypeVar("T")
ORDERS = ("interleaved", "glance_first")
PATCHES = ("none", "random", "sampled", "policy")


@dataclass(frozen=True)
class LookConfig:
    """One look's network: timm name, input side in pixels, stride of its last map, pooling, frozen stages.

    shift: temporal shift on; off, every frame is read alone (a patch that follows an object hides its motion).
    """

    backbone: str
    side: int
    stride: int = 32
    pool: str = "mean"
    frozen: int = 0
    dropout: float = 0.0
    shift: bool = True


@dataclass(frozen=True)
class ModelConfig:
    """A GFNet; without `focus` it is a causal TSM at the glance's side."""

    classes: int
    frames: int
    frame_side: int
    glance: LookConfig
    focus: LookConfig | None = None
    order: str = "interleaved"
    factors: tuple[int, ...] = ()
    shift_div: int = 8
    policy_hidden: int = 24
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise ConfigError(unknown("order", self.order, ORDERS))
        for name, look in (("glance", self.glance), ("focus", self.focus)):
            if look is not None and not 0 < look.side <= self.frame_side:
                raise ConfigError(f"{name}.side is {look.side}; expected 1 to frame_side ({self.frame_side})")


@dataclass(frozen=True)
class StageConfig:
    """One row of the training table.

    patches: none | random (smooth tracks) | policy (its centres) | sampled (drawn around them: the policy learns).
    tracks: how many of those a clip gets at once. sigma: of the draw, in centres, at the stage's start and end.
    train: which parts take gradients, of glance, focus, policy, aggregator. lr: peak of the cosine, AdamW.
    """

    name: str
    epochs: int
    lr: float
    patches: str = "none"
    train: tuple[str, ...] = ("glance", "focus", "aggregator")
    batch: int = 24
    warmup: float = 0.1
    sigma: tuple[float, float] = (0.25, 0.1)
    tracks: int = 1

    def __post_init__(self) -> None:
        if self.patches not in PATCHES:
            raise ConfigError(unknown("patches", self.patches, PATCHES))
        if self.tracks < (2 if self.patches == "sampled" else 1):
            raise ConfigError(f"stage {self.name!r} draws {self.tracks} tracks; sampled needs 2 to compare, others 1")
        parts = ("glance", "focus", "policy", "aggregator")
        for part in self.train:
            if part not in parts:
                raise ConfigError(unknown(f"part in stage {self.name!r}", part, parts))


@dataclass(frozen=True)
class TrainConfig:
    """How to train: the stages in order and what holds for all of them."""

    stages: tuple[StageConfig, ...]
    seed: int = 0
    weight_decay: float = 0.01
    clip_grad: float = 5.0
    initial: str = "timm"
    initial_glance: str = ""
    initial_focus: str = ""
    workers: int = 0
    cache: bool = True
    max_bad: float = 0.01
    brightness: float = 0.2


@dataclass(frozen=True)
class Config:
    """A whole run: which data, which model, how it is trained."""

    dataset: str
    model: ModelConfig
    train: TrainConfig
    name: str = "gfnet_tsm"
    results: dict[str, Any] = field(default_factory=dict)


def from_dict(kind: type[T], data: Any, where: str = "config") -> T:
    """Build the dataclass `kind` from plain data; every key must be known and every value of its type.

    Raises ConfigError naming the key, what came and what was expected.
    """
    if not isinstance(data, dict):
        raise ConfigError(f"{where} is {type(data).__name__}; expected a mapping of {kind.__name__}'s fields")
    hints = typing.get_type_hints(kind)
    for key in data:
        if key not in hints:
            raise ConfigError(unknown(f"key in {where}", key, hints))
    known = {k: _value(hints[k], v, f"{where}.{k}") for k, v in data.items()}
    needed = {
        f.name
        for f in dataclasses.fields(kind)  # type: ignore[arg-type]
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    }
    if missing := sorted(needed - known.keys()):
        raise ConfigError(f"{where} lacks {', '.join(missing)}")
    return kind(**known)


def _value(hint: Any, value: Any, where: str) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return None if value is None else _value(next(a for a in args if a is not type(None)), value, where)
    if dataclasses.is_dataclass(hint):
        return from_dict(typing.cast(type, hint), value, where)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise ConfigError(f"{where} is {value!r}; expected a list")
        kinds = [args[0]] * len(value) if args[-1] is Ellipsis else list(args)
        if len(kinds) != len(value):
            raise ConfigError(f"{where} has {len(value)} entries; expected {len(kinds)}")
        return tuple(_value(k, v, f"{where}[{i}]") for i, (k, v) in enumerate(zip(kinds, value, strict=True)))
    if origin is dict:
        return value
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise ConfigError(f"{where} is {value!r} ({type(value).__name__}); expected {hint.__name__}")
    return value


def to_dict(config: Any) -> dict[str, Any]:
    """Plain data of a config dataclass: what YAML and JSON hold; the inverse of `from_dict`."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items()}
        return [plain(v) for v in value] if isinstance(value, list | tuple) else value

    return {k: plain(v) for k, v in dataclasses.asdict(config).items()}


def load_config(path: Path, overrides: tuple[str, ...] = ()) -> Config:
    """Read a complete YAML file, apply `key.sub=value` overrides, check all of it. Raises ConfigError."""
    import yaml

    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: cannot be read as YAML: {error}") from error
    for item in overrides:
        _override(data, item)
    return from_dict(Config, data, path.name)


def dump_config(config: Any) -> str:
    """The config as YAML text that `load_config` reads back."""
    import yaml

    return str(yaml.safe_dump(to_dict(config), sort_keys=False))


def _override(data: Any, item: str) -> None:
    import yaml

    key, equals, value = item.partition("=")
    if not equals:
        raise ConfigError(f"--set {item!r} has no '='; expected key.sub=value")
    *parents, last = key.split(".")
    for part in parents:
        data = _entry(data, part, key)
    if isinstance(data, list):
        data[_position(data, last, key)] = yaml.safe_load(value)
    elif isinstance(data, dict):
        data[last] = yaml.safe_load(value)
    else:
        raise ConfigError(f"--set {key}: {last!r} lies below a plain value")


def _entry(data: Any, part: str, key: str) -> Any:
    if isinstance(data, list):
        return data[_position(data, part, key)]
    if not isinstance(data, dict) or part not in data:
        raise ConfigError(f"--set {key}: " + unknown("key", part, data if isinstance(data, dict) else ()))
    return data[part]


def _position(data: list[Any], part: str, key: str) -> int:
    if not part.isdigit() or int(part) >= len(data):
        raise ConfigError(f"--set {key}: {part!r} is no position in a list of {len(data)}")
    return int(part)
