"""Whom a model is timed against: static TSMs of its own backbones, and X3D-S; with random weights, for time does not
depend on them, and so of no accuracy."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from gfnet_video.checkpoint import Card, Recogniser
from gfnet_video.config import Config, LookConfig, ModelConfig, TrainConfig
from gfnet_video.evaluation.bench_runs import Contender, Run
from gfnet_video.inference.reading import in_order
from gfnet_video.inference.runner import claimed_frames, open_video
from gfnet_video.nn.exit_rule import ExitRule
from gfnet_video.video.samplers import uniform_indices
from gfnet_video.video.transforms import normalise, resize_crop

RANDOM = "random weights"
X3D_FRAMES, X3D_SIDE = 13, 160  # X3D-S (Feichtenhofer, CVPR 2020, arXiv 2004.04730)


def static_tsm(config: ModelConfig, look: LookConfig) -> Recogniser:
    """A TSM with the backbone, stride and pooling of one of a model's looks, on whole frames of its frame_side."""
    whole = LookConfig(look.backbone, side=config.frame_side, stride=look.stride, pool=look.pool)
    static = ModelConfig(
        classes=config.classes,
        frames=config.frames,
        frame_side=config.frame_side,
        glance=whole,
        short_side=config.short_side,
        factors=config.factors,
        shift_div=config.shift_div,
    )
    name = f"static TSM {look.backbone} at {config.frame_side}, stride {look.stride} {look.pool}"
    card = Card(
        Config("none", static, TrainConfig(()), name),
        tuple(str(i) for i in range(config.classes)),
        ExitRule.never(static.steps),
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Recogniser(card).eval()


def static_tsms(config: ModelConfig) -> list[Recogniser]:
    """One for each backbone that the model has; that of the focus first, which is what the model spares."""
    looks = {(x.backbone, x.stride, x.pool): x for x in (config.focus, config.glance) if x is not None}
    return [static_tsm(config, look) for look in looks.values()]


class X3D:
    """pytorchvideo's X3D-S on 13 frames of 160 pixels, its own sampling and normalising; torch, on the CPU."""

    def __init__(self, classes: int) -> None:
        self.net = _x3d(classes)
        clip = torch.zeros(1, 3, X3D_FRAMES, X3D_SIDE, X3D_SIDE)
        with torch.inference_mode(), FlopCounterMode(display=False) as counter:
            self.net(clip)
        self.gmacs = counter.get_total_flops() / 2e9

    @torch.inference_mode()
    def run(self, paths: Sequence[Path]) -> Run:
        """Decode, preprocess and run so many clips at once. Raises VideoError."""
        began = perf_counter()
        decoded = [_decoded(path) for path in paths]
        then = perf_counter()
        clips = torch.stack([normalise(_cut(d), (0.45,) * 3, (0.225,) * 3) for d in decoded]).transpose(1, 2)
        ready = perf_counter()
        self.net(clips)
        end = perf_counter()
        seconds = {"decode": then - began, "preprocess": ready - then, "network": end - ready, "total": end - began}
        return Run(len(paths), seconds, self.gmacs, X3D_FRAMES)

    def contender(self, batch: int) -> Contender:
        return Contender("X3D-S (pytorchvideo)", "other", "torch", batch, X3D_FRAMES, self.run, RANDOM)


def _decoded(path: Path) -> np.ndarray:
    with open_video(path) as video:
        return np.stack(list(in_order(video, uniform_indices(claimed_frames(video), X3D_FRAMES))))


def _cut(frames: np.ndarray) -> torch.Tensor:
    return resize_crop(frames, frame_side=X3D_SIDE)


def _x3d(classes: int) -> nn.Module:
    with warnings.catch_warnings():  # of torch's own deprecations, which pytorchvideo has not followed
        warnings.simplefilter("ignore")
        logging.getLogger("pytorchvideo").setLevel(logging.ERROR)
        from pytorchvideo.models.x3d import create_x3d

        with torch.random.fork_rng():
            torch.manual_seed(0)
            net: nn.Module = create_x3d(
                input_clip_length=X3D_FRAMES, input_crop_size=X3D_SIDE, model_num_class=classes
            ).eval()
        return net
