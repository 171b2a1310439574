"""From a model's name to an engine that runs it: the one asked for, or the fastest of those that can."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from gfnet_video.config import ModelConfig
from gfnet_video.engines.engine import Engine
from gfnet_video.engines.exported import HEAVY, Exported, graphs_needed
from gfnet_video.engines.folder import READERS, Export, exported, graph_bytes, read_export
from gfnet_video.engines.precisions import check_asked, of_checkpoint, pairs
from gfnet_video.engines.sessions import EXTRAS, cores, installed, open_session
from gfnet_video.errors import ConfigError, DependencyError, unknown

if TYPE_CHECKING:
    from gfnet_video.checkpoint import Recogniser

ENGINES = ("auto", "torch", "onnxruntime", "openvino")
PROBE = 1.0  # seconds, of all candidates together


def open_engine(
    name: str | Path,
    engine: str = "auto",
    threads: int | None = None,
    *,
    side: int | None = None,
    precision: str | None = None,
) -> Engine:
    """A model behind an engine: a checkpoint behind torch, an exported folder behind onnxruntime or openvino.

    auto: of the engines that run the folder and are installed, the one that a probe of a second finds the fastest.
    precision: float32, bf16 or int8; None: as the model is written. auto: bf16 where the processor has it, an engine
    computes in it, and the probe finds that faster.
    threads: how many the networks compute with, None for as many as there are processors; of torch the whole process's.
    side: of the focus' patches, None for the model's own; an exported one has no other.
    Raises ConfigError where engine or side and the model do not go together, DependencyError where the engine's package
    is not installed, CheckpointError for a folder that is damaged.
    """
    if engine not in ENGINES:
        raise ConfigError(unknown("engine", engine, ENGINES))
    check_asked(precision)
    if not exported(name):
        if engine in EXTRAS:
            raise ConfigError(
                f"engine {engine} runs exported models; write one with `gfnet-video export {name} --to onnx DIR`, "
                "and name DIR as the model"
            )
        of_checkpoint(precision, name)
        return _torch(name, threads, side)
    folder, export = Path(name), read_export(Path(name))
    own = export.about.config.focus
    if side is not None and (own is None or side != own.side):
        raise ConfigError(
            f"{folder} was exported {'without a focus' if own is None else f'with patches of side {own.side}'}, not "
            f"{side}; name the checkpoint that it was made of, which may have learned others (model.patch_sides)"
        )
    ways = pairs(_candidates(folder, export, engine), export.about.precision, precision, folder)
    return fastest([open_exported(folder, export, e, threads, p) for e, p in ways])


def _candidates(folder: Path, export: Export, engine: str) -> list[str]:
    can = READERS[export.form]
    if engine != "auto" and engine not in can:
        raise ConfigError(f"{folder} holds {export.form} graphs, which {' or '.join(can)} runs, not {engine}")
    found = [engine] if engine != "auto" else [name for name in can if installed(name)]
    if not found:
        raise DependencyError.of(can[0], EXTRAS[can[0]])
    return found


def open_exported(
    folder: Path, export: Export, engine: str, threads: int | None = None, precision: str | None = None
) -> Exported:
    """The folder behind one engine, by default in the precision it is written in. A graph that takes one look at a time
    is too small to share among threads, and to gain from a precision."""
    looks, about = {}, export.about_in(precision or export.about.precision)
    for graph in graphs_needed(about.config):
        data, weights = [*graph_bytes(folder, export, graph), b""][:2]
        many, kind = (threads or cores(), about.precision) if graph in HEAVY else (1, "float32")
        looks[graph] = open_session(engine, data, weights, threads=many, where=str(folder), precision=kind)
    return Exported(about, looks, engine)


def _torch(name: str | Path, threads: int | None, side: int | None) -> Engine:
    import torch

    from gfnet_video.checkpoint import load
    from gfnet_video.engines.torch_engine import TorchEngine
    from gfnet_video.nn.folding import folded

    if threads is not None:
        torch.set_num_threads(threads)
    return TorchEngine(folded(load(name).at_side(side)))


def engine_of(model: Recogniser | Engine) -> Engine:
    """An engine as it is; a Recogniser behind torch."""
    if isinstance(model, Engine):
        return model
    from gfnet_video.engines.torch_engine import TorchEngine

    return TorchEngine(model)


def fastest(engines: Sequence[Engine], seconds: float = PROBE) -> Engine:
    """The engine whose look at a clip of noise takes least time; all of them are probed for `seconds` together."""
    if len(engines) == 1:
        return engines[0]
    return min(engines, key=lambda engine: _probed(engine, seconds / len(engines)))


def _probed(engine: Engine, budget: float) -> float:
    """The least seconds of a walk's first steps, after one to warm up, within the budget."""
    (frames, glanced), until, took = noise_of(engine.about.config), perf_counter() + budget, list[float]()
    while len(took) < 2 or perf_counter() < until:
        began = perf_counter()
        with closing(engine.walk(frames, glance_frames=glanced)) as turns:
            for _ in turns:
                pass
        took.append(perf_counter() - began)
    return min(took[1:])


def noise_of(config: ModelConfig) -> tuple[list[np.ndarray], list[np.ndarray] | None]:
    """A clip of one frame of noise again and again, the same each time, as `Engine.walk` takes it: frames (1,3,S,S),
    and those of the glance where it has others."""
    noise = np.random.default_rng(0).integers(0, 256, (1, 3, config.frame_side, config.frame_side), np.uint8)
    clip = [noise] * config.frames
    return ([noise] * config.focus_frames, clip) if config.focus_frames else (clip, None)
