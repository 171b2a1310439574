"""How to train."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gfnet_video.config.stages import StageConfig
from gfnet_video.config.words import BALANCES, CROPS, PRECISIONS, known, within
from gfnet_video.errors import ConfigError


@dataclass(frozen=True)
class TrainConfig:
    """How to train: the stages in order and what holds for all of them.

    First weights: initial_model, a checkpoint of which every part that fits is taken (--init); then initial_glance and
    initial_focus, static networks (a folder or a bundled one's name; or a weight FILE or none for that backbone); and
    the backbones without one from initial: none, timm (or a timm name), package, FILE, which beside a network of whole
    clips is meant for that.
    Augmentation, drawn once a clip: brightness and contrast up to a share, translate up to a share of the side,
    scale up to 1 + that or down to its inverse, a turn up to so many degrees, stretch: one side as scale, the other by
    the inverse, shear: sideways by up to that share of the height, saturation up to a share,
    still: a frame of another clip, mixed into all frames by up to that share.
    crops: none | multi_scale (TSM's, from the whole frame, so without cache). flip: mirror half of the clips, with the
    label of the mirror image where the data set names one. randaugment: operations and magnitude, such as n2m9.
    balance: none | loss (a clip's supervised loss weighs in inverse proportion to its class's clips).
    A stage's batch is that of all processes together (training/distributed.py); sync_batchnorm: batch norms that train
    see all of it, on GPUs alone. precision: float32 | bf16, of the backbones in training (autocast): meant for GPUs, on
    CPUs slower where convolutions are depthwise. compile: torch.compile the backbones in training; the first batches
    of each stage take minutes. What is measured and saved is plain float32 in any case.
    """

    stages: tuple[StageConfig, ...]
    seed: int = 0
    weight_decay: float = 0.01
    clip_grad: float = 5.0
    initial: str = "timm"
    initial_model: str = ""
    initial_glance: str = ""
    initial_focus: str = ""
    workers: int = 0
    cache: bool = True
    max_bad: float = 0.01
    brightness: float = 0.2
    translate: float = 0.0
    scale: float = 0.0
    degrees: float = 0.0
    stretch: float = 0.0
    shear: float = 0.0
    saturation: float = 0.0
    still: float = 0.0
    crops: str = "none"
    flip: bool = False
    randaugment: str = ""
    balance: str = "none"
    precision: str = "float32"
    compile: bool = False
    sync_batchnorm: bool = False

    def __post_init__(self) -> None:
        known(self, {"balance": BALANCES, "precision": PRECISIONS, "crops": CROPS})
        for name in ("seed", "weight_decay", "workers", "brightness", "saturation"):
            within(name, getattr(self, name), 0)
        within("clip_grad", self.clip_grad, 1e-6)
        within("max_bad", self.max_bad, 0, 1)
        within("degrees", self.degrees, 0, 180)
        for name in ("translate", "scale", "stretch", "shear", "still"):
            within(name, getattr(self, name), 0, 1)
        if self.crops != "none" and self.cache:
            raise ConfigError(
                f"crops is {self.crops}, but the cache keeps only centre squares; set train.cache to false"
            )
        if self.randaugment:
            randaugment_of(self.randaugment)


def randaugment_of(text: str) -> tuple[int, int]:
    """Operations and magnitude of RandAugment as `n2m9` writes them. Raises ConfigError.

    >>> randaugment_of("n2m9")
    (2, 9)
    """
    found = re.fullmatch(r"n(\d{1,2})m(\d{1,2})", text)
    if not found or int(found[1]) < 1 or int(found[2]) > 30:
        raise ConfigError(f"randaugment is {text!r}; expected operations and magnitude (0 to 30) such as n2m9")
    return int(found[1]), int(found[2])
