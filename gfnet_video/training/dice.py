"""Draws for the clips of a batch: what a clip is given depends on its place in the batch, not on who computes it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Share:
    """The clips of a batch that this process holds: `count` of them from `first`, of `whole` in all processes."""

    first: int
    count: int
    whole: int

    def rows(self, drawn: Tensor, clips: int = 0) -> Tensor:
        """This process's part of what was drawn for the whole batch along dimension `clips`."""
        return drawn.narrow(clips, self.first, self.count)


class Dice(torch.Generator):
    """A generator on the CPU that knows for which part of a batch it draws.

    `uniform` and `normal` below ask it; torch's own functions take it for the plain generator that it also is.
    """

    share: Share | None = None

    @classmethod
    def seeded(cls, seed: int, share: Share | None = None) -> Dice:
        """Dice of that seed; share: None where the clips at hand are the whole batch."""
        dice = cls()
        dice.manual_seed(seed)
        dice.share = share
        return dice


def share_of(generator: torch.Generator, clips: int) -> Share:
    """For which part of a batch `generator` draws; a plain one for the `clips` at hand, which are all."""
    return getattr(generator, "share", None) or Share(0, clips, clips)


def uniform(*shape: int, clips: int, generator: torch.Generator) -> Tensor:
    """torch.rand(*shape) whose dimension `clips` counts the clips at hand: their rows of the whole batch's draw."""
    share = share_of(generator, shape[clips])
    return share.rows(torch.rand(_whole(shape, clips, share), generator=generator), clips)


def normal(*shape: int, clips: int, generator: torch.Generator) -> Tensor:
    """torch.randn(*shape), in the same way."""
    share = share_of(generator, shape[clips])
    return share.rows(torch.randn(_whole(shape, clips, share), generator=generator), clips)


def _whole(shape: tuple[int, ...], clips: int, share: Share) -> tuple[int, ...]:
    return (*shape[:clips], share.whole, *shape[clips + 1 :])
