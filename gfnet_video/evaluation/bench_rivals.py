"""Whom a model is timed against: static networks of its own backbones, and pytorchvideo's; with random weights, for
time does not depend on them, and so of no accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from gfnet_video.checkpoint import Card, Recogniser
from gfnet_video.config import Config, LookConfig, ModelConfig, TrainConfig
from gfnet_video.errors import ConfigError, unknown
from gfnet_video.evaluation.bench_runs import Contender, Run
from gfnet_video.inference.reading import in_order
from gfnet_video.inference.runner import claimed_frames, open_video
from gfnet_video.nn.clip_backbone import PUBLISHED, create_whole
from gfnet_video.nn.exit_rule import ExitRule
from gfnet_video.video.samplers import uniform_indices
from gfnet_video.video.transforms import normalise, resize_crop

RANDOM = "random weights"


def static_tsm(config: ModelConfig, look: LookConfig) -> Recogniser:
    """A TSM with the backbone, stride and pooling of one of a model's looks, on whole frames of its frame_side.

    A backbone that reads whole clips is none: it is that network itself, on as many frames as it sees in the model.
    """
    aimed = config.focus is not None and config.focus.backbone == look.backbone and look.clipwise
    whole = LookConfig(
        look.backbone, side=config.frame_side, stride=look.stride, pool=look.pool, shift=not look.clipwise
    )
    static = ModelConfig(
        classes=config.classes,
        frames=config.looks if aimed else config.frames,
        frame_side=config.frame_side,
        glance=whole,
        short_side=config.short_side,
        factors=config.factors,
        shift_div=config.shift_div,
        temporal="both" if look.clipwise else "causal",
    )
    kind = "static" if look.clipwise else "static TSM"
    name = f"{kind} {look.backbone} at {config.frame_side}, stride {look.stride} {look.pool}"
    return untrained(Config("none", static, TrainConfig(()), name))


def untrained(config: Config) -> Recogniser:
    """A network of that config with random weights and no thresholds, its classes numbered."""
    names = tuple(str(i) for i in range(config.model.classes))
    card = Card(config, names, ExitRule.never(config.model.steps))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Recogniser(card).eval()


def static_tsms(config: ModelConfig) -> list[Recogniser]:
    """One for each backbone that the model has; that of the focus first, which is what the model spares."""
    looks = {(x.backbone, x.stride, x.pool): x for x in (config.focus, config.glance) if x is not None}
    return [static_tsm(config, look) for look in looks.values()]


class Peer:
    """A network of pytorchvideo on the clips it is published on, sampled and normalised its own way; torch, on the CPU.

    Raises ConfigError for an unknown name.
    """

    def __init__(self, name: str, classes: int) -> None:
        if name not in PUBLISHED:
            raise ConfigError(unknown("peer", name, PUBLISHED))
        self.setting = PUBLISHED[name]
        frames, side = self.setting.frames, self.setting.side
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.net = create_whole(name, frames=frames, side=side, classes=classes).eval()
        with torch.inference_mode(), FlopCounterMode(display=False) as counter:  # of shapes, nothing is computed
            deepcopy(self.net).to("meta")(torch.zeros(1, 3, frames, side, side, device="meta"))
        self.gmacs = counter.get_total_flops() / 2e9

    @torch.inference_mode()
    def run(self, paths: Sequence[Path]) -> Run:
        """Decode, preprocess and run so many clips at once. Raises VideoError."""
        began = perf_counter()
        decoded = [_decoded(path, self.setting.frames) for path in paths]
        then = perf_counter()
        small = [resize_crop(frames, frame_side=self.setting.side) for frames in decoded]
        clips = torch.stack([normalise(frames, (0.45,) * 3, (0.225,) * 3) for frames in small]).transpose(1, 2)
        ready = perf_counter()
        self.net(clips)
        end = perf_counter()
        seconds = {"decode": then - began, "preprocess": ready - then, "network": end - ready, "total": end - began}
        return Run(len(paths), seconds, self.gmacs, self.setting.frames)

    def contender(self, batch: int) -> Contender:
        """Among those that take turns, at this batch."""
        name = f"{self.setting.title} (pytorchvideo)"
        return Contender(name, "other", "torch", batch, self.setting.frames, self.run, RANDOM)


def _decoded(path: Path, frames: int) -> np.ndarray:
    with open_video(path) as video:
        return np.stack(list(in_order(video, uniform_indices(claimed_frames(video), frames))))
