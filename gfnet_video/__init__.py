"""Video recognition that looks at every frame small, at one patch sharply, and stops when it is sure.

The public names are resolved when first used (PEP 562), so `import gfnet_video` loads neither torch nor a decoder:

    import gfnet_video as gf

    model = gf.load("gfnet_tsm_mobilenetv2.mini")
    prediction = gf.predict(model, "video.mp4", confidence=0.9)
"""

from __future__ import annotations

import importlib
from typing import Any

# Public name -> the module that defines it.
_HOMES = {
    "CheckpointError": "errors",
    "ConfigError": "errors",
    "DataError": "errors",
    "DependencyError": "errors",
    "GFNetVideoError": "errors",
    "VideoError": "errors",
    "Features": "records",
    "Looks": "records",
    "Prediction": "records",
    "Step": "records",
    "GFNet": "model",
    "VideoReader": "video.reader",
    "load": "checkpoint",
    "open_engine": "engines.opening",
    "list_models": "checkpoint",
    "frames": "inference.runner",
    "predict": "inference.runner",
}

__all__ = sorted([*_HOMES, "__version__"])


def __getattr__(name: str) -> Any:
    if name == "__version__":
        value: Any = _version()
    elif name in _HOMES:
        value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value  # asked once, found at once from then on
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _version() -> str:
    from importlib import metadata

    try:
        return metadata.version("gfnet-video")
    except metadata.PackageNotFoundError:  # run from a checkout that was never installed
        return "0+unknown"
