"""Video-level evidence: what each kind of look said, averaged over frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Protocol

import torch
from torch import Tensor, nn

from gfnet_video.errors import ConfigError
from gfnet_video.records import Features


@dataclass(frozen=True)
class Evidence:
    """Weighted sums so far: `glance` and `focus` (B,K), how many frames each holds (B,), the `last` centre (B,2)."""

    glance: Tensor
    focus: Tensor
    glanced: Tensor
    focused: Tensor
    last: Tensor

    @classmethod
    def start(cls, videos: int, classes: int, like: Tensor) -> Evidence:
        """No evidence yet: zeros, so that a fresh video is a row of zeros."""
        sums = like.new_zeros(videos, classes)
        none = like.new_zeros(videos)
        return cls(sums, sums, none, none, like.new_zeros(videos, 2))


def evidence_of(change: Callable[..., Tensor], *looks: Features) -> Features:
    """What an aggregator may take of looks, each tensor of it changed; of the maps, which are no evidence, no cell."""
    kept = [(look.map[..., :0, :0], look.pooled, look.logits) for look in looks]
    return Features(*(change(*same) for same in zip(*kept, strict=True)))


class Classifier(nn.Module):
    """A linear classifier; with `factors` the classes are all combinations of a few choices, the last varying fastest.

    Under factors (10, 4) the 40 logits are sums of one of 10 and one of 4, so the softmax is the product of two:
    cross-entropy on the class is then cross-entropy on each factor. Weights start at N(0, 0.001), as in TSM.
    """

    def __init__(self, width: int, classes: int, factors: tuple[int, ...] = (), dropout: float = 0.0) -> None:
        super().__init__()
        self.factors = factors or (classes,)
        if prod(self.factors) != classes:
            raise ConfigError(f"factors {factors} make {prod(self.factors)} classes; expected {classes}")
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(width, sum(self.factors))
        nn.init.normal_(self.linear.weight, std=0.001)
        nn.init.zeros_(self.linear.bias)

    def forward(self, pooled: Tensor) -> Tensor:
        """pooled (...,D) -> logits (...,K)."""
        parts = self.linear(self.dropout(pooled)).split(self.factors, -1)
        logits: Tensor = parts[0]
        for part in parts[1:]:
            logits = (logits[..., :, None] + part[..., None, :]).flatten(-2)
        return logits

    def activation(self, maps: Tensor, logits: Tensor) -> Tensor:
        """maps (...,D,h,w) whose mean was classified -> (...,1,h,w): what each cell says for the likeliest class.

        The class-activation map of Zhou et al. (CVPR 2016, arXiv 1512.04150); without factors.
        """
        weights = self.linear.weight[logits.argmax(-1)]  # (...,D)
        return (maps * weights[..., None, None]).sum(-3, keepdim=True)


class SumAggregator(nn.Module):
    """Mean of the glances' logits plus mean of the focus looks', without weights of its own.

    TSM's consensus (arXiv 1811.08383) where there is no focus, and AdaFocus's score (arXiv 2105.03245) where there is.
    rising: the n-th focus look's logits go into their sum n times.
    """

    def __init__(self, classes: int, *, rising: bool = False) -> None:
        super().__init__()
        self.classes, self.rising = classes, rising

    def start(self, like: Tensor) -> Evidence:
        """No evidence yet of as many videos as `like` has."""
        return Evidence.start(len(like), self.classes, like)

    def forward(
        self,
        evidence: Evidence,
        *,
        glance: Tensor | None = None,
        focus: Tensor | None = None,
        centres: Tensor | None = None,
    ) -> tuple[Evidence, Tensor]:
        """glance, focus: logits (B,k,K) of k frames, either or both; centres (B,k,2) go with focus.

        Several focus looks a frame, side by side, come after their frame's glance. Returns the new evidence and the
        video-level logits after each focus look, or without any after each glance, (B,k,K).
        """
        last = evidence.last
        if focus is not None and centres is not None:
            focus, last = self.placed(focus, centres, evidence), centres[:, -1]
        glances, glanced, focuses, focused = _sums(evidence, glance, focus, rising=self.rising)
        logits = glances / glanced.clamp(min=1)[..., None] + self.averaged(focuses, focused.clamp(min=1))
        return Evidence(glances[:, -1], focuses[:, -1], glanced[:, -1], focused[:, -1], last), logits

    def placed(self, focus: Tensor, centres: Tensor, evidence: Evidence) -> Tensor:
        """What focus looks (B,k,K) say, seen where their patches were: here it makes no difference."""
        return focus

    def averaged(self, total: Tensor, n: Tensor) -> Tensor:
        """The part of the logits that comes of the sum (B,k,K) over n focus looks (B,k)."""
        return total / n[..., None]


class Aggregator(SumAggregator):
    """Mean of the glances' logits plus scaled mean of the focus looks' logits, whichever kind comes first.

    The mean of n focus looks is scaled by the root of n: each patch is trained to be right by itself, and n patches
    that agree say more than one, though less than n independent witnesses. rising: the n-th look weighs n, because
    where it looks was chosen after n glances, and the first could not know what moves; else all weigh the same.
    Glances carry their history in their shift buffers and are trained as a mean. A patch that follows an object hides
    its motion, so each focus look's evidence also sees where the patch was and how it moved: a small network on
    (y, x, dy, dx).
    """

    def __init__(self, classes: int, factors: tuple[int, ...] = (), hidden: int = 32, *, rising: bool = False) -> None:
        super().__init__(classes, rising=rising)
        self.track = nn.Sequential(nn.Linear(4, hidden), nn.ReLU(), Classifier(hidden, classes, factors))

    def placed(self, focus: Tensor, centres: Tensor, evidence: Evidence) -> Tensor:
        """With what the track of the patches says."""
        placed: Tensor = focus + self.track(motion(centres, evidence))
        return placed

    def averaged(self, total: Tensor, n: Tensor) -> Tensor:
        """The mean, times the root of n."""
        weights = n * (n + 1) / 2 if self.rising else n
        return total * (n.sqrt() / weights)[..., None]


class Tracked(Protocol):
    """What remembers the patches' track: how many focus looks there were (B,), and the `last` centre (B,2)."""

    @property
    def focused(self) -> Tensor: ...

    @property
    def last(self) -> Tensor: ...


