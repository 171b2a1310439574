"""Run as a process of its own: the bundled model in int8, from its bundled clips; one JSON on stdout."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import torch

from gfnet_video.checkpoint import CLIPS, load
from gfnet_video.engines.opening import open_engine
from gfnet_video.engines.torch_engine import TorchEngine
from gfnet_video.inference.export_int8 import export_int8
from gfnet_video.inference.material import material_of
from gfnet_video.inference.runner import predict
from gfnet_video.inference.steps import Clip, turns_of


def main(model: str, form: str) -> None:
    torch.set_num_threads(1)
    net, said = load(model), {}
    engine = TorchEngine(net)
    material = material_of(engine, [str(CLIPS)], "", None)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "int8"
        for name, found in export_int8(net, folder, form, material).items():
            other = open_engine(folder, name, 1)
            clip, path = material.read(1), sorted(CLIPS.iterdir())[1]
            one, all_, reference = (_logits(e, clip, n) for e, n in ((other, 1), (other, 8), (engine, 8)))
            said[name] = {
                "found": found,
                "precision": other.about.precision,
                "apart": float(np.abs(one - all_).mean() / np.abs(reference).mean()),
                "lost": float(np.abs(one - reference).mean() / np.abs(reference).mean()),
                "label": predict(other, path).label,
                "torch_label": predict(engine, path).label,
                "warnings": predict(other, path).warnings,
            }
        said["weights"] = {p.name: _weights(p) for p in sorted(folder.glob("*.onnx"))}
    print(json.dumps(said))


def _logits(engine: object, clip: Clip, chunk: int) -> np.ndarray:
    centres = np.full((1, 8, 2), 0.5, np.float32)  # the same patches, whatever rounding does
    return np.stack([t.logits for t in turns_of(engine, [clip], centres, chunk=chunk)])  # type: ignore[arg-type]


def _weights(graph: Path) -> dict[str, int]:
    """How many bytes of weights a graph has of int8, and of float32."""
    found = {"int8": 0, "float32": 0}
    for held in onnx.load(str(graph)).graph.initializer:
        array = onnx.numpy_helper.to_array(held)
        if array.dtype.name in found:
            found[array.dtype.name] += array.nbytes
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
