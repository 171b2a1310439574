"""What one batch is worth in its stage: the patches it gets, and the losses that follow.

Letters: B videos, T frames, F focus looks, M tracks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from gfnet_video.config import StageConfig
from gfnet_video.model import GFNet, parted
from gfnet_video.nn.patches import smooth_tracks
from gfnet_video.training.dice import normal, share_of
from gfnet_video.training.learning import Learning
from gfnet_video.training.losses import image_loss, supervised_loss
from gfnet_video.training.policy_gradient import policy_loss
from gfnet_video.training.ppo import ppo_losses
from gfnet_video.training.proposals import proposals_loss
from gfnet_video.training.rewards import glance_at


@dataclass(frozen=True)
class Seen:
    """A batch where the model is, augmented: frames (B,T,3,H,W) normalised, labels (B,), places (B,T,2) of the object,
    (B,0,2) where nobody knows them."""

    frames: Tensor
    labels: Tensor
    places: Tensor


@dataclass(frozen=True)
class Turn:
    """A stage at one of its batches: `progress` from 0 to 1, `weights` (K,) of the classes, None for 1 each."""

    stage: StageConfig
    progress: float
    weights: Tensor | None
    generator: torch.Generator

    @property
    def sigma(self) -> float:
        """The width of draws around the policy's centres."""
        first, last = self.stage.sigma
        return first + self.progress * (last - first)


def losses(learning: Learning, turn: Turn, seen: Seen) -> Iterator[tuple[Tensor, float | None]]:
    """A batch's losses and, where the policy learns, its reward: one for each update that the batch is good for.

    Each is computed when those before have been taken. Rewards are compared within a clip, so they have no weights.
    """
    model, stage = at_drawn_side(learning.model, turn.generator), turn.stage
    if stage.patches != "sampled":
        yield (_image if model.config.image else _clip)(model, turn, seen), None
        return
    frames, glanced = parted(seen.frames, model.config)
    looked = glance_at(model, frames, seen.labels, glanced)
    if learning.critic is None:
        learn = policy_loss
        if stage.learner == "proposals":
            learn = partial(proposals_loss, dropout=stage.policy_dropout, reward=stage.reward)
        loss, reward = learn(model, looked, sigma=turn.sigma, tracks=stage.tracks, generator=turn.generator)
        yield loss, float(reward)
        return
    for loss, reward in ppo_losses(model, learning.critic, looked, stage, sigma=turn.sigma, generator=turn.generator):
        yield loss, float(reward)


def at_drawn_side(model: GFNet, generator: torch.Generator) -> GFNet:
    """The model with patches of one of its sides, as drawn for the batch."""
    sides = model.config.sides
    return model if len(sides) < 2 else model.at_side(sides[int(torch.randint(len(sides), (), generator=generator))])


def _clip(model: GFNet, turn: Turn, seen: Seen) -> Tensor:
    """The loss of a supervised stage: all frames are looked at at once."""
    frames, glanced = parted(seen.frames, model.config)
    glance, _ = model.glance(frames if glanced is None else glanced)
    centres = tracks(model, turn, seen, glance.map.detach())
    return supervised_loss(
        model, frames, seen.labels, centres, glance=glance, auxiliary=turn.stage.auxiliary, weights=turn.weights
    )


def _image(model: GFNet, turn: Turn, seen: Seen) -> Tensor:
    """The loss of a supervised stage in image mode, where the policy is asked anew for each look."""
    own = turn.stage.patches == "policy"
    still = seen.frames.new_zeros(len(seen.frames), model.config.looks, 2)
    centres = offsets(still, turn) if own else tracks(model, turn, seen, None)
    return image_loss(
        model, seen.frames, seen.labels, centres, own=own, auxiliary=turn.stage.auxiliary, weights=turn.weights
    )


def tracks(model: GFNet, turn: Turn, seen: Seen, maps: Tensor | None) -> Tensor | None:
    """The centres (M,B,F,2) of a supervised stage; None where it has no focus. maps (B,T,C,h,w) of the glance, which
    the policy alone asks for."""
    stage, looks = turn.stage, model.config.looks
    if stage.patches == "none":
        return None
    if stage.patches == "random":
        return random_tracks(model, stage.tracks, len(seen.frames), turn.generator).to(seen.frames)
    chosen = model.decisions(_chosen(model, stage, seen, maps))
    if stage.learner == "end_to_end":
        others = random_tracks(model, stage.tracks - 1, len(seen.frames), turn.generator).to(seen.frames)
        return torch.cat([chosen.expand(-1, looks, -1)[None], others])
    return around(chosen, turn).expand(-1, -1, looks, -1)


def random_tracks(model: GFNet, count: int, videos: int, generator: torch.Generator) -> Tensor:
    """Random tracks (count,videos,F,2): smooth ones, but as the model itself draws them where it does.

    Several looks at a frame take a smooth track each, or they would all be at one place.
    """
    share, looks, each = share_of(generator, videos), model.config.looks, model.config.looks_per_frame
    drawn = 1 if model.config.patch == "shared" else looks
    whole = count * share.whole
    if model.config.where == "random":
        places = torch.rand(whole, drawn, 2, generator=generator)
    else:
        smooth = smooth_tracks(whole * each, drawn // each, generator)  # (whole*each,frames,2)
        places = smooth.unflatten(0, (whole, each)).transpose(1, 2).flatten(1, 2)
    return share.rows(places.expand(-1, looks, -1).unflatten(0, (count, share.whole)), 1)


def _chosen(model: GFNet, stage: StageConfig, seen: Seen, maps: Tensor | None) -> Tensor:
    """The centres (B,F,2) or (B,1,2) of a stage whose patches are not random.

    Where the policy learns end to end they have gradients and may lie outside [0, 1], so that an edge does not stop
    these; the glance has none of it (AdaFocus V2, arXiv 2112.14238).
    """
    if stage.patches == "oracle":
        return model.aim(seen.places)
    if stage.patches == "centre":
        return seen.frames.new_full((len(seen.frames), model.config.looks, 2), 0.5)
    assert model.policy is not None and maps is not None
    maps = model.repeated(maps)
    if stage.learner == "end_to_end":
        means: Tensor = model.policy(maps, None)[0]
        return means
    with torch.no_grad():
        return model.locate(maps)[0]


def around(centres: Tensor, turn: Turn) -> Tensor:
    """The centres (B,F,2) and, for the stage's other tracks, places drawn around them: (M,B,F,2)."""
    return (centres + offsets(centres, turn)).clamp(0, 1)


def offsets(centres: Tensor, turn: Turn) -> Tensor:
    """How far each track lies from the centres (B,F,2): (M,B,F,2), the first not at all."""
    noise = normal(turn.stage.tracks - 1, *centres.shape, clips=1, generator=turn.generator).to(centres)
    return torch.cat([torch.zeros_like(centres)[None], turn.sigma * noise])