def motion(centres: Tensor, before: Tracked) -> Tensor:
    """(y, x, dy, dx) of each look's centre (B,k,2) after those before: (B,k,4); the first of a video has not moved."""
    moved = centres - torch.cat([before.last[:, None], centres[:, :-1]], 1)
    started = (before.focused > 0).to(moved)[:, None, None]
    return torch.cat([centres, torch.cat([moved[:, :1] * started, moved[:, 1:]], 1)], -1)


def _sums(
    evidence: Evidence, glance: Tensor | None, focus: Tensor | None, *, rising: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Running sums (B,k,K) and counts (B,k) of both kinds of looks, the glance's repeated for each focus look at it."""
    glances, glanced = _running(evidence.glance, evidence.glanced, glance, rising=False)
    focuses, focused = _running(evidence.focus, evidence.focused, focus, rising=rising)
    if glance is not None and focus is not None and glance.shape[1] < focus.shape[1]:
        times = focus.shape[1] // glance.shape[1]
        glances, glanced = glances.repeat_interleave(times, 1), glanced.repeat_interleave(times, 1)
    return glances, glanced, focuses, focused


def _running(total: Tensor, count: Tensor, new: Tensor | None, *, rising: bool) -> tuple[Tensor, Tensor]:
    """Running sums (B,k,K) and counts (B,k) after each new frame; without new ones, one frame of what stood.

    rising: the n-th frame of a video goes in n times.
    """
    if new is None:
        return total[:, None], count[:, None]
    counts = count[:, None] + torch.arange(1, new.shape[1] + 1, device=new.device, dtype=count.dtype)
    new = new * counts[..., None] if rising else new
    if new.shape[1] == 1:
        return total[:, None] + new, counts
    return torch.cat([total[:, None], new], 1).cumsum(1)[:, 1:], counts
