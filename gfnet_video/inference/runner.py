"""The exit loop on one video: decode a frame, look at it, stop as soon as it is sure."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from gfnet_video.checkpoint import Card, Recogniser
from gfnet_video.config import ModelConfig
from gfnet_video.datasets.frame_folders import FolderReader, template_in
from gfnet_video.errors import VideoError
from gfnet_video.inference.macs import LookMacs, count_macs, looked
from gfnet_video.inference.timing import Seconds, timed_items, timed_looks
from gfnet_video.inference.validity import elsewhere
from gfnet_video.nn.controls import random_centres
from gfnet_video.nn.device import device_of
from gfnet_video.nn.exit_rule import ExitRule
from gfnet_video.records import Prediction, Step
from gfnet_video.video.reader import VideoEnded, VideoReader
from gfnet_video.video.remote import RemoteReader
from gfnet_video.video.samplers import sampled
from gfnet_video.video.transforms import normalise, resize_crop

Opened = VideoReader | RemoteReader | FolderReader


def open_video(path: str | Path, *, reader: str = "auto") -> VideoReader | FolderReader:
    """A video file, or a folder of numbered pictures. Raises VideoError."""
    if os.path.isdir(path) and (template := template_in(Path(path))):
        return FolderReader(path, template)
    return VideoReader(path, reader=reader)


@dataclass(frozen=True)
class Options:
    """How to infer. confidence: replaces all thresholds; exits off: all looks are taken; chunk: frames a step; video:
    what opens a file, in this process or in another (RemoteReader)."""

    confidence: float | None = None
    exits: bool = True
    reader: str = "auto"
    chunk: int = 1
    video: Callable[..., Opened] = open_video


def rule_of(card: Card, options: Options) -> ExitRule:
    """The exit rule that holds under these options."""
    if not options.exits:
        return ExitRule.never(len(card.rule.temperatures), card.rule.temperatures)
    return card.rule if options.confidence is None else card.rule.at(options.confidence)


def frames(model: Recogniser, path: str | Path, *, reader: str = "auto") -> Iterator[Tensor]:
    """Normalised frames (1,3,frame_side,frame_side) of the file, sampled as the model was trained.

    Those of the glance, each decoded when it is asked for. Raises VideoError; VideoEnded where the file ends before its
    header says.
    """
    with open_video(path, reader=reader) as video:
        indices, _ = indices_of(model.config, _claimed(video))
        yield from _frames(model, video, indices, defaultdict(float))


def predict(
    model: Recogniser,
    path: str | Path,
    *,
    confidence: float | None = None,
    exits: bool = True,
    options: Options | None = None,
    macs: LookMacs | None = None,
) -> Prediction:
    """Recognise one video; what an exit saves is neither decoded nor computed.

    Where the file ends before its header says, the clip is sampled once more on its true count, and a warning says so.
    confidence, exits: as in Options, which holds the rest; macs: pass `count_macs(model)` when predicting many.
    Raises VideoError naming the file and the reason, ConfigError for a confidence outside (0, 1].
    """
    options = options or Options(confidence, exits)
    macs = macs or count_macs(model)
    try:
        return _predict(model, path, options, macs, None)
    except VideoEnded as early:
        if early.frames < 1:
            raise
        return _predict(model, path, options, macs, early.frames)


def _predict(
    model: Recogniser, path: str | Path, options: Options, macs: LookMacs, true_count: int | None
) -> Prediction:
    seconds: Seconds = defaultdict(float)
    rule = rule_of(model.card, options)
    began = time.perf_counter()
    with options.video(path, reader=options.reader) as video, timed_looks(model, seconds):
        claimed = _claimed(video)
        indices = indices_of(model.config, true_count or claimed)
        glance, focus = (_frames(model, video, some, seconds) for some in indices)
        seen = {"glance_frames": glance} if indices[1] else {}
        taken: list[Step] = []
        forced = _forced(model, path)
        for step in model.walk(focus if indices[1] else glance, chunk=options.chunk, centres=forced, **seen):
            taken.append(step)
            if bool(rule.fires(step.logits, step.index)):
                break
    seconds["total"] = time.perf_counter() - began
    warnings = []
    if true_count is not None:
        warnings.append(
            f"the header claims {claimed} frames but {true_count} decode: sampled once more on the true count"
        )
    if options.exits and options.confidence is None:
        warnings += elsewhere(model, chunk=options.chunk)
    return _summary(model, path, rule, taken, indices, dict(seconds), macs, options.chunk, tuple(warnings))


def _forced(model: Recogniser, path: str | Path) -> Tensor | None:
    """The centres (1,F,2) of a model that looks at random places: those of the clip of the file's name."""
    if model.config.where != "random":
        return None
    return random_centres(Path(path).stem, range(model.config.looks))[None].to(device_of(model))


def indices_of(config: ModelConfig, total: int) -> tuple[list[int], list[int]]:
    """The frames of a clip of `total` that the glance sees, and those that the focus sees where they are others."""
    own = sampled(config.sampler, total, config.focus_frames) if config.focus_frames else []
    return sampled(config.sampler, total, config.frames), own


def _claimed(video: Opened) -> int:
    count = video.header_frames if video.header_frames else video.count()
    if count < 1:
        raise VideoError(video.path, "no frame can be decoded")
    return count


def _frames(model: Recogniser, video: Opened, indices: list[int], seconds: Seconds) -> Iterator[Tensor]:
    config = model.config
    for pixels in timed_items(_in_order(video, indices), seconds, "decode"):
        began = time.perf_counter()
        small = resize_crop(pixels[None], frame_side=config.frame_side, short_side=config.short_side)
        ready = normalise(small.to(device_of(model)), config.mean, config.std)
        seconds["preprocess"] += time.perf_counter() - began
        yield ready


def _in_order(video: Opened, indices: list[int]) -> Iterator[np.ndarray]:
    """Frames in the order asked for. A file is read forwards: one that lies further back begins a new reading."""
    forwards: list[int] = []
    for index in indices:
        if forwards and index < forwards[-1]:
            yield from video.read(forwards)
            forwards = []
        forwards.append(index)
    yield from video.read(forwards)


def _summary(
    model: Recogniser,
    path: str | Path,
    rule: ExitRule,
    taken: list[Step],
    indices: tuple[list[int], list[int]],
    seconds: dict[str, float],
    macs: LookMacs,
    chunk: int,
    warnings: tuple[str, ...],
) -> Prediction:
    last = taken[-1]
    scores = rule.probabilities(last.logits, last.index)[0]
    top = scores.topk(min(5, len(scores)))
    names = model.card.classes
    centres = tuple((float(s.centre[0, 0]), float(s.centre[0, 1])) for s in taken if s.centre is not None)
    steps = model.steps
    seen = looked(model.config, last.index, chunk)
    decoded = indices[0][: seen.glances] + indices[1][: seen.focuses]
    return Prediction(
        path=str(path),
        label=names[int(top.indices[0])],
        score=float(top.values[0]),
        top5=tuple((names[int(i)], float(v)) for v, i in zip(*top, strict=True)),
        exit_step=last.index + 1,
        steps=steps,
        exited=last.index + 1 < steps,
        frames_decoded=len(decoded),
        frame_indices=tuple(decoded),
        patches=centres,
        gmacs=macs.of(seen),
        seconds=seconds,
        step_scores=tuple(float(rule.probabilities(s.logits, s.index).max()) for s in taken),
        warnings=warnings,
    )
