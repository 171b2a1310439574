"""Plain data to frozen dataclasses and back: every key known, every value of its type, overrides by dotted key."""

from __future__ import annotations

import dataclasses
import reprlib
import types
import typing
from typing import Any, TypeVar

from gfnet_video.errors import ConfigError, unknown

T = TypeVar("T")


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
        hint = dict
    if hint is float:
        value = _as_float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise ConfigError(f"{where} is {value!r} ({type(value).__name__}); expected {hint.__name__}")
    return value


def _as_float(value: Any) -> Any:
    """Whole numbers, and text such as 1e-3 (which YAML 1.1 takes for a word), as floats; anything else as it is."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return value
    try:
        return float(value)
    except ValueError:
        return value


def to_dict(config: Any) -> dict[str, Any]:
    """Plain data of a config dataclass: what YAML and JSON hold; the inverse of `from_dict`."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items()}
        return [plain(v) for v in value] if isinstance(value, list | tuple) else value

    return {k: plain(v) for k, v in dataclasses.asdict(config).items()}


def differences(there: Any, here: Any, where: str = "") -> list[str]:
    """Every field in which two pieces of plain data differ, as `--set` names it, with both values.

    >>> differences({"seed": 0, "stages": [{"lr": 0.1}]}, {"seed": 1, "stages": [{"lr": 0.2}]})
    ['seed is 0 there and 1 here', 'stages.0.lr is 0.1 there and 0.2 here']
    """
    if isinstance(there, dict) and isinstance(here, dict) and there.keys() == here.keys():
        pairs = [(str(key), there[key], here[key]) for key in there]
    elif isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        pairs = [(str(i), *both) for i, both in enumerate(zip(there, here, strict=True))]
    else:
        short = reprlib.repr
        return [f"{where} is {short(there)} there and {short(here)} here"] if there != here else []
    return [line for key, a, b in pairs for line in differences(a, b, f"{where}.{key}" if where else key)]


def parse_yaml(text: str, where: str) -> Any:
    """The plain data of a YAML text that came from `where`. Raises ConfigError."""
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{where}: cannot be read as YAML: {error}") from error


def as_yaml(data: Any) -> str:
    """Plain data as YAML text, in its own order."""
    import yaml

    return str(yaml.safe_dump(data, sort_keys=False))


def override(data: Any, item: str) -> None:
    """Set one `key.sub=value` in plain data, in place. Raises ConfigError."""
    key, equals, text = item.partition("=")
    if not equals:
        raise ConfigError(f"--set {item!r} has no '='; expected key.sub=value")
    value = parse_yaml(text, f"--set {key}")
    *parents, last = key.split(".")
    for part in parents:
        data = _entry(data, part, key)
    if isinstance(data, list):
        data[_position(data, last, key)] = value
    elif isinstance(data, dict):
        data[last] = value
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
