"""The looks as modules of flat tensors, state in and state out, fit to be written as graphs.

At most five a model: `glance` and `focus` take k frames of B videos at once, both free; what adds up over time goes
one look at a time, so that the exit loop may stop behind any: `locate`, and the evidence of a glance (`gather`), of a
focus look (`aggregate`), or of both at one frame (`combine`). All state is zeros at the start of a video. Pixels come
in as uint8; normalisation and batch norms are inside.

Letters: B videos, k frames, S frame side, P patch side, C channels, K classes, W width of what the aggregator is told.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, cast

import torch
from torch import Tensor, nn

from gfnet_video.config import ModelConfig
from gfnet_video.engines.exported import graphs_needed
from gfnet_video.engines.locating import LocateGraph, flat
from gfnet_video.engines.prepared import Prepared
from gfnet_video.engines.shifting import ShiftedBlock
from gfnet_video.errors import ConfigError
from gfnet_video.model import GFNet
from gfnet_video.nn.aggregator import Evidence
from gfnet_video.nn.backbone import Backbone, join_maps
from gfnet_video.nn.folding import folded
from gfnet_video.nn.gru_aggregator import GRUAggregator, Recurrence
from gfnet_video.nn.policy import Policy
from gfnet_video.nn.shift import run_block
from gfnet_video.parts import AnyAggregator, Look

# Of the graphs that make evidence: the kinds of looks, by the names of what they tell.
EVIDENCE = {
    "gather": {"told": "glance"},
    "aggregate": {"told": "focus"},
    "combine": {"seen": "glance", "told": "focus"},
}
CHANGES = {"glance": {"glance", "glanced"}, "focus": {"focus", "focused", "last"}}  # what a look does to evidence
B, K = 2, 3  # of the examples that a graph is traced with: an exporter takes 1 for a constant


@dataclass(frozen=True)
class Graph:
    """A module, an example of what it takes, and the names of that and of what it returns.

    An output `new_x` is what the state `x` becomes. framed: how many of the inputs have frames on their second axis.
    """

    name: str
    module: nn.Module
    example: tuple[Tensor, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    framed: int


class LookGraph(nn.Module):
    """A network of one look: pixels and shift buffers in; what the aggregator is told, the map where one is wanted, and
    the new buffers out."""

    def __init__(self, look: Look, config: ModelConfig, *, side: int, to: int, maps: bool) -> None:
        super().__init__()
        assert isinstance(look.backbone, Backbone)  # graphs_of refuses others
        net = folded(look.backbone)
        self.prepared = Prepared(config, side, to)
        self.stem, self.tail = net.stem, net.tail
        self.stages = nn.ModuleList(_blocks(net, depth) for depth in range(len(net.stages)))
        self.classifier = nn.Identity() if config.aggregator == "gru" else folded(look.classifier)
        self.pooled, self.fine, self.maps = net.pooled, net.fine, maps

    def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
        """pixels (B,k,3,side,side) uint8, buffers (B,c,h,w) -> told (B,k,W), both maps flat (B,k,N), buffers.

        Within, the first frames of all videos come first, then the second ones: a frame before is then B rows above.
        """
        pixels, *buffers = given
        (videos, k), old, new = pixels.shape[:2], iter(buffers), list[Tensor]()
        x = self.stem(self.prepared(pixels.transpose(0, 1)))  # (k*B,C,H,W)
        fine = x
        for depth, stage in enumerate(self.stages):
            for block in cast(nn.ModuleList, stage):
                if not isinstance(block, ShiftedBlock):
                    x = run_block(block, x)
                    continue
                x, last = block(x, next(old, None), videos)
                new += [] if last is None else [last]
            fine = x if depth < self.fine else fine
        x = self.tail(x)
        told = [self.classifier(self.pooled(x)), *([flat(fine, x)] if self.maps else [])]
        return (*(rows.unflatten(0, (k, -1)).transpose(0, 1) for rows in told), *new)


def _blocks(net: Backbone, depth: int) -> nn.ModuleList:
    """A stage's blocks, those that are shifted as graphs shift."""
    stage = zip(cast(nn.Sequential, net.stages[depth]), net.shifts[depth], strict=True)
    return nn.ModuleList(ShiftedBlock(b, net.shift, net.shift_div) if shifts else b for b, shifts in stage)


