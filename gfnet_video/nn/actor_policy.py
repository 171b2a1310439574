"""The policies of published checkpoints: GFNet's for images, which learns here too, AdaFocus's and V2's for clips."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gfnet_video.errors import ConfigError

OF_A_CLIP = ("adafocus", "adafocus_v2")  # kinds that read the maps of a clip at once


class ActorPolicy(nn.Module):
    """An encoder of the last map, a GRU over the looks, and one linear layer whose sigmoid is the centre.

    The mean of the Gaussian that PPO learned; its critic, which inference does not ask, is no part of it.
    kind: "gfnet" or "gfnet_conv" (arXiv 2010.05300) take one map at a time; "adafocus" (arXiv 2105.03245) and
    "adafocus_v2" (arXiv 2112.14238, without the GRU) the maps of all `frames` beside each other, for one centre.
    channels: of one map; cells: its side, to which maps of another are pooled; hidden: of the GRU. by_batch: batch
    norms normalise by the clips at hand in evaluation too, where these are several (ModelConfig.policy_norm).
    """

    def __init__(
        self, kind: str, channels: int, *, cells: int, frames: int, hidden: int, by_batch: bool = False
    ) -> None:
        super().__init__()
        self.kind, self.cells, self.frames, self.by_batch = kind, cells, frames, by_batch
        self.encoder = _encoder(kind, channels * (frames if kind in OF_A_CLIP else 1), cells**2, hidden)
        self.gru = None if kind == "adafocus_v2" else nn.GRUCell(hidden, hidden)
        self.actor = nn.Linear(512 if kind == "adafocus_v2" else hidden, 2)

    def forward(self, maps: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """maps (B,k,C,h,w), state (B,hidden) or None -> centres (B,k,2), of a clip (B,1,2), and the state.

        Raises ConfigError where a clip has another number of frames.
        """
        maps = self.fitted(maps)
        if self.kind in OF_A_CLIP:
            if maps.shape[1] != self.frames:
                raise ConfigError(f"the policy was given {maps.shape[1]} glance frames; it reads {self.frames} at once")
            maps = maps.flatten(1, 2)[:, None]  # (B,1,k*C,h,w)
        centres = []
        for one in maps.unbind(1):
            seen = self._encoded(one.flatten(1) if self.kind == "gfnet" else one)
            if self.gru is not None:
                seen = state = self.gru(seen, state)
            centres.append(self.actor(seen).sigmoid())
        return torch.stack(centres, 1), state

    def fitted(self, maps: Tensor) -> Tensor:
        """maps (B,k,C,h,w) at the cells that the encoder reads: patches of another side than the glance make others."""
        if maps.shape[-1] == self.cells:
            return maps
        pooled: Tensor = F.adaptive_avg_pool2d(maps.flatten(0, 1), self.cells).unflatten(0, maps.shape[:2])
        return pooled

    def in_turn(self, looks: Sequence[Tensor]) -> Sequence[Tensor]:
        """What belongs to each look, in the order in which it is read."""
        return looks

    def _encoded(self, x: Tensor) -> Tensor:
        """One map of each clip -> (B,hidden)."""
        if not self.by_batch or self.training or len(x) == 1:  # one clip is no batch to normalise by
            encoded: Tensor = self.encoder(x)
            return encoded
        for layer in self.encoder:
            if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
                x = F.batch_norm(x, None, None, layer.weight, layer.bias, training=True, eps=layer.eps)
            else:
                x = layer(x)
        return x


def _encoder(kind: str, channels: int, cells: int, hidden: int) -> nn.Sequential:
    """Layers in their published order, so that their numbers are the published ones."""
    if kind == "gfnet":
        return nn.Sequential(nn.Linear(channels * cells, 2048), nn.ReLU(), nn.Linear(2048, hidden), nn.ReLU())
    if kind == "gfnet_conv":
        squeeze = nn.Conv2d(channels, 32, 1, bias=False)
        return nn.Sequential(squeeze, nn.ReLU(), nn.Flatten(), nn.Linear(32 * cells, hidden), nn.ReLU())
    act = nn.ReLU if kind == "adafocus" else nn.Tanh
    squeezed = (nn.Conv2d(channels, 64, 1, bias=False), nn.BatchNorm2d(64), act(), nn.Flatten())
    dense = (nn.Linear(64 * cells, hidden), nn.BatchNorm1d(hidden), act())
    if kind == "adafocus":
        return nn.Sequential(*squeezed, *dense)
    return nn.Sequential(*squeezed, *dense, nn.Linear(hidden, 512), nn.BatchNorm1d(512), act())
