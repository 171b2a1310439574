"""Multiply-adds of each look, counted on the model itself by torch's own counter."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gfnet_video.config import ModelConfig

if TYPE_CHECKING:  # an exported model knows its costs, and loads no torch
    from gfnet_video.model import GFNet


@dataclass(frozen=True)
class Looked:
    """How many looks of each kind a video took; `located` counts glance maps that the policy has seen."""

    glances: int
    located: int
    focuses: int


@dataclass(frozen=True)
class LookMacs:
    """GMACs of one look of each kind; `aggregate` is a focus look's evidence, `gather` a glance's."""

    glance: float
    locate: float
    focus: float
    aggregate: float
    gather: float = 0.0

    def of(self, looks: Looked) -> float:
        """GMACs of a video that took so many looks."""
        glances, focuses = looks.glances * (self.glance + self.gather), looks.focuses * (self.focus + self.aggregate)
        return glances + looks.located * self.locate + focuses


def looked(config: ModelConfig, step: int, chunk: int = 1) -> Looked:
    """What has been computed when a video stops after `step` (0-based): frames come in whole chunks, with all their
    focus looks, but at chunk 1 look by look."""
    seen = _looked(config, step, chunk)
    return seen if config.where == "policy" else replace(seen, located=0)


def _looked(config: ModelConfig, step: int, chunk: int) -> Looked:
    frames, looks = config.frames, config.looks
    if config.temporal == "both":
        return Looked(frames, frames, looks) if looks and step else Looked(frames, 0, 0)
    together = 1 if chunk == 1 or config.image else chunk * config.looks_per_frame  # focus looks
    if looks and config.order == "glance_first":
        focuses = min(looks, -(-step // together) * together)
        one_by_one = config.patch == "per_frame" and config.policy_sees != "clip"
        located = focuses if one_by_one else frames * config.looks_per_frame * bool(focuses)
        return Looked(frames, located, focuses)
    if not looks:
        return Looked(min(frames, -(-(step + 1) // chunk) * chunk), 0, 0)
    focuses = min(looks, -(-(step + 1) // together) * together)
    return Looked(-(-focuses // config.looks_per_frame), focuses, focuses)


def costs_of(model: GFNet, chunk: int = 1) -> tuple[float, ...]:
    """GMACs of a clip that stops after each step (S), where so many frames are computed together."""
    return step_costs(model.config, count_macs(model), chunk)


def step_costs(config: ModelConfig, macs: LookMacs, chunk: int = 1) -> tuple[float, ...]:
    """The same, where a look's cost is known."""
    return tuple(macs.of(looked(config, s, chunk)) for s in range(config.steps))


def count_macs(model: GFNet) -> LookMacs:
    """Run zeros and count: one frame, or where a part reads a clip at once all of it, and a frame's share is told.

    torch's counter knows convolutions and matrix products (2 FLOPs a MAC)."""
    import torch

    with torch.inference_mode():
        return _counted(model)


def _counted(model: GFNet) -> LookMacs:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from gfnet_video.nn.actor_policy import OF_A_CLIP
    from gfnet_video.nn.device import device_of

    config, device, each = model.config, device_of(model), model.config.looks_per_frame
    frame = torch.zeros(1, 1, 3, config.frame_side, config.frame_side, device=device)
    glances = config.frames if config.policy in OF_A_CLIP or config.glance.clipwise else 1
    aimed = config.looks if config.focus is not None and config.focus.clipwise else 1
    seen, frames = (frame.expand(-1, n, -1, -1, -1) for n in (glances, aimed if config.focus else glances))
    middle = frame.new_full((1, aimed * each, 2), 0.5)
    with FlopCounterMode(display=False) as counter:  # an oracle's centres must be forced
        model(frames, glance_frames=seen, centres=None if config.where in ("policy", "cam") else middle)
    counts = counter.get_flop_counts()

    def gmacs(part: str) -> float:
        return float(sum(counts.get(f"{type(model).__name__}.{part}", {}).values())) / 2e9

    focus = gmacs("focus_net") / each / aimed
    looks = LookMacs(gmacs("glance_net") / glances, gmacs("policy") / each / glances, focus, 0.0)
    if config.image:  # a step's classifier may be larger than the one before: the mean of all
        mean = gmacs("aggregator") / config.steps
        return replace(looks, aggregate=mean, gather=mean)
    aggregate = 0.0
    if model.focus_net is not None:
        patch, _ = model.focus(frames, middle[:, :aimed])
        with FlopCounterMode(display=False) as alone:
            model.aggregate(None, focus=patch, centres=middle[:, :aimed])
        aggregate = float(alone.get_total_flops()) / 2e9 / aimed
    return replace(looks, aggregate=aggregate, gather=(gmacs("aggregator") - aimed * each * aggregate) / glances)
