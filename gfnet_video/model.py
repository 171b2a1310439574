"""GFNet: glance at the whole frame, focus on a patch of it, add up the evidence (arXiv 2010.05300, 2201.03014).

Letters: B videos, T frames, k frames of one call, C channels, H W pixels, K classes, P patch side, S steps, F looks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import replace
from typing import TypeVar

import torch
from torch import Tensor, nn

from gfnet_video.config import ModelConfig
from gfnet_video.errors import ConfigError
from gfnet_video.nn.aggregator import Evidence
from gfnet_video.nn.backbone import Buffers
from gfnet_video.nn.controls import Peak
from gfnet_video.nn.gru_aggregator import Recurrence
from gfnet_video.nn.image_walk import image_steps
from gfnet_video.nn.patches import crop_between, crop_patches, crop_with_gradient, place_to_centre
from gfnet_video.nn.policy import Policy
from gfnet_video.nn.resizing import resized
from gfnet_video.nn.state import State
from gfnet_video.nn.step_aggregators import Seen
from gfnet_video.parts import AnyAggregator, Look, aggregator_of, mean_of, policy_of, room_of
from gfnet_video.records import Features, Looks, Step
from gfnet_video.walk import steps_of

Model = TypeVar("Model", bound="GFNet")


class GFNet(nn.Module):
    """Four looks, state in and state out; `forward` runs them over a whole clip, `stream` frame by frame."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.glance_net = Look(config.glance, config, cam=config.where == "cam")
        # Before the focus, also where another is to follow: a seed gives the weights it gave.
        self.aggregator: AnyAggregator = mean_of(config)
        self.focus_net: Look | None = None
        self.policy: nn.Module | None = None
        self.room = 1.0
        if config.focus is not None:
            self.focus_net, self.room = Look(config.focus, config), room_of(config)
            self.policy = policy_of(config, self.glance_net.backbone)
        if config.aggregator != "mean":
            self.aggregator = aggregator_of(config, self.glance_net, self.focus_net)

    @property
    def steps(self) -> int:
        """How many steps a whole clip takes."""
        return self.config.steps

    @property
    def glances_first(self) -> bool:
        """Whether the whole clip is glanced at before the first focus look."""
        return self.config.glances_first

    def at_side(self: Model, side: int | None) -> Model:
        """This model with patches of another side: the same tensors, but another room for patches to lie in.

        None: as it is. Raises ConfigError naming the known sides, for another than these.
        """
        if side not in (None, *self.config.sides):
            known = f"it has {', '.join(map(str, self.config.sides))}" if self.config.sides else "it has no focus"
            raise ConfigError(f"patch side {side} is none that this model has learned; {known} (model.patch_sides)")
        if self.config.focus is None or side in (None, self.config.focus.side):
            return self
        other = copy(self)
        other._modules = dict(self._modules)
        other.config = replace(self.config, focus=replace(self.config.focus, side=side))
        other.room = room_of(other.config)
        if isinstance(self.policy, Policy | Peak):
            other.policy = copy(self.policy)
            other.policy.room = other.room
        return other

    # -- the four looks ---------------------------------------------------------------------------------------------

    def glance(self, frames: Tensor, state: Buffers | None = None) -> tuple[Features, Buffers]:
        """The whole of each frame, small. frames (B,k,3,frame_side,frame_side)."""
        features: tuple[Features, Buffers] = self.glance_net(
            resized(frames, self.config.glance.side, self.config.resize), state
        )
        return features

    def locate(self, maps: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """One centre per frame from the glance's maps (B,k,C,h,w): centres (B,k,2) in [0, 1] and the policy's state.

        A policy that sees the clip takes the maps of all of it at once.

        Raises ConfigError where the model's patches are an oracle's: those are forced.
        """
        assert self.policy is not None
        centres, state = self.policy(maps, state)
        return centres.clamp(0, 1), state

    def focus(
        self, frames: Tensor, centres: Tensor, state: Buffers | None = None, *, branches: int = 1
    ) -> tuple[Features, Buffers]:
        """The patch of each frame, in full resolution. frames (B,k,3,frame_side,frame_side), centres (B,k,2).

        branches: the batch holds so many choices of patches for the same videos, R*B rows. All but the first are
        asides: a frame of theirs follows the first choice's patches before it, and is forgotten. Centres that ask for
        gradients get them.
        """
        assert self.focus_net is not None and self.config.focus is not None
        crop = crop_with_gradient if centres.requires_grad else crop_patches
        crop = crop_between if self.config.crop == "between" else crop
        patches = crop(frames.flatten(0, 1), centres.flatten(0, 1), size=self.config.focus.side)
        features: tuple[Features, Buffers] = self.focus_net(patches.unflatten(0, frames.shape[:2]), state, branches)
        return features

    def aggregate(
        self,
        evidence: Evidence | Recurrence | Seen | None,
        *,
        glance: Features | None = None,
        focus: Features | None = None,
        centres: Tensor | None = None,
    ) -> tuple[Evidence | Recurrence | Seen, Tensor]:
        """Add looks at k frames to the evidence: the new evidence and the video-level logits (B,k,K).

        What a network of whole clips says is one look's, however many frames it saw: then k is 1.
        """
        seen = None if glance is None else self.glance_net.once(self._told(glance))
        aimed = None if focus is None or self.focus_net is None else self.focus_net.once(self._told(focus))
        centres = centres if centres is None or self.focus_net is None else self.focus_net.once(centres)
        if evidence is None:
            like = seen if seen is not None else aimed
            assert like is not None
            evidence = self.aggregator.start(like)
        added: tuple[Evidence | Recurrence | Seen, Tensor] = self.aggregator(
            evidence, glance=seen, focus=aimed, centres=centres
        )
        return added

    def _told(self, look: Features) -> Tensor:
        """What the aggregator takes of a look: what it says, for the GRU what it saw, or in image mode both."""
        if self.config.image:
            return torch.cat([look.pooled, look.logits], -1)
        return look.pooled if self.config.aggregator == "gru" else look.logits

    def aim(self, places: Tensor) -> Tensor:
        """Centres (B,F,2) of patches on places (B,T,2) in the frames that `parted` parts; (B,1,2) where shared."""
        seen = self.repeated(parted(places, self.config)[0])
        seen = seen.mean(1, keepdim=True) if self.config.patch == "shared" else seen
        return place_to_centre(seen, room=self.room).clamp(0, 1)  # near an edge the patch ends at the edge

    # -- the flow ---------------------------------------------------------------------------------------------------

    def step(
        self, frames: Tensor, state: State, centres: Tensor | None = None, *, looks: int | None = None
    ) -> tuple[State, Tensor, Tensor | None]:
        """Glance at k frames, choose a patch in each, focus on it, add the evidence: the whole method.

        frames (B,k,3,frame_side,frame_side); centres (B,k,2) force the patches. Returns the state, the video-level
        logits after each frame (B,k,K) and the centres, None where the model has no focus. Where a frame is focused on
        several times, all of that is a frame's turn, or the first `looks` of it: `again` takes the next.
        """
        seen, glance = self.glance(frames, state.glance)
        if self.focus_net is None:
            evidence, logits = self.aggregate(state.evidence, glance=seen)
            return State(glance, None, None, evidence), logits, None
        looks = looks or self.config.looks_per_frame
        kept = seen.map[:, -1:] if looks < self.config.looks_per_frame else None
        state = State(glance, state.policy, state.focus, state.evidence, kept)
        return self._focused(repeated(frames, looks), repeated(seen.map, looks), state, centres, seen)

    def again(self, frames: Tensor, state: State, centres: Tensor | None = None) -> tuple[State, Tensor, Tensor | None]:
        """One more focus look at the frames (B,1,3,H,W) that `step` glanced at last; as `step`."""
        assert state.map is not None
        return self._focused(frames, state.map, state, centres, None)

    def _focused(
        self, frames: Tensor, maps: Tensor, state: State, centres: Tensor | None, seen: Features | None
    ) -> tuple[State, Tensor, Tensor]:
        """Focus on frames (B,k,...) that were glanced at: `seen`, where the glance is still to become evidence."""
        policy = state.policy
        if centres is None or self.config.where == "policy":  # which remembers, also where its centres are not taken
            chosen, policy = self.locate(maps, policy)
            centres = chosen if centres is None else centres
        patch, focus = self.focus(frames, centres, state.focus)
        evidence, logits = self.aggregate(state.evidence, glance=seen, focus=patch, centres=centres)
        seen_map = patch.map if self.config.image else state.map
        return State(state.glance, policy, focus, evidence, seen_map), logits, centres

    def forward(self, frames: Tensor, *, glance_frames: Tensor | None = None, centres: Tensor | None = None) -> Looks:
        """Look at whole clips. frames: (B,T,3,frame_side,frame_side) normalised floats, which the focus sees, and the
        glance too unless it has `glance_frames` of its own; centres (B,F,2) force the patches.

        Raises ConfigError where the frames' shape is another.
        """
        self.check(frames)
        if self.config.image:
            turns = list(image_steps(self, frames, self.config.looks, centres))
            logits, where = torch.stack([said for said, _ in turns], 1), [at for _, at in turns if at is not None]
            return Looks(logits[:, -1], logits, torch.stack(where, 1))
        if self.glances_first:
            return self._glance_first(frames, frames if glance_frames is None else glance_frames, centres)
        _, logits, centres = self.step(frames, State(), centres)
        logits = logits if self.config.temporal == "causal" else logits[:, -1:]
        return Looks(logits[:, -1], logits, frames.new_zeros(len(frames), 0, 2) if centres is None else centres)

    def _glance_first(self, frames: Tensor, glance_frames: Tensor, forced: Tensor | None) -> Looks:
        self.check(glance_frames)
        seen, _ = self.glance(glance_frames)
        evidence, first = self.aggregate(None, glance=seen)
        chosen = self.locate(self.repeated(seen.map))[0] if forced is None else forced
        frames = self.repeated(frames)
        centres = self.spread(chosen, frames.shape[1])
        patch, _ = self.focus(frames, centres)
        _, logits = self.aggregate(evidence, focus=patch, centres=centres)
        if self.config.temporal == "both":
            logits, centres = logits[:, -1:], centres[:, -1:]
        return Looks(logits[:, -1], torch.cat([first[:, -1:], logits], 1), centres)

    def repeated(self, frames: Tensor) -> Tensor:
        """Frames, maps or places (B,k,...) as often as each is focused on, side by side: (B,k*looks_per_frame,...)."""
        return repeated(frames, self.config.looks_per_frame)

    def decisions(self, centres: Tensor) -> Tensor:
        """Those of centres (B,k,2) that count: all (B,k,2), or where the patch is shared the last (B,1,2)."""
        return centres[:, -1:] if self.config.patch == "shared" else centres

    def spread(self, centres: Tensor, frames: int) -> Tensor:
        """Centres (B,k,2) as the focus takes them (B,frames,2): one a frame, or where shared the last for all."""
        return self.decisions(centres).expand(-1, frames, -1) if self.config.patch == "shared" else centres

    @torch.inference_mode()
    def stream(self, frames: Iterable[Tensor], *, chunk: int = 1) -> Iterator[Step]:
        """Look at frames as they come, endlessly; as `walk`. Raises ConfigError where the shift needs the future."""
        if self.config.temporal == "both":
            raise ConfigError("temporal is both: each frame's look needs the frame after it; a stream needs causal")
        yield from self.walk(frames, chunk=chunk)

    @torch.inference_mode()
    def walk(
        self,
        frames: Iterable[Tensor],
        *,
        glance_frames: Iterable[Tensor] | None = None,
        chunk: int = 1,
        centres: Tensor | None = None,
    ) -> Iterator[Step]:
        """The steps of a clip, one by one; each frame is (B,3,frame_side,frame_side), pulled only when its turn comes.

        centres (B,F,2) force the patches.

        `chunk` frames are computed together, with all their looks; at chunk 1 the several focus looks of a frame are
        computed one by one. Leaving the loop is the exit: no later look is computed. interleaved yields a Step per
        focus look, or without a focus per frame, and pulls no frame ahead of its chunk; glance_first pulls the whole
        clip, glances at it at once, yields its first Step, and then one for each focus look. With both-way shift a pass
        over the clip is one step.
        """
        yield from steps_of(self, frames, glance_frames=glance_frames, chunk=chunk, forced=centres)

    def check(self, frames: Tensor) -> None:
        """Raise ConfigError unless frames are (B,T,3,frame_side,frame_side), in image mode of one frame."""
        side = self.config.frame_side
        count = "1" if self.config.image else "T"
        if frames.ndim != 5 or frames.shape[2:] != (3, side, side) or (self.config.image and frames.shape[1] != 1):
            raise ConfigError(f"frames have shape {tuple(frames.shape)}; expected (B, {count}, 3, {side}, {side})")


def parted(clips: Tensor, config: ModelConfig) -> tuple[Tensor, Tensor | None]:
    """Clips as the data gives them (B,T,...) as `forward` takes them: frames, and the glance's where it has its own.

    Those of the glance come first, the `focus_frames` after them.
    """
    return (clips[:, config.frames :], clips[:, : config.frames]) if config.focus_frames else (clips, None)


def repeated(frames: Tensor, times: int) -> Tensor:
    """(B,k,...) with each of the k so many times, side by side."""
    return frames if times == 1 else frames.repeat_interleave(times, 1)
