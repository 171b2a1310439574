"""GFNet: glance at the whole frame, focus on a patch of it, add up the evidence (arXiv 2010.05300, 2201.03014).

Letters: B videos, T frames, k frames of one call, C channels, H W pixels, K classes, P patch side, S steps, F looks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gfnet_video.config import LookConfig, ModelConfig
from gfnet_video.errors import ConfigError
from gfnet_video.nn.aggregator import Aggregator, Classifier, Evidence
from gfnet_video.nn.backbone import Backbone, Buffers, join_maps
from gfnet_video.nn.patches import crop_patches
from gfnet_video.nn.policy import Policy
from gfnet_video.records import Features, Looks, Step


@dataclass(frozen=True)
class State:
    """All a model remembers of the videos in a batch; None stands for the start, where all of it is zeros."""

    glance: Buffers | None = None
    policy: Tensor | None = None
    focus: Buffers | None = None
    evidence: Evidence | None = None

    def select(self, rows: Tensor) -> State:
        """The state of the batch rows named in `rows` (N,), in that order; -1 is a fresh video's row (all zeros)."""

        def pick(value: Tensor) -> Tensor:
            fresh = (rows < 0).view(-1, *[1] * (value.ndim - 1))
            return value[rows.clamp(min=0)].masked_fill(fresh, 0)

        def walk(value: Buffers | Tensor | Evidence | None) -> object:
            if isinstance(value, Evidence):
                return Evidence(*(pick(getattr(value, f.name)) for f in fields(Evidence)))
            if isinstance(value, tuple):
                return tuple(pick(v) for v in value)
            return None if value is None else pick(value)

        return State(*(walk(getattr(self, f.name)) for f in fields(State)))  # type: ignore[arg-type]


class Look(nn.Module):
    """A backbone and its classifier: frames in, features out, shift buffers passed through."""

    def __init__(self, config: LookConfig, model: ModelConfig) -> None:
        super().__init__()
        self.backbone = Backbone(
            config.backbone,
            stride=config.stride,
            pool=config.pool,
            shift=config.shift,
            shift_div=model.shift_div,
            frozen=config.frozen,
        )
        self.classifier = Classifier(self.backbone.width, model.classes, model.factors, config.dropout)

    def forward(self, frames: Tensor, state: Buffers | None = None) -> tuple[Features, Buffers]:
        """frames (B,k,3,side,side), normalised."""
        fine, last, pooled, state = self.backbone(frames, state)
        return Features(join_maps(fine, last), pooled, self.classifier(pooled)), state


