"""The exit loop on many clips: those that are sure leave their seat, which a waiting clip takes at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gfnet_video.model import GFNet
from gfnet_video.nn.exit_rule import ExitRule
from gfnet_video.nn.image_walk import first_look
from gfnet_video.nn.state import State


@dataclass(frozen=True)
class Exits:
    """Where each video stopped: `logits` (B,K) and `steps` (B,), 0-based, both on the CPU."""

    logits: Tensor
    steps: Tensor


@torch.inference_mode()
def run_batch(
    model: GFNet,
    frames: Tensor,
    rule: ExitRule,
    *,
    glance_frames: Tensor | None = None,
    centres: Tensor | None = None,
    seats: int | None = None,
) -> Exits:
    """Run the exit loop on clips (B,T,3,H,W), step by step; what a clip's exit saves is not computed.

    seats: how many clips are looked at together, None for all: a clip that leaves takes its state's row along, and the
    next one that waits sits down, so that clips at different frames share each step. The answers do not depend on it.
    glance_frames (B,T',3,H,W): where the glance sees other frames of the clips than the focus does; centres (B,F,2)
    force the patches.
    """
    hall = _Hall(model, len(frames), seats or len(frames), frames, rule)
    if model.config.image:
        _images(model, frames, hall, centres)
    elif model.glances_first:
        _glance_first(model, frames, frames if glance_frames is None else glance_frames, hall, centres)
    elif model.config.temporal == "both":
        while len(clips := hall.admitted(frames)):
            hall.leave(model(clips).logits)
    else:
        _interleaved(model, frames, hall, centres)
    return Exits(hall.logits, hall.steps)


class _Hall:
    """Which clips are seated and at which step each is, how many wait, and what those that left had to say.

    clips, turns (n,): of those seated, the clip's number and the step it takes next, on the CPU.
    """

    def __init__(self, model: GFNet, count: int, seats: int, like: Tensor, rule: ExitRule) -> None:
        self.rule, self.count, self.seats, self.last = rule, count, seats, model.steps - 1
        self.clips, self.turns, self.called = torch.empty(0).long(), torch.empty(0).long(), 0
        self.logits = torch.zeros(count, model.config.classes, dtype=like.dtype)
        self.steps = torch.zeros(count, dtype=torch.long)

    @property
    def free(self) -> int:
        """How many seats a waiting clip could take now."""
        return min(self.seats - len(self.clips), self.count - self.called)

    def admitted(self, clips: Tensor) -> Tensor:
        """Let waiting clips take the free seats, behind those that sit; returns their part of `clips` (B,...)."""
        first, self.called = self.called, self.called + self.free
        new = torch.arange(first, self.called)
        self.clips, self.turns = torch.cat([self.clips, new]), torch.cat([self.turns, torch.zeros_like(new)])
        return clips[first : self.called]

    def leave(self, logits: Tensor, since: int = 0) -> Tensor:
        """The seated clips from number `since` on have taken a step: let those go that are sure, or have no step left.

        logits (n,K): what they said. Returns which rows of all that sat stay, where the logits are.
        """
        clips, turns = self.clips[since:], self.turns[since:]
        self.logits[clips], self.steps[clips] = logits.cpu(), turns
        stay = ~self.rule.fires(logits, turns).cpu() & (turns < self.last)
        kept = torch.cat([torch.arange(since), stay.nonzero().squeeze(1) + since])
        self.turns[since:] += 1
        self.clips, self.turns = self.clips[kept], self.turns[kept]
        return kept.to(logits.device)


def _interleaved(model: GFNet, frames: Tensor, hall: _Hall, forced: Tensor | None) -> None:
    state, each, again = State(), model.config.looks_per_frame, 0
    rows = torch.empty(0).long()
    while True:
        if not again:  # all who sit have done with their frame
            fresh = torch.full((len(hall.admitted(frames)),), -1)
            rows = torch.cat([rows, fresh.to(rows)])
        if not len(rows):
            return
        state = state.select(rows)
        frame = frames[hall.clips, hall.turns // each][:, None]
        centres = None if forced is None else forced[hall.clips, hall.turns][:, None]
        turn = model.again(frame, state, centres) if again else model.step(frame, state, centres, looks=1)
        state, logits, _ = turn
        rows = hall.leave(logits[:, -1])
        again = (again + 1) % each if len(rows) else 0


def _images(model: GFNet, frames: Tensor, hall: _Hall, forced: Tensor | None) -> None:
    """Those seated are looked at together until all are sure; then others sit down."""
    while len(clips := hall.admitted(frames)):
        state, logits = first_look(model, clips)
        state = state.select(hall.leave(logits[:, -1]))
        while len(hall.clips):
            centres = None if forced is None else forced[hall.clips, hall.turns - 1][:, None]
            state, logits, _ = model.again(frames[hall.clips], state, centres)
            state = state.select(hall.leave(logits[:, -1]))


def _glance_first(model: GFNet, frames: Tensor, glance_frames: Tensor, hall: _Hall, forced: Tensor | None) -> None:
    each, whole = model.config.looks_per_frame, model.config.temporal == "both"
    state, centres = State(), frames.new_empty(0, each * frames.shape[1], 2)
    while True:
        if hall.free and len(hall.clips) <= (0 if whole else hall.seats // 2):  # a few glances at once are slow
            fresh, where = _seated(model, glance_frames, hall, forced)
            state, centres = state.joined(fresh), torch.cat([centres, model.spread(where, centres.shape[1])])
        elif len(hall.clips):
            looks = torch.arange(centres.shape[1])[None] if whole else hall.turns[:, None] - 1
            where = centres[torch.arange(len(hall.clips))[:, None], looks]
            patch, focus = model.focus(frames[hall.clips[:, None], looks // each], where, state.focus)
            evidence, logits = model.aggregate(state.evidence, focus=patch, centres=where)
            kept = hall.leave(logits[:, -1])
            centres, state = centres[kept], State(focus=focus, evidence=evidence).select(kept)
        else:
            return


def _seated(model: GFNet, glance_frames: Tensor, hall: _Hall, forced: Tensor | None) -> tuple[State, Tensor]:
    """Glance at clips that wait; of those that are not sure already, the state and the centres of all their patches."""
    before = len(hall.clips)
    seen, _ = model.glance(hall.admitted(glance_frames))
    evidence, logits = model.aggregate(None, glance=seen)
    stay = hall.leave(logits[:, -1], since=before)[before:] - before
    where = model.locate(model.repeated(seen.map[stay]))[0] if forced is None else forced[hall.clips[before:]]
    return State(evidence=evidence).select(stay), where
