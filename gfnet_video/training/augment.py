"""What happens to a batch of normalised clips: every draw is one clip's, the same for all its frames."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from gfnet_video.config import TrainConfig
from gfnet_video.training.dice import share_of, uniform
from gfnet_video.training.distributed import side_by_side

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


def augment(frames: Tensor, places: Tensor, how: TrainConfig, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """One affine map, one still picture mixed in, one brightness, contrast and saturation for all frames of a clip
    (B,T,3,H,W); never a flip.

    places (B,n,2), (y, x) as parts of the frame, move with what is seen there; n may be 0.
    """
    if how.translate or how.scale or how.degrees or how.stretch or how.shear:
        maps = draw_maps(frames, how, generator)
        frames, places = warp(frames, maps), warp_places(places, maps)
    if how.still:
        frames = with_stills(frames, how.still, generator)
    if how.brightness:
        drawn = uniform(2, len(frames), 1, 1, 1, 1, clips=1, generator=generator).to(frames)
        scale, shift = (drawn - 0.5) * 2 * how.brightness
        frames = frames * (1 + scale) + shift
    if how.saturation:
        drawn = uniform(len(frames), 1, 1, 1, 1, clips=0, generator=generator).to(frames)
        grey = (frames * frames.new_tensor(LUMA)[:, None, None]).sum(-3, keepdim=True)
        frames = grey + (frames - grey) * (1 + (drawn - 0.5) * 2 * how.saturation)
    return frames, places


def with_stills(frames: Tensor, most: float, generator: torch.Generator) -> Tensor:
    """Clips (B,T,3,H,W), each mixed, by a share of up to `most`, with one frame of the clip before it in the batch.

    It stands still, so that the background, and what rests before it, tells less than what moves. The way of Background
    Erasing (arXiv 2009.05769), where the frame is the clip's own.
    """
    share = share_of(generator, len(frames))
    drawn = uniform(2, len(frames), clips=1, generator=generator)
    which = (drawn[1] * frames.shape[1]).long().to(frames.device)
    stills = side_by_side(frames[torch.arange(len(frames), device=frames.device), which], share)  # (whole,3,H,W)
    others = share.rows(stills.roll(1, 0))[:, None]
    part = (drawn[0] * most).to(frames)[:, None, None, None, None]
    return frames + part * (others - frames)


def draw_maps(frames: Tensor, how: TrainConfig, generator: torch.Generator) -> Tensor:
    """An affine map (2,3) for each clip of (B,T,3,H,W): it moves, scales, turns, stretches and shears, within the
    limits of `how`, about the middle. It takes (x, y, 1) in the new picture to where that was in the old, edges at -1
    and 1."""
    b = len(frames)
    drawn = uniform(4, b, clips=1, generator=generator).to(frames) * 2 - 1
    angle, zoom = drawn[0] * math.radians(how.degrees), (drawn[1] * math.log1p(how.scale)).exp()
    height, width = frames.shape[-2:]
    cos, sin = angle.cos() / zoom, angle.sin() / zoom
    turn = torch.stack([cos, -sin, sin, cos], 1).view(b, 2, 2)  # in pixels
    if how.stretch or how.shear:
        turn = turn @ draw_shapes(b, how, generator).to(frames)
    across = turn * frames.new_tensor([[1, height / width], [width / height, 1]])
    return torch.cat([across, 2 * how.translate * drawn[2:].T[..., None]], 2)


def draw_shapes(clips: int, how: TrainConfig, generator: torch.Generator) -> Tensor:
    """Maps (clips,2,2) that keep the area: stretched along one axis by up to 1 + stretch, then sheared along x."""
    drawn = uniform(2, clips, clips=1, generator=generator) * 2 - 1
    wide, shear = (drawn[0] * math.log1p(how.stretch)).exp(), drawn[1] * how.shear
    return torch.stack([wide, shear, torch.zeros_like(wide), 1 / wide], 1).view(clips, 2, 2)


def warp(frames: Tensor, maps: Tensor) -> Tensor:
    """Clips (B,T,3,H,W) under the maps (B,2,3) of `draw_maps`: bilinear; what is uncovered repeats the border."""
    stacked = frames.flatten(1, 2)
    grid = F.affine_grid(maps, list(stacked.shape), align_corners=False)
    return F.grid_sample(stacked, grid, padding_mode="border", align_corners=False).view(frames.shape)


def warp_places(places: Tensor, maps: Tensor) -> Tensor:
    """Where places (B,n,2), (y, x) as parts of the frame, are seen after `warp`; that may be outside the frame."""
    old = 2 * places.flip(-1) - 1 - maps[:, None, :, 2]  # (B,n,2) as (x, y)
    new: Tensor = torch.linalg.solve(maps[:, :, :2], old.transpose(1, 2)).transpose(1, 2)  # from old to new
    return (new.flip(-1) + 1) / 2
