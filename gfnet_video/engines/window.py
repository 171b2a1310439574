"""A stream's window: state is carried on from frame to frame, evidence is that of the last T frames.

The looks at a frame (shift buffers, policy) know all that came before it, as in a clip. What they say is kept for T
frames and added up anew after each, so the logits of frame n are what the aggregator says, from no evidence, of the
looks at frames max(0, n-T+1) to n: for the first T frames exactly the steps of `GFNet.forward` on them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from gfnet_video.model import GFNet
from gfnet_video.nn.aggregator import evidence_of
from gfnet_video.nn.state import State
from gfnet_video.records import Features


@dataclass(frozen=True)
class Kept:
    """What the aggregator takes of one frame: of its glance, and of its L focus looks with their centres (B,L,2)."""

    glance: Features
    focus: Features | None = None
    centres: Tensor | None = None


@dataclass(frozen=True)
class Window:
    """A stream's memory. state: all but evidence; kept: of the last T frames at most, the oldest first."""

    state: State = field(default_factory=State)
    kept: tuple[Kept, ...] = ()


@torch.inference_mode()
def slide(model: GFNet, frame: Tensor, window: Window | None = None) -> tuple[Window, Tensor]:
    """Look at one more frame (B,3,frame_side,frame_side), normalised; all its focus looks are taken.

    Returns the new window and the video-level logits (B,K) of the frames in it.
    """
    window = window or Window()
    state, kept = _looked(model, frame[:, None], window.state)
    window = Window(state, (*window.kept, kept)[-model.config.frames :])
    return window, _said(model, window.kept)


def _looked(model: GFNet, frames: Tensor, state: State) -> tuple[State, Kept]:
    """The looks at frames (B,1,3,H,W); no feature's map is kept."""
    seen, glance = model.glance(frames, state.glance)
    if model.focus_net is None:
        return State(glance), Kept(evidence_of(torch.clone, seen))
    centres, policy = model.locate(model.repeated(seen.map), state.policy)
    patch, focus = model.focus(model.repeated(frames), centres, state.focus)
    kept = Kept(evidence_of(torch.clone, seen), evidence_of(torch.clone, patch), centres)
    return State(glance, policy, focus), kept


def _said(model: GFNet, kept: tuple[Kept, ...]) -> Tensor:
    """The aggregator's logits (B,K) after all kept looks, from no evidence."""
    glance = _joined([k.glance for k in kept])
    aimed = [k.focus for k in kept if k.focus is not None]
    centres = [k.centres for k in kept if k.centres is not None]
    focus = {"focus": _joined(aimed), "centres": torch.cat(centres, 1)} if aimed else {}
    _, logits = model.aggregate(None, glance=glance, **focus)  # type: ignore[arg-type]
    return logits[:, -1]


def _joined(looks: list[Features]) -> Features:
    """Looks at one frame each as looks at all of them (B,k,...)."""
    return evidence_of(lambda *parts: torch.cat(parts, 1), *looks)
