"""One look's network."""

from __future__ import annotations

from dataclasses import dataclass

from gfnet_video.config.words import CLIP_NETWORKS, within
from gfnet_video.errors import ConfigError


@dataclass(frozen=True)
class LookConfig:
    """One look's network: timm name, input side in pixels, stride of its last map, pooling, frozen stages.

    shift: temporal shift on; off, every frame is read alone (a patch that follows an object hides its motion).
    One of CLIP_NETWORKS (pytorchvideo's X3D and Slow-R50) reads the frames of a clip together, and shifts nothing:
    shift off, stride 32, pool mean, side 32 at least, any number of frames; model.mean 0.45 and std 0.225 are theirs.
    """

    backbone: str
    side: int
    stride: int = 32
    pool: str = "mean"
    frozen: int = 0
    dropout: float = 0.0
    shift: bool = True

    def __post_init__(self) -> None:
        within("side", self.side, 1)
        within("frozen", self.frozen, 0)
        within("dropout", self.dropout, 0, 0.99)
        if self.clipwise and (self.shift, self.stride, self.pool) != (False, 32, "mean"):
            raise ConfigError(
                f"backbone is {self.backbone}, shift {str(self.shift).lower()}, stride {self.stride} and pool "
                f"{self.pool}; a network of whole clips has shift: false (it mixes frames itself), stride 32, pool mean"
            )
        if self.clipwise and self.side < 32:
            raise ConfigError(f"backbone is {self.backbone} and side {self.side}; expected a side of 32 at least")

    @property
    def clipwise(self) -> bool:
        """Whether this network reads a clip as a whole, and not frame by frame."""
        return self.backbone in CLIP_NETWORKS