class GFNet(nn.Module):
    """Four looks, state in and state out; `forward` runs them over a whole clip, `stream` frame by frame."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.glance_net = Look(config.glance, config)
        self.aggregator = Aggregator(config.classes, config.factors)
        self.focus_net: Look | None = None
        self.policy: Policy | None = None
        if config.focus is not None:
            self.focus_net = Look(config.focus, config)
            room = (config.frame_side - config.focus.side) / config.frame_side
            self.policy = Policy(
                self.glance_net.backbone.map_channels, hidden=config.policy_hidden, room=max(room, 1e-6)
            )

    @property
    def steps(self) -> int:
        """How many steps a whole clip takes: one per frame, and one before them where all glances come first."""
        return self.config.frames + int(self.config.order == "glance_first" and self.focus_net is not None)

    # -- the four looks ---------------------------------------------------------------------------------------------

    def glance(self, frames: Tensor, state: Buffers | None = None) -> tuple[Features, Buffers]:
        """The whole of each frame, small. frames (B,k,3,frame_side,frame_side)."""
        features: tuple[Features, Buffers] = self.glance_net(resized(frames, self.config.glance.side), state)
        return features

    def locate(self, maps: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """One centre per frame from the glance's maps (B,k,C,h,w): centres (B,k,2) in [0, 1] and the policy's state."""
        assert self.policy is not None
        centres, state = self.policy(maps, state)
        return centres.clamp(0, 1), state

    def focus(self, frames: Tensor, centres: Tensor, state: Buffers | None = None) -> tuple[Features, Buffers]:
        """The patch of each frame, in full resolution. frames (B,k,3,frame_side,frame_side), centres (B,k,2)."""
        assert self.focus_net is not None and self.config.focus is not None
        patches = crop_patches(frames.flatten(0, 1), centres.flatten(0, 1), size=self.config.focus.side)
        features: tuple[Features, Buffers] = self.focus_net(patches.unflatten(0, frames.shape[:2]), state)
        return features

    def aggregate(
        self,
        evidence: Evidence | None,
        *,
        glance: Tensor | None = None,
        focus: Tensor | None = None,
        centres: Tensor | None = None,
    ) -> tuple[Evidence, Tensor]:
        """Add looks' logits (B,k,K) to the evidence: the new evidence and the video-level logits (B,k,K)."""
        logits = glance if glance is not None else focus
        assert logits is not None
        if evidence is None:
            evidence = Evidence.start(logits.shape[0], self.config.classes, logits)
        added: tuple[Evidence, Tensor] = self.aggregator(evidence, glance=glance, focus=focus, centres=centres)
        return added

    # -- the flow ---------------------------------------------------------------------------------------------------

    def step(self, frames: Tensor, state: State, centres: Tensor | None = None) -> tuple[State, Tensor, Tensor | None]:
        """Glance at k frames, choose a patch in each, focus on it, add the evidence: the whole method.

        frames (B,k,3,frame_side,frame_side); centres (B,k,2) force the patches. Returns the state, the video-level
        logits after each frame (B,k,K) and the centres, None where the model has no focus.
        """
        seen, glance = self.glance(frames, state.glance)
        if self.focus_net is None:
            evidence, logits = self.aggregate(state.evidence, glance=seen.logits)
            return State(glance, None, None, evidence), logits, None
        chosen, policy = self.locate(seen.map, state.policy)
        centres = chosen if centres is None else centres
        patch, focus = self.focus(frames, centres, state.focus)
        evidence, logits = self.aggregate(state.evidence, glance=seen.logits, focus=patch.logits, centres=centres)
        return State(glance, policy, focus, evidence), logits, centres

    def forward(self, frames: Tensor, *, centres: Tensor | None = None) -> Looks:
        """Look at whole clips. frames: (B,T,3,frame_side,frame_side) normalised floats; centres (B,T,2) force patches.

        Raises ConfigError where the frames' shape is another.
        """
        self._check(frames)
        if self.config.order == "glance_first" and self.focus_net is not None:
            logits, centres = self._glance_first(frames, centres)
        else:
            _, logits, centres = self.step(frames, State(), centres)
        return Looks(logits[:, -1], logits, frames.new_zeros(len(frames), 0, 2) if centres is None else centres)

    def _glance_first(self, frames: Tensor, centres: Tensor | None) -> tuple[Tensor, Tensor]:
        seen, _ = self.glance(frames)
        evidence, first = self.aggregate(None, glance=seen.logits)
        chosen = self.locate(seen.map)[0] if centres is None else centres
        patch, _ = self.focus(frames, chosen)
        _, logits = self.aggregate(evidence, focus=patch.logits, centres=chosen)
        return torch.cat([first[:, -1:], logits], 1), chosen

    @torch.inference_mode()
    def stream(self, frames: Iterable[Tensor], *, chunk: int = 1) -> Iterator[Step]:
        """Look at frames as they come; each is (B,3,frame_side,frame_side), pulled only when its turn has come.

        `chunk` frames are computed together. Leaving the loop is the exit: no later look is computed. interleaved
        yields a Step per frame and pulls no frame ahead of its chunk; glance_first pulls and glances at the whole
        clip, yields its first Step, and then one for each focus look.
        """
        groups = _chunks(frames, chunk)
        if self.config.order == "glance_first" and self.focus_net is not None:
            yield from self._stream_glance_first(groups)
            return
        state, index = State(), 0
        for group in groups:
            self._check(group)
            state, logits, centres = self.step(group, state)
            yield from _as_steps(logits, centres, index)
            index += group.shape[1]

    def _stream_glance_first(self, groups: Iterator[Tensor]) -> Iterator[Step]:
        kept, maps, glance, evidence, logits = [], [], None, None, torch.empty(0)
        for group in groups:
            self._check(group)
            seen, glance = self.glance(group, glance)
            evidence, logits = self.aggregate(evidence, glance=seen.logits)
            kept.append(group)
            maps.append(seen.map)
        if not kept:
            return
        yield Step(0, logits[:, -1], None)
        policy, focus, index = None, None, 1
        for group, seen_map in zip(kept, maps, strict=True):
            centres, policy = self.locate(seen_map, policy)
            patch, focus = self.focus(group, centres, focus)
            evidence, logits = self.aggregate(evidence, focus=patch.logits, centres=centres)
            yield from _as_steps(logits, centres, index)
            index += group.shape[1]

    def _check(self, frames: Tensor) -> None:
        side = self.config.frame_side
        if frames.ndim != 5 or frames.shape[2:] != (3, side, side):
            raise ConfigError(f"frames have shape {tuple(frames.shape)}; expected (B, T, 3, {side}, {side})")


def resized(frames: Tensor, side: int) -> Tensor:
    """frames (B,k,3,H,W) at another side, each frame on its own (antialiased bilinear)."""
    if frames.shape[-1] == side:
        return frames
    flat = F.interpolate(frames.flatten(0, 1), size=(side, side), mode="bilinear", antialias=True, align_corners=False)
    small: Tensor = flat.unflatten(0, frames.shape[:2])
    return small


def _as_steps(logits: Tensor, centres: Tensor | None, first: int) -> Iterator[Step]:
    for i in range(logits.shape[1]):
        yield Step(first + i, logits[:, i], None if centres is None else centres[:, i])


def _chunks(frames: Iterable[Tensor], size: int) -> Iterator[Tensor]:
    group: list[Tensor] = []
    for frame in frames:
        group.append(frame)
        if len(group) == size:
            yield torch.stack(group, 1)
            group = []
    if group:
        yield torch.stack(group, 1)
