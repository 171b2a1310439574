"""Clips that share looks on graphs, each as alone; called in a process of its own (scenes.py)."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np

import gfnet_video as gf
from gfnet_video.engines.folder import READERS
from gfnet_video.engines.opening import open_engine
from gfnet_video.evaluation.bench_runs import run_seats
from gfnet_video.inference.runner import Options, rule_of
from gfnet_video.inference.together import Load, predict_together
from gfnet_video.records import Prediction
from gfnet_video.video.worker import Limits
from tests.clips import encode


def shared(graphs: Path, folder: Path) -> list[str]:
    """Compare on every engine that reads these graphs; clips are written to `folder`. Returns the engines' names."""
    paths = [encode(folder / f"shared_{n}.mp4", n) for n in (20, 33, 9)]
    names = [name for name in READERS["onnx"] if find_spec(name) is not None]
    for name in names:
        looks = open_engine(graphs, name, 1)
        for options in (Options(), Options(confidence=0.01)):
            alone = [gf.predict(looks, path, options=options) for path in paths]
            ran = run_seats(looks, rule_of(looks.about.rule, options), 2, paths)
            assert abs(ran.gmacs - sum(p.gmacs for p in alone) / len(alone)) < 1e-6, (name, ran, alone)
            found = predict_together(looks, paths, options, Limits(), jobs=2, load=Load())
            for one, other in zip(alone, found, strict=True):
                assert isinstance(other, Prediction) and one.exit_step == other.exit_step, (name, one, other)
                assert np.allclose(one.patches, other.patches, atol=1e-4), (name, one, other)
                assert np.allclose(one.step_scores, other.step_scores, atol=1e-4), (name, one, other)
    return names
