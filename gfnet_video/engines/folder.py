"""An exported model is a folder that describes itself: export.json and a graph a look, and nothing pickled."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gfnet_video.engines.engine import About
from gfnet_video.engines.exported import graphs_needed
from gfnet_video.errors import CheckpointError, ConfigError
from gfnet_video.files import sha256_of, write_text
from gfnet_video.nn.exit_rule import ExitRule
from gfnet_video.strict import from_dict, to_dict

NAME, FORMAT = "export.json", 1
SUFFIXES = {"onnx": (".onnx",), "openvino": (".xml", ".bin")}  # form -> the files of a graph
READERS = {"onnx": ("onnxruntime", "openvino"), "openvino": ("openvino",)}  # form -> engines that run it


@dataclass(frozen=True)
class Thresholds:
    """An exit rule that was found on the folder itself, run in this precision."""

    precision: str
    rule: ExitRule
    valid_for: dict[str, Any]


@dataclass(frozen=True)
class Export:
    """What a folder says of itself. form: a row of SUFFIXES. files: their SHA-256. parity: how near torch it was.

    about.precision: what the graphs are written in. thresholds: one for each precision it was calibrated in.
    """

    format: int
    form: str
    about: About
    files: dict[str, str]
    parity: dict[str, Any] = field(default_factory=dict)
    thresholds: tuple[Thresholds, ...] = ()

    def about_in(self, precision: str) -> About:
        """What it says of itself when run in a precision: with that one's thresholds, else the checkpoint's."""
        found = next((t for t in self.thresholds if t.precision == precision), None)
        about = replace(self.about, precision=precision)
        return about if found is None else replace(about, rule=found.rule, valid_for=found.valid_for)


def exported(name: str | Path) -> bool:
    """Whether a model's name is a folder that `export` wrote."""
    return (Path(name) / NAME).is_file()


def graph_files(form: str, graph: str) -> list[str]:
    """The names of a graph's files, the first of them the graph itself."""
    return [graph + suffix for suffix in SUFFIXES[form]]


def describe(folder: Path, form: str, about: About, parity: dict[str, Any]) -> None:
    """Write export.json beside the graphs, which are there."""
    names = [name for graph in graphs_needed(about.config) for name in graph_files(form, graph)]
    digests = {name: sha256_of(folder / name) for name in names}
    _write(folder, Export(FORMAT, form, about, digests, parity))


def keep_thresholds(folder: Path, found: Thresholds) -> None:
    """Write thresholds into export.json, in the place of those of the same precision."""
    export = read_export(folder)
    others = tuple(t for t in export.thresholds if t.precision != found.precision)
    _write(folder, replace(export, thresholds=(*others, found)))


def _write(folder: Path, export: Export) -> None:
    write_text(folder / NAME, json.dumps(to_dict(export), indent=1) + "\n")


def read_export(folder: Path) -> Export:
    """What the folder says of itself. Raises CheckpointError where that is unreadable or does not fit together."""
    path = folder / NAME
    try:
        export = from_dict(Export, json.loads(path.read_text(encoding="utf-8")), NAME)
    except (OSError, ValueError, ConfigError) as error:
        raise CheckpointError(f"{path}: cannot be read: {error}; export the model anew") from error
    if export.format != FORMAT or export.form not in SUFFIXES:
        raise CheckpointError(
            f"{path}: format {export.format}, form {export.form!r}; expected format {FORMAT} and "
            f"{' or '.join(SUFFIXES)}; export the model anew"
        )
    _check(export, path)
    return export


def _check(export: Export, path: Path) -> None:
    about, config = export.about, export.about.config
    if len(about.classes) != config.classes or len(about.rule.thresholds) != config.steps:
        raise CheckpointError(
            f"{path}: {len(about.classes)} class names for {config.classes} classes, {len(about.rule.thresholds)} "
            f"thresholds for {config.steps} steps; export the model anew"
        )
    if wrong := [t.precision for t in export.thresholds if len(t.rule.thresholds) != config.steps]:
        raise CheckpointError(f"{path}: thresholds of {wrong[0]} are not {config.steps}, one a step; calibrate anew")
    needed = {name for graph in graphs_needed(config) for name in graph_files(export.form, graph)}
    if needed != set(export.files):
        raise CheckpointError(f"{path}: lists {sorted(export.files)}; expected {sorted(needed)}; export the model anew")


def graph_bytes(folder: Path, export: Export, graph: str) -> list[bytes]:
    """The content of a graph's files. Raises CheckpointError for one that is missing or is another."""
    found = []
    for name in graph_files(export.form, graph):
        try:
            data = (folder / name).read_bytes()
        except OSError as error:
            raise CheckpointError(f"{folder / name}: cannot be read: {error}; export the model anew") from error
        if hashlib.sha256(data).hexdigest() != export.files[name]:
            raise CheckpointError(f"{folder / name}: is not the file that {NAME} names; export the model anew")
        found.append(data)
    return found
