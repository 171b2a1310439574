"""What a bench was run on: machine, versions, threads, clips."""

from __future__ import annotations

import time
from collections.abc import Sequence
from importlib import metadata
from typing import Any

from gfnet_video.engines.engine import Engine
from gfnet_video.engines.torch_engine import TorchEngine
from gfnet_video.evaluation.machine import machine_of

VERSIONS = ("gfnet-video", "onnxruntime", "openvino", "pytorchvideo", "timm", "decord2", "av", "numpy")


def setting_of(engines: Sequence[tuple[Engine, str]], clips: int, rounds: int, threads: int | None) -> dict[str, Any]:
    """threads_asked: None stands for as many as there are processors, in every engine."""
    machine = next((machine_of(e.model) for e, _ in engines if isinstance(e, TorchEngine)), {})
    versions = {name: found for name in VERSIONS if (found := _version(name))}
    today = time.strftime("%Y-%m-%d", time.gmtime())
    return {**machine, "threads_asked": threads, "clips": clips, "rounds": rounds, "date": today, **versions}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