class EvidenceGraph(nn.Module):
    """The aggregator on one look of each kind given; returns only the parts of the evidence that they change."""

    def __init__(self, aggregator: AnyAggregator, kinds: tuple[str, ...]) -> None:
        super().__init__()
        self.aggregator = aggregator
        self.record: type[Any] = Recurrence if isinstance(aggregator, GRUAggregator) else Evidence
        self.state = tuple(f.name for f in fields(self.record))
        changes = {"hidden"}.union(*(CHANGES[kind] for kind in kinds))
        self.changed = tuple(n for n in self.state if n in changes)
        self.told = (*kinds, *(["centres"] if "focus" in kinds else []))

    def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
        """What a glance told (B,W), what a focus look told (B,W) and its centre (B,2), then the evidence -> logits
        (B,K) and the changed evidence."""
        looks = len(self.told)
        told = {name: one[:, None] for name, one in zip(self.told, given[:looks], strict=True)}
        evidence, logits = self.aggregator(self.record(*given[looks:]), **told)
        return (logits[:, 0], *(getattr(evidence, name) for name in self.changed))


@torch.no_grad()
def graphs_of(model: GFNet) -> list[Graph]:
    """The graphs of a model in evaluation mode. Raises ConfigError for what is no graph, and why: an oracle's patches,
    which no file tells, and what runs on torch alone."""
    config = model.config
    if config.where == "oracle":
        raise ConfigError(
            "model.where is oracle: its patches follow the data's own truth, which an exported model has not; "
            "export a model whose model.where is policy, centre or random"
        )
    if config.where == "cam":
        raise ConfigError(
            "model.where is cam: the glance's class-activation map is no graph yet; infer with --engine torch"
        )
    if config.policy != "heat" or config.crop != "pixels":
        raise ConfigError(
            f"model.policy is {config.policy} and crop {config.crop}; the policies of GFNet's images and of AdaFocus, "
            "and patches between pixels, run on torch alone and cannot be exported; infer with --engine torch"
        )
    if whole := [look.backbone for look in (config.glance, config.focus) if look and look.clipwise]:
        raise ConfigError(
            f"backbone is {', '.join(whole)}: a network of whole clips is no graph yet; infer with --engine torch"
        )
    chosen = config.focus is not None and config.where == "policy"
    found = [_look("glance", model.glance_net, config, config.glance.side, maps=chosen)]
    if model.focus_net is not None and config.focus is not None:
        found.append(_look("focus", model.focus_net, config, config.focus.side, maps=False))
    if chosen:
        found.append(_locate(model))
    return found + [_evidence(model, name, EVIDENCE[name]) for name in graphs_needed(config) if name in EVIDENCE]


def _look(name: str, look: Look, config: ModelConfig, to: int, *, maps: bool) -> Graph:
    side = config.frame_side if name == "glance" else to
    module = LookGraph(look, config, side=side, to=to, maps=maps).eval()
    *_, buffers = look.eval()(torch.zeros(B, K, 3, to, to))
    pixels = torch.randint(0, 256, (B, K, 3, side, side), dtype=torch.uint8)
    states = tuple(f"{name}_{i}" for i in range(len(buffers)))
    outputs = ("told", *(["map"] if maps else []), *(f"new_{s}" for s in states))
    return Graph(name, module, (pixels, *buffers), ("pixels", *states), outputs, 1)


def _locate(model: GFNet) -> Graph:
    backbone, policy = model.glance_net.backbone, cast(Policy, model.policy)
    fine, last, *_ = backbone(torch.zeros(B, 1, 3, model.config.glance.side, model.config.glance.side))
    _, state = policy(join_maps(fine, last), None)
    module = LocateGraph(policy, fine.shape[2:], last.shape[2:])
    example = (flat(fine[:, 0], last[:, 0]), state)
    return Graph("locate", module, example, ("map", "policy"), ("centre", "new_policy"), 0)


def _evidence(model: GFNet, name: str, told: dict[str, str]) -> Graph:
    """told: the looks' kinds, by the names of what they tell."""
    module = EvidenceGraph(model.aggregator, tuple(told.values()))
    looks = {"glance": model.glance_net, "focus": model.focus_net}
    widths = {kind: look.backbone.width for kind, look in looks.items() if look is not None}
    gru = model.config.aggregator == "gru"
    looks_told = [torch.zeros(B, widths[kind] if gru else model.config.classes) for kind in told.values()]
    evidence = model.aggregator.start(looks_told[0])
    state = tuple(getattr(evidence, n).clone() for n in module.state)  # of their own: equal ones would become one input
    centre = {"centre": torch.zeros(B, 2)} if "focus" in told.values() else {}
    example, inputs = (*looks_told, *centre.values(), *state), (*told, *centre, *module.state)
    return Graph(name, module, example, inputs, ("logits", *(f"new_{n}" for n in module.changed)), 0)
