"""Temporal shift (Lin et al., TSM, ICCV 2019, arXiv 1811.08383) with its state as an argument."""

from __future__ import annotations

from collections.abc import Callable

import torch
from timm.models._efficientnet_blocks import ConvBnAct, DepthwiseSeparableConv, EdgeResidual, InvertedResidual
from timm.models.densenet import DenseLayer, DenseTransition
from timm.models.regnet import Bottleneck as RegNetBottleneck
from timm.models.resnet import BasicBlock, Bottleneck
from torch import Tensor, nn


def causal_shift(x: Tensor, last: Tensor | None, *, frames: int, fold: int, branches: int = 1) -> tuple[Tensor, Tensor]:
    """Give the first `fold` channels of every frame the values of the frame before.

    x: (B*T,C,H,W), frames of a video adjacent; last: (B,fold,H,W), those channels of the frame before the first,
    None for the start of a video (zeros). Returns the shifted x and the `last` to pass next time.

    branches: x is (R*B*T,C,H,W), R versions of each video, of which the first is what came to pass: in every version
    the frame before is the first's, so each frame of the others is what that frame alone would have changed. What is
    returned to pass on is the first's.
    """
    out = x.clone()
    was = x.unflatten(0, (branches, -1, frames))  # (R,B,T,C,H,W)
    now = out.unflatten(0, (branches, -1, frames))
    now[:, :, 1:, :fold] = was[:1, :, :-1, :fold]
    now[:, :, 0, :fold] = 0 if last is None else last
    return out, was[0, :, -1, :fold].clone()


def both_shift(x: Tensor, *, frames: int, fold: int) -> Tensor:
    """Offline TSM: the first `fold` channels take the values of the frame after, the next `fold` of the frame before.

    x: (B*T,C,H,W), frames of a video adjacent; zeros come in at the ends.
    """
    out = x.clone()
    was, now = x.unflatten(0, (-1, frames)), out.unflatten(0, (-1, frames))  # (B,T,C,H,W)
    now[:, :-1, :fold] = was[:, 1:, :fold]
    now[:, -1, :fold] = 0
    now[:, 1:, fold : 2 * fold] = was[:, :-1, fold : 2 * fold]
    now[:, 0, fold : 2 * fold] = 0
    return out


def _through(block: nn.Module, names: tuple[str, ...], x: Tensor) -> Tensor:
    """x through those of a block's layers that it has."""
    for layer in (getattr(block, name, None) for name in names):
        x = x if layer is None else layer(x)
    return x


def _expanded(block: nn.Module, x: Tensor, shifted: Tensor) -> Tensor:
    inner = ("conv_pw", "bn1", "conv_dw", "bn2", "aa", "se", "conv_pwl", "bn3", "drop_path")
    return _through(block, inner, shifted) + x


def _edge(block: nn.Module, x: Tensor, shifted: Tensor) -> Tensor:
    return _through(block, ("conv_exp", "bn1", "aa", "se", "conv_pwl", "bn2", "drop_path"), shifted) + x


def _residual(block: nn.Module, x: Tensor, shifted: Tensor, inner: tuple[str, ...], act: str) -> Tensor:
    out: Tensor = getattr(block, act)(_through(block, inner, shifted) + _through(block, ("downsample",), x))
    return out


def _basic(block: nn.Module, x: Tensor, shifted: Tensor) -> Tensor:
    inner = ("conv1", "bn1", "drop_block", "act1", "aa", "conv2", "bn2", "se", "drop_path")
    return _residual(block, x, shifted, inner, "act2")


def _bottleneck(block: nn.Module, x: Tensor, shifted: Tensor) -> Tensor:
    inner = ("conv1", "bn1", "act1", "conv2", "bn2", "drop_block", "act2", "aa", "conv3", "bn3", "se", "drop_path")
    return _residual(block, x, shifted, inner, "act3")


def _regnet(block: nn.Module, x: Tensor, shifted: Tensor) -> Tensor:
    return _residual(block, x, shifted, ("conv1", "conv2", "se", "conv3", "drop_path"), "act3")


def _dense(block: nn.Module, x: Tensor, shifted: Tensor) -> Tensor:
    """What a dense layer adds comes from the shifted maps; those it hands on stay in their frames."""
    return torch.cat([x, block(shifted)], 1)


Branch = Callable[[nn.Module, Tensor, Tensor], Tensor]
# How each of timm's blocks runs when its branch sees the shifted input and its identity the original: TSM's residual
# placement. A test holds every row equal to the network's own forward when nothing is shifted.
BRANCHES: dict[type[nn.Module], Branch] = {
    InvertedResidual: _expanded,
    EdgeResidual: _edge,
    BasicBlock: _basic,
    Bottleneck: _bottleneck,
    RegNetBottleneck: _regnet,
    DenseLayer: _dense,
}
PLAIN = (DepthwiseSeparableConv, ConvBnAct, DenseTransition)  # which TSM leaves as they are


def known_block(block: nn.Module) -> bool:
    """Whether it is known how to run this block, with a shift or without."""
    return type(block) in BRANCHES or type(block) in PLAIN


def takes_shift(block: nn.Module) -> bool:
    """Whether TSM shifts this block: what has an identity beside its branch, of inverted residuals those that skip."""
    return type(block) in BRANCHES and bool(getattr(block, "has_skip", True))


def run_block(block: nn.Module, x: Tensor) -> Tensor:
    """The block's output (B*T,C',H',W') on x (B*T,C,H,W), nothing shifted."""
    out: Tensor = _dense(block, x, x) if type(block) is DenseLayer else block(x)
    return out


def run_shifted(block: nn.Module, x: Tensor, shifted: Tensor) -> Tensor:
    """The block's output with `shifted` in its branch and `x` on its identity path, both (B*T,C,H,W)."""
    return BRANCHES[type(block)](block, x, shifted)
