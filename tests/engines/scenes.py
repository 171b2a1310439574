"""python -m tests.engines.scenes EXPORTED CHECKPOINT CLIP FOLDER: each scene on one exported model; JSON on stdout.

One process for all of them, for importing torch and both engines takes longer than most; of a scene that raises, its
words stand in the place of what it found.
"""

from __future__ import annotations

import json
import shutil
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gfnet_video.checkpoint import Recogniser, load
from gfnet_video.config import ModelConfig
from gfnet_video.engines.folder import READERS, describe, read_export
from gfnet_video.engines.graphs import graphs_of
from gfnet_video.engines.opening import open_engine, open_exported
from gfnet_video.engines.processor import has_bf16
from gfnet_video.engines.torch_engine import TorchEngine
from gfnet_video.inference import export
from gfnet_video.inference.parity import compare
from gfnet_video.inference.runner import predict
from gfnet_video.nn.exit_rule import ExitRule
from tests.engines.seats import shared

ENGINES = [name for name in READERS["onnx"] if find_spec(name) is not None]


@dataclass(frozen=True)
class Stage:
    """What each scene plays on. folder: its own, empty."""

    exported: Path
    checkpoint: Path
    clip: Path
    folder: Path

    def other(self, config: ModelConfig) -> Recogniser:
        """The checkpoint's model in another configuration that takes the same weights."""
        one = load(self.checkpoint)
        card = replace(one.card, config=replace(one.card.config, model=config), rule=ExitRule.never(config.steps))
        model = Recogniser(card).eval()
        model.load_state_dict(one.state_dict())
        return model

    def frames(self, *shape: int) -> np.ndarray:
        return np.random.default_rng(0).integers(0, 256, (*shape, 3, 64, 64), np.uint8)


def several_looks(stage: Stage) -> list[tuple[float, float]]:
    """Two looks at a frame that is cut from a wider one, on graphs that are of one look each."""
    config = replace(load(stage.checkpoint).config, looks_per_frame=2, short_side=72)
    reference, folder = TorchEngine(stage.other(config)), Path(shutil.copytree(stage.exported, stage.folder / "two"))
    describe(folder, "onnx", reference.about, {})
    written = read_export(folder)
    found = [compare(reference, open_exported(folder, written, name), [stage.clip]) for name in ENGINES]
    return [(parity.pixels, parity.logits) for parity in found]


def sees_clip(stage: Stage) -> dict[str, Any]:
    """A glance at the whole clip first, on the same networks; then clips that share looks, on every engine."""

    def write(model: Recogniser, folder: Path, form: str) -> None:
        for graph in graphs_of(model):
            if (held := stage.exported / f"{graph.name}.onnx").exists():
                shutil.copy(held, folder)
            else:
                export._write(graph, folder, form)

    model = stage.other(replace(load(stage.checkpoint).config, order="glance_first", policy_sees="clip"))
    export.write_graphs = write
    parity = export.export(model, stage.folder / "clip", "onnx", [stage.clip])
    return {"parity": parity, "seated": shared(stage.folder / "clip", stage.folder)}


def stream(stage: Stage) -> list[float]:
    """How far the logits after each of 15 frames of two streams, more than two windows, and the patches lie apart."""
    one, others = open_engine(str(stage.checkpoint)), [open_engine(str(stage.exported), n, 1) for n in ENGINES]
    held, states, apart = None, [None] * len(others), [0.0, 0.0]
    for index, frame in enumerate(stage.frames(15, 2)):
        held, wanted = one.slide(frame, held)
        for i, other in enumerate(others):
            states[i], found = other.slide(frame, states[i])
            assert found.index == wanted.index == min(index, 5), (other.name, found.index, wanted.index)
            assert found.centre is not None and wanted.centre is not None
            far = [np.abs(found.logits - wanted.logits).max(), np.abs(found.centre - wanted.centre).max()]
            apart = np.maximum(apart, far).tolist()  # which keeps what is no number
    return apart


def shared_looks(stage: Stage) -> float:
    """How far torch and onnxruntime lie apart where one clip is a frame ahead of the other."""
    engines = open_engine(str(stage.checkpoint)), open_engine(str(stage.exported), "onnxruntime", 1)
    held, who, apart = [[], []], 1, 0.0
    for frames in stage.frames(6, 2):
        said = [e.look(frames[:who], [*m, None][:who]) for e, m in zip(engines, held, strict=True)]
        pairs = zip(*(s[1:] for s in said), strict=True)
        apart = float(np.max([apart, *(np.abs(np.asarray(x) - np.asarray(y)).max() for x, y in pairs)]))
        held, who = [s[0] for s in said], 2
    return apart


def stale(stage: Stage) -> dict[str, Any]:
    """Exporting graphs that were written before the model's weights moved."""

    def write(model: Recogniser, folder: Path, form: str) -> None:
        for graph in stage.exported.glob("*.onnx"):
            shutil.copy(graph, folder)

    export.write_graphs, model = write, load(stage.checkpoint)
    export.export(model, stage.folder / "same", "onnx", [stage.clip])
    with torch.no_grad():
        next(model.aggregator.parameters()).add_(1.0)
    try:
        export.export(model, stage.folder / "bent", "onnx", [stage.clip])
    except Exception as error:
        return {"words": f"{type(error).__name__}: {error}", "left": sorted(p.name for p in stage.folder.iterdir())}
    return {}


def bf16(stage: Stage) -> list[Any]:
    """On openvino: precisions, bytes of a number of the state, how far logits lie apart by grouping, warnings."""
    if not has_bf16() or "openvino" not in ENGINES:
        return []
    engines = [open_engine(str(stage.exported), "openvino", 1, precision=p) for p in ("float32", "bf16")]
    frames, where = stage.frames(6, 1), np.full((1, 6, 2), 0.5)
    ways = [(0, 1), (1, 1), (1, 4), (1, 6)]
    one, *others = (np.stack([t.logits for t in engines[e].walk(frames, centres=where, chunk=k)]) for e, k in ways)
    return [
        [engine.about.precision for engine in engines],
        [engine.looks["focus"].state.itemsize for engine in engines],
        [float(np.abs(one - other).max() / np.abs(one).max()) for other in others],
        [predict(engine, stage.clip).warnings for engine in engines],
    ]


SCENES: tuple[Callable[[Stage], Any], ...] = (several_looks, sees_clip, stream, shared_looks, stale, bf16)


def main(exported: Path, checkpoint: Path, clip: Path, folder: Path) -> None:
    torch.set_num_threads(1)
    found: dict[str, Any] = {}
    for scene in SCENES:
        own = folder / scene.__name__
        own.mkdir()
        try:
            found[scene.__name__] = scene(Stage(exported, checkpoint, clip, own))
        except Exception:
            found[scene.__name__] = traceback.format_exc()
    print(json.dumps(found))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
