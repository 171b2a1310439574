"""Writing a model as graphs, which other engines run; what does not say the same as torch is not left written."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from gfnet_video.checkpoint import Recogniser
from gfnet_video.engines.folder import READERS, SUFFIXES, describe, graph_files, read_export
from gfnet_video.engines.graphs import Graph, graphs_of
from gfnet_video.engines.opening import open_exported
from gfnet_video.engines.sessions import EXTRAS, installed, save_openvino
from gfnet_video.engines.torch_engine import TorchEngine
from gfnet_video.errors import ConfigError, DependencyError, printable, unknown
from gfnet_video.inference.parity import compare


def export(model: Recogniser, folder: Path, form: str, clips: Sequence[Path]) -> dict[str, Any]:
    """Write the model's graphs and export.json to a new folder; returns, for each engine that runs it, its parity.

    form: onnx or openvino. Every installed engine that reads it is compared with torch on the clips. Raises ConfigError
    for a folder that holds something and for a model of an oracle's patches, DependencyError, VideoError, and
    CheckpointError where an engine says something else; then nothing is left written.
    """
    if not clips:
        raise ConfigError("there is no clip to compare the graphs with torch on; name some by --clips")
    engines = ready(folder, form)
    reference = TorchEngine(model.eval())
    with new_folder(folder) as made:
        write_graphs(model, made, form)
        describe(made, form, reference.about, {})
        written = read_export(made)
        parity = {n: asdict(compare(reference, open_exported(made, written, n), clips)) for n in engines}
        describe(made, form, reference.about, parity)
    return parity


def ready(folder: Path, form: str) -> list[str]:
    """The installed engines that run the form, when all that export needs is there. Raises ConfigError and
    DependencyError."""
    if form not in SUFFIXES:
        raise ConfigError(unknown("form", form, SUFFIXES))
    check_new(folder)
    for package in ("onnx", "onnxscript"):
        if find_spec(package) is None:
            raise DependencyError.of(package, form)
    engines = [name for name in READERS[form] if installed(name)]
    if READERS[form][0] not in engines:
        raise DependencyError.of(READERS[form][0], EXTRAS[READERS[form][0]])
    return engines


def check_new(folder: Path) -> None:
    """Raises ConfigError for a folder that holds something, and for one that cannot be written or replaced."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{printable(folder)} holds something already; name a new folder, or remove it")
    if folder.resolve() == Path.cwd():
        raise ConfigError(f"{printable(folder)} is the working folder, which cannot be written anew; name a new folder")
    above = next(parent for parent in folder.absolute().parents if parent.exists())
    if not (above.is_dir() and os.access(above, os.W_OK | os.X_OK)):
        raise ConfigError(f"{printable(folder)} cannot be made: {printable(above)} cannot be written to; name another")


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A folder beside it to write to, which takes its place when the block ends and is removed when it raises."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as scratch:
        made = Path(scratch) / "export"
        made.mkdir()
        yield made
        made.replace(folder)


def write_graphs(model: Recogniser, folder: Path, form: str) -> None:
    """All graphs of a model, in float32."""
    for graph in graphs_of(model):
        _write(graph, folder, form)


def _write(graph: Graph, folder: Path, form: str) -> None:
    batch, frames = torch.export.Dim("batch"), torch.export.Dim("frames")
    free = tuple({0: batch, 1: frames} if i < graph.framed else {0: batch} for i in range(len(graph.example)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names of axes, and of torch's own deprecations
        program = torch.onnx.export(
            graph.module.eval(),
            graph.example,
            dynamo=True,
            input_names=list(graph.inputs),
            output_names=list(graph.outputs),
            dynamic_shapes=(free,),
            external_data=False,
            verbose=False,
        )
    assert program is not None
    onnx = folder / f"{graph.name}.onnx"
    program.save(str(onnx))
    if form == "openvino":
        to_openvino(onnx)


def to_openvino(onnx: Path) -> None:
    """A graph's file, in openvino's form in the place of ONNX."""
    save_openvino(onnx.read_bytes(), onnx.with_name(graph_files("openvino", onnx.stem)[0]))
    onnx.unlink()
