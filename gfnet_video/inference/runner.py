"""The exit loop on one video: decode a frame, look at it, stop as soon as it is sure."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gfnet_video.config import ModelConfig
from gfnet_video.datasets.frame_folders import FolderReader, template_in
from gfnet_video.engines.engine import About, Engine, Turn, fires, probabilities
from gfnet_video.engines.macs import looked
from gfnet_video.engines.opening import engine_of
from gfnet_video.engines.timing import Seconds
from gfnet_video.errors import VideoError
from gfnet_video.inference.reading import Opened, Reading, in_order
from gfnet_video.inference.validity import elsewhere, stored_chunk
from gfnet_video.nn.draws import drawn_centres
from gfnet_video.nn.exit_rule import ExitRule
from gfnet_video.records import Prediction
from gfnet_video.video.picture import PictureReader, is_picture
from gfnet_video.video.reader import VideoEnded, VideoReader
from gfnet_video.video.samplers import sampled

if TYPE_CHECKING:  # an exported model loads no torch
    from torch import Tensor

    from gfnet_video.checkpoint import Recogniser


def open_video(
    path: str | Path, *, reader: str = "auto", shrink: int = 0
) -> VideoReader | FolderReader | PictureReader:
    """A video file, a picture, which is a video of one frame, or a folder of numbered pictures. Raises VideoError.

    reader, shrink: of a video, as VideoReader takes them.
    """
    if os.path.isdir(path) and (template := template_in(Path(path))):
        return FolderReader(path, template)
    return PictureReader(path) if is_picture(path) else VideoReader(path, reader=reader, shrink=shrink)


@dataclass(frozen=True)
class Options:
    """How to infer. confidence: replaces all thresholds; exits off: all looks are taken; chunk: frames a step, None: as
    the model's thresholds were found; video: what opens a file, in this process or in another (RemoteReader); ahead: a
    thread decodes the next frame while the networks look at this one; shrink: libav scales large frames
    (VideoReader)."""

    confidence: float | None = None
    exits: bool = True
    reader: str = "auto"
    chunk: int | None = None
    video: Callable[..., Opened] = open_video
    ahead: bool = False
    shrink: bool = False


def rule_of(stored: ExitRule, options: Options) -> ExitRule:
    """The exit rule that holds under these options, of a model with the stored one."""
    if not options.exits:
        return ExitRule.never(len(stored.temperatures), stored.temperatures)
    return stored if options.confidence is None else stored.at(options.confidence)


def frames(model: Recogniser, path: str | Path, *, reader: str = "auto") -> Iterator[Tensor]:
    """Normalised frames (1,3,frame_side,frame_side) of the file, sampled as the model was trained.

    Those of the glance, each decoded when it is asked for. Raises VideoError; VideoEnded where the file ends before its
    header says.
    """
    from gfnet_video.nn.device import device_of
    from gfnet_video.video.transforms import normalise, resize_crop

    config = model.config
    with open_video(path, reader=reader) as video:
        indices, _ = indices_of(config, claimed_frames(video))
        for pixels in in_order(video, indices):
            small = resize_crop(pixels[None], frame_side=config.frame_side, short_side=config.short_side)
            yield normalise(small.to(device_of(model)), config.mean, config.std)


def predict(
    model: Recogniser | Engine,
    path: str | Path,
    *,
    confidence: float | None = None,
    exits: bool = True,
    options: Options | None = None,
) -> Prediction:
    """Recognise one video; what an exit saves is neither decoded nor computed.

    Where the file ends before its header says, the clip is sampled once more on its true count, and a warning says so.
    model: when predicting many, pass one engine (`open_engine`, `TorchEngine`), for a model's costs are counted anew at
    each call. confidence, exits: as in Options, which holds the rest.
    Raises VideoError naming the file and the reason, ConfigError for a confidence outside (0, 1].
    """
    options, engine = options or Options(confidence, exits), engine_of(model)
    try:
        return _predict(engine, path, options, None)
    except VideoEnded as early:
        if early.frames < 1:
            raise
        return _predict(engine, path, options, early.frames)


def _predict(engine: Engine, path: str | Path, options: Options, true_count: int | None) -> Prediction:
    about = engine.about
    rule, chunk = rule_of(about.rule, options), options.chunk or stored_chunk(about)
    began = time.perf_counter()
    with options.video(path, reader=options.reader, shrink=about.config.shrunk_to(options.shrink)) as video:
        claimed = claimed_frames(video)
        indices = indices_of(about.config, true_count or claimed)
        reading = Reading(engine, video, options.ahead)
        taken = _taken(reading, rule, chunk, forced_centres(about.config, path), indices)
    reading.seconds["total"] = time.perf_counter() - began
    found = summary(about, path, rule, taken, indices, chunk)
    decoded, seconds = len(reading.decoded), dict(reading.seconds)
    warnings = noted(engine, options, chunk, claimed, true_count)
    return replace(found, frames_decoded=decoded, seconds=seconds, warnings=warnings)


def noted(engine: Engine, options: Options, chunk: int, claimed: int, true_count: int | None) -> tuple[str, ...]:
    """What a prediction warns of: a header that lied, thresholds that are used elsewhere than they hold."""
    warnings = []
    if true_count is not None:
        warnings.append(
            f"the header claims {claimed} frames but {true_count} decode: sampled once more on the true count"
        )
    if options.exits and options.confidence is None:
        warnings += elsewhere(engine.about, chunk=chunk, engine=engine.name)
    return tuple(warnings)


def _taken(
    reading: Reading, rule: ExitRule, chunk: int, forced: np.ndarray | None, indices: tuple[list[int], list[int]]
) -> list[Turn]:
    """The steps up to the exit."""
    taken: list[Turn] = []
    seconds: Seconds = defaultdict(float)
    with ExitStack() as stack:
        glance, focus = (stack.enter_context(closing(reading.frames(some))) for some in indices)
        others = {"glance_frames": glance} if indices[1] else {}
        frames = focus if others else glance
        looks = reading.engine.walk(frames, chunk=chunk, centres=forced, seconds=seconds, **others)
        stack.enter_context(closing(looks))  # leaving the loop is the exit
        for turn in looks:
            taken.append(turn)
            if fires(rule, turn)[0]:
                break
    for part, spent in seconds.items():
        reading.seconds[part] += spent
    return taken


def forced_centres(config: ModelConfig, path: str | Path) -> np.ndarray | None:
    """The centres (1,F,2) of a model that looks at random places: those of the clip of the file's name."""
    return drawn_centres(Path(path).stem, range(config.looks))[None] if config.where == "random" else None


