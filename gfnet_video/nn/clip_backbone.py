"""Video networks of pytorchvideo, which see the frames of a clip together: X3D and Slow-R50.

X3D-XS, S and M (Feichtenhofer, CVPR 2020, arXiv 2004.04730) are one network: its weights bear any number and side of
frames, and the three are told apart by what they are given and were trained on. Slow-R50 is the slow pathway of
SlowFast (Feichtenhofer et al., ICCV 2019, arXiv 1812.03982).
"""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gfnet_video.errors import ConfigError, unknown

STRIDE = 32  # pixels per cell of the last map, on either kind; of time they keep every frame
FINE = 2  # the block after which the map has 8 pixels per cell


@dataclass(frozen=True)
class Setting:
    """What a network is published on: so many frames of so many pixels a side; its name for people."""

    frames: int
    side: int
    title: str


PUBLISHED = {
    "x3d_xs": Setting(4, 160, "X3D-XS"),
    "x3d_s": Setting(13, 160, "X3D-S"),
    "x3d_m": Setting(16, 224, "X3D-M"),
    "slow_r50": Setting(8, 256, "Slow-R50"),
}


def create_whole(name: str, *, frames: int, side: int, classes: int) -> nn.Module:
    """pytorchvideo's own network for clips (B,3,frames,side,side), with its head, which says logits (B,classes).

    Random weights. Raises ConfigError for an unknown name, and for a side that leaves no cell of the last map.
    """
    if name not in PUBLISHED:
        raise ConfigError(unknown("clip network", name, PUBLISHED))
    if side < STRIDE or frames < 1:
        raise ConfigError(f"{name} on {frames} frames of {side} pixels; expected at least 1 frame of {STRIDE} pixels")
    with warnings.catch_warnings():  # of torch's own deprecations, which pytorchvideo has not followed
        warnings.simplefilter("ignore")
        logging.getLogger("pytorchvideo").setLevel(logging.ERROR)
        from pytorchvideo.models.resnet import create_resnet
        from pytorchvideo.models.x3d import create_x3d

        if name == "slow_r50":
            made: nn.Module = create_resnet(
                model_num_class=classes,
                stem_conv_kernel_size=(1, 7, 7),
                head_pool_kernel_size=(frames, -(-side // STRIDE), -(-side // STRIDE)),
            )
        else:
            made = create_x3d(
                model_num_class=classes, input_clip_length=frames, input_crop_size=side, head_activation=None
            )
    return made


class ClipBackbone(nn.Module):
    """A video network by name, without its classifier, in the place of a `Backbone`: what it says is of the whole clip.

    Its tensors have pytorchvideo's names. It pools over all cells and frames of whatever it is given, as pytorchvideo's
    network made for clips of that size does. frozen: the stem and so many of the four stages keep their weights and
    statistics while training. Raises ConfigError for an unknown name.
    """

    def __init__(self, name: str, *, frozen: int = 0) -> None:
        super().__init__()
        net: Any = create_whole(name, frames=1, side=STRIDE, classes=1)
        *body, head = net.blocks
        self.blocks = nn.ModuleList([*body, _bare(head)])
        self.frozen = frozen
        with torch.no_grad():
            fine, last, pooled, _ = self.eval()(torch.zeros(1, 1, 3, STRIDE, STRIDE))
        self.map_channels, self.last_channels = fine.shape[2] + last.shape[2], last.shape[2]
        self.width = pooled.shape[-1]
        self.train()

    def forward(
        self, frames: Tensor, buffers: tuple[Tensor, ...] | None = None, branches: int = 1
    ) -> tuple[Tensor, Tensor, Tensor, tuple[Tensor, ...]]:
        """frames: (B,T,3,H,W) normalised, the whole clip. buffers, branches: of a `Backbone`; here there are none.

        Returns the stride-8 map (B,T,c,h,w), the last map (B,T,C,h',w'), and the clip's pooled features (B,1,D). They
        are one row: X3D's last convolution comes after it has pooled over time, so no frame has features of its own.
        """
        x = frames.transpose(1, 2)  # (B,3,T,H,W)
        fine, follow = x, torch.is_grad_enabled()
        *body, head = self.blocks
        for depth, block in enumerate(body):
            with torch.set_grad_enabled(follow and (x.requires_grad or not self.frozen or depth > self.frozen)):
                x = block(x)
            fine = x if depth == FINE else fine
        return fine.transpose(1, 2), x.transpose(1, 2), head(x)[:, None], ()

    def train(self, mode: bool = True) -> ClipBackbone:
        super().train(mode)
        if self.frozen:
            self.blocks[: 1 + self.frozen].train(False)
        return self


def _bare(head: Any) -> nn.Module:
    """pytorchvideo's head without classifier and dropout: the last map (B,C,T,h,w) -> features (B,D)."""
    everything = nn.AdaptiveAvgPool3d(1)
    if isinstance(head.pool, nn.AvgPool3d):
        head.pool = everything
    else:  # X3D's, with a convolution on either side
        head.pool.pool = everything
    head.dropout, head.proj = None, nn.Identity()
    bare: nn.Module = head
    return bare
