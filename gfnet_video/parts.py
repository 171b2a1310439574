"""What a GFNet is put together from, as its configuration says: looks, a policy, an aggregator."""

from __future__ import annotations

from torch import Tensor, nn

from gfnet_video.config import LookConfig, ModelConfig
from gfnet_video.nn.actor_policy import ActorPolicy
from gfnet_video.nn.aggregator import Aggregator, Classifier, SumAggregator
from gfnet_video.nn.backbone import Backbone, Buffers, join_maps
from gfnet_video.nn.clip_backbone import ClipBackbone
from gfnet_video.nn.controls import CONTROLS, Peak
from gfnet_video.nn.gru_aggregator import GRUAggregator
from gfnet_video.nn.policy import Policy
from gfnet_video.nn.step_aggregators import Cascade, GRUSteps
from gfnet_video.records import Features

AnyAggregator = Aggregator | GRUAggregator | SumAggregator | GRUSteps | Cascade


class Look(nn.Module):
    """A backbone and its classifier: frames in, features out, shift buffers passed through.

    A network of whole clips says one thing of a clip: each of its frames has the same row, of which `once` leaves one.
    """

    def __init__(self, config: LookConfig, model: ModelConfig, *, cam: bool = False) -> None:
        super().__init__()
        self.clipwise = config.clipwise
        self.backbone: Backbone | ClipBackbone
        if config.clipwise:
            self.backbone = ClipBackbone(config.backbone, frozen=config.frozen)
        else:
            self.backbone = Backbone(
                config.backbone,
                stride=config.stride,
                pool=config.pool,
                shift=model.temporal if config.shift else "none",
                shift_div=model.shift_div,
                frozen=config.frozen,
            )
        self.classifier = Classifier(self.backbone.width, model.classes, model.factors, config.dropout)
        self.joins = model.policy == "heat"  # published policies read the last map alone
        self.cam = cam  # its map is its answer's activation map

    def forward(self, frames: Tensor, state: Buffers | None = None, branches: int = 1) -> tuple[Features, Buffers]:
        """frames (B,k,3,side,side), normalised; branches: as `GFNet.focus`."""
        fine, last, pooled, state = self.backbone(frames, state, branches)
        logits = self.classifier(pooled)
        if self.clipwise:
            pooled, logits = (x.expand(-1, frames.shape[1], -1) for x in (pooled, logits))
        if self.cam:
            return Features(self.classifier.activation(last, logits), pooled, logits), state
        return Features(join_maps(fine, last) if self.joins else last, pooled, logits), state

    def once(self, rows: Tensor) -> Tensor:
        """Of rows (B,k,...), one for each frame, those that are evidence: all, or of a whole clip one (B,1,...)."""
        return rows[:, :1] if self.clipwise else rows


def room_of(config: ModelConfig) -> float:
    """The part of the frame's side that is left for a patch to move in."""
    assert config.focus is not None
    return max((config.frame_side - config.focus.side) / config.frame_side, 1e-6)


def policy_of(config: ModelConfig, glance: Backbone | ClipBackbone) -> nn.Module:
    """What says where the patches are, reading the maps of the glance."""
    if config.where == "cam":
        return Peak(room=room_of(config))
    if config.where != "policy":
        control: nn.Module = CONTROLS[config.where]()
        return control
    if config.policy == "heat":
        backwards = config.policy_sees == "clip"
        return Policy(glance.map_channels, hidden=config.policy_hidden, room=room_of(config), backwards=backwards)
    return ActorPolicy(
        config.policy,
        glance.last_channels,
        cells=-(-config.glance.side // config.glance.stride),
        frames=config.frames,
        hidden=config.policy_hidden,
        by_batch=config.policy_norm == "batch",
    )


def mean_of(config: ModelConfig) -> Aggregator:
    """The aggregator "mean"."""
    rising = config.patch == "per_frame" and config.policy_sees == "past"
    return Aggregator(config.classes, config.factors, rising=rising)


def aggregator_of(config: ModelConfig, glance: Look, focus: Look | None) -> AnyAggregator:
    """What sums up what the looks say, where that is not their mean."""
    width, classes = glance.backbone.width, config.classes
    if config.aggregator == "sum":
        return SumAggregator(classes)
    if config.aggregator == "cascade":
        return Cascade(width, classes, config.steps)
    if config.aggregator == "gru":
        widths, hidden = (width, focus.backbone.width if focus else 0), config.aggregator_hidden or 256
        return GRUAggregator(*widths, classes, config.factors, hidden=hidden)
    own_first = config.aggregator == "gru_steps_own_first"
    return GRUSteps(width, classes, own_first=own_first, hidden=config.aggregator_hidden or 1024)
