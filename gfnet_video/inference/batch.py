"""The exit loop on a batch: videos that are sure leave it, with their state's rows, and cost nothing from then on."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gfnet_video.model import GFNet
from gfnet_video.nn.exit_rule import ExitRule
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
) -> Exits:
    """Run the exit loop on clips (B,T,3,H,W), step by step, compacting the batch after every step.

    glance_frames (B,T',3,H,W): where the glance sees other frames of the clips than the focus does; centres (B,F,2)
    force the patches.
    """
    rows = _Rows(model, len(frames), frames, rule)
    if model.glances_first:
        _glance_first(model, frames, frames if glance_frames is None else glance_frames, rows, centres)
        return rows.exits()
    if model.config.temporal == "both":
        rows.leave(model(frames).logits, 0, last=True)
        return rows.exits()
    state, each = State(), model.config.looks_per_frame
    for i in range(each * frames.shape[1]):
        frame = frames[rows.left, i // each : i // each + 1]
        forced = None if centres is None else centres[rows.left, i : i + 1]
        turn = model.again(frame, state, forced) if i % each else model.step(frame, state, forced, looks=1)
        state, now, _ = turn
        kept = rows.leave(now[:, -1], i, last=i == each * frames.shape[1] - 1)
        if not len(kept):
            break
        state = state.select(kept)
    return rows.exits()


class _Rows:
    """Which clips of a batch have not stopped (`left`), and what those that have left with."""

    def __init__(self, model: GFNet, count: int, like: Tensor, rule: ExitRule) -> None:
        self.rule, self.left = rule, torch.arange(count)
        self.logits = torch.zeros(count, model.config.classes, dtype=like.dtype)
        self.steps = torch.zeros(count, dtype=torch.long)

    def leave(self, logits: Tensor, step: int, *, last: bool) -> Tensor:
        """Let those go that are sure after `step`, at the last one all; returns which rows of the present stay."""
        self.logits[self.left], self.steps[self.left] = logits.cpu(), step
        stay = ~self.rule.fires(logits, step) & torch.tensor(not last)
        kept = stay.nonzero().squeeze(1)
        self.left = self.left[kept.cpu()]
        return kept

    def exits(self) -> Exits:
        return Exits(self.logits, self.steps)


def _glance_first(model: GFNet, frames: Tensor, glance_frames: Tensor, rows: _Rows, forced: Tensor | None) -> None:
    seen, _ = model.glance(glance_frames)
    evidence, logits = model.aggregate(None, glance=seen)
    kept = rows.leave(logits[:, -1], 0, last=False)
    if not len(kept):
        return
    chosen = model.locate(model.repeated(seen.map[kept]))[0] if forced is None else forced[rows.left]
    state, whole = State(evidence=evidence).select(kept), model.config.temporal == "both"
    each = model.config.looks_per_frame
    looks = each * frames.shape[1]
    centres = model.spread(chosen, looks)
    for i in range(1 if whole else looks):
        part, at = (slice(None),) * 2 if whole else (slice(i, i + 1), slice(i // each, i // each + 1))
        patch, focus = model.focus(frames[rows.left, at], centres[:, part], state.focus)
        evidence, logits = model.aggregate(state.evidence, focus=patch, centres=centres[:, part])
        kept = rows.leave(logits[:, -1], i + 1, last=whole or i == looks - 1)
        if not len(kept):
            return
        centres, state = centres[kept], State(focus=focus, evidence=evidence).select(kept)