def indices_of(config: ModelConfig, total: int) -> tuple[list[int], list[int]]:
    """The frames of a clip of `total` that the glance sees, and those that the focus sees where they are others.

    A model that reads each frame for itself sees none twice: a picture is looked at once.
    """
    own = sampled(config.sampler, total, config.focus_frames) if config.focus_frames else []
    count = min(config.frames, total) if config.timeless else config.frames
    return sampled(config.sampler, total, count), own


def claimed_frames(video: Opened) -> int:
    count = video.header_frames if video.header_frames else video.count()
    if count < 1:
        raise VideoError(video.path, "no frame can be decoded")
    return count


def summary(
    about: About,
    path: str | Path,
    rule: ExitRule,
    taken: list[Turn],
    indices: tuple[list[int], list[int]],
    chunk: int,
) -> Prediction:
    """What the steps of a clip say, without what they took."""
    config = replace(about.config, frames=len(indices[0]))  # a short clip of a timeless model has fewer
    last, steps = taken[-1].index, config.steps
    scores = probabilities(rule, taken[-1])[0]
    top = [(about.classes[i], float(scores[i])) for i in np.argsort(-scores, kind="stable")[:5]]
    seen = looked(config, last, chunk)
    seen_at = indices[0][: seen.glances] + indices[1][: seen.focuses]
    return Prediction(
        path=str(path),
        label=top[0][0],
        score=top[0][1],
        top5=tuple(top),
        exit_step=last + 1,
        steps=steps,
        exited=last + 1 < steps,
        frames_decoded=len(seen_at),
        frame_indices=tuple(seen_at),
        patches=tuple((float(t.centre[0, 0]), float(t.centre[0, 1])) for t in taken if t.centre is not None),
        gmacs=about.macs.of(seen),
        seconds={},
        step_scores=tuple(float(probabilities(rule, t)[0].max()) for t in taken),
    )
