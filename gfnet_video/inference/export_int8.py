"""Writing a model as graphs of int8: calibrated on some of the given clips, held against torch on the others."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gfnet_video.checkpoint import Recogniser
from gfnet_video.engines.exported import HEAVY, Exported, graphs_needed
from gfnet_video.engines.folder import describe, graph_files, read_export
from gfnet_video.engines.opening import open_exported
from gfnet_video.engines.quantised import fed, quantise
from gfnet_video.engines.sessions import EXTRAS, installed
from gfnet_video.engines.torch_engine import TorchEngine
from gfnet_video.errors import ConfigError, DataError, DependencyError, VideoError
from gfnet_video.inference.agreement import agree, check_agreement
from gfnet_video.inference.export import new_folder, ready, to_openvino, write_graphs
from gfnet_video.inference.steps import Clip, Material, turns_of

RANGES = 64  # clips that set the ranges, at most; more widen them by outliers
LEAST = 0.9  # part of the clips with torch's answer, below which nothing is written


def export_int8(
    model: Recogniser, folder: Path, form: str, material: Material, least: float = LEAST
) -> dict[str, dict[str, Any]]:
    """Write the glance and the focus in int8 and the small graphs in float32; returns each engine's agreement.

    Some of the clips set the ranges, and every installed engine is compared with torch on the others; least: the part
    of those that must get torch's answer. Raises what `export` raises, and DataError where no clip can be read.
    """
    if not 0 <= least <= 1:
        raise ConfigError(f"min agreement is {least}; expected 0 to 1")
    engines = ready(folder, form)
    if not installed("onnxruntime"):
        raise DependencyError.of("onnxruntime", EXTRAS["onnxruntime"])
    ranging, judging = parted(len(material.labels))
    reference = TorchEngine(model.eval())
    about = replace(reference.about, precision="int8")
    with new_folder(folder) as made:
        ranged = _write(model, reference, made, [partial(material.read, i) for i in ranging])
        if form == "openvino":
            for graph in graphs_needed(about.config):
                to_openvino(made / f"{graph}.onnx")
        describe(made, form, about, {})
        written = read_export(made)
        found = agree(reference, {n: open_exported(made, written, n) for n in engines}, material, judging)
        check_agreement(found, least)
        said = {n: {"ranges": ranged, **asdict(agreement)} for n, agreement in found.items()}
        describe(made, form, about, said)
    return said


def parted(clips: int) -> tuple[list[int], list[int]]:
    """Which clips set the ranges, at most RANGES from all over the list, and which others judge; one clip does both.

    >>> parted(5), parted(1)
    (([0, 2, 4], [1, 3]), ([0], [0]))
    """
    if not clips:
        raise ConfigError("there is no clip to calibrate int8 on; name some by --clips, or a data set by --dataset")
    ranging = list(range(0, clips, max(2, clips // RANGES)))[:RANGES]
    return ranging, [i for i in range(clips) if i not in set(ranging)] or ranging


def _write(model: Recogniser, reference: TorchEngine, folder: Path, reads: Sequence[partial[Clip]]) -> int:
    """The graphs as ONNX; returns how many clips set the ranges."""
    with TemporaryDirectory() as scratch:
        plain = Path(scratch)
        write_graphs(model, plain, "onnx")
        describe(plain, "onnx", reference.about, {})
        engine = open_exported(plain, read_export(plain), "onnxruntime")
        clips = [clip for read in reads if (clip := _clip(read))]
        if not clips:
            raise DataError(f"none of the {len(reads)} clips that int8 was to be calibrated on can be read")
        for graph in graphs_needed(reference.about.config):
            (name,) = graph_files("onnx", graph)
            if graph in HEAVY:
                quantise(plain / name, fed(engine, graph, [partial(_run, clip=clip) for clip in clips]), folder / name)
            else:
                shutil.copyfile(plain / name, folder / name)
    return len(clips)


def _clip(read: partial[Clip]) -> Clip | None:
    try:
        return read()
    except VideoError:
        return None


def _run(engine: Exported, clip: Clip) -> None:
    """Frame by frame, so that the state before each frame is among what sets the ranges."""
    turns_of(engine, [clip])
