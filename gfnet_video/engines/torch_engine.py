"""The eager engine: a model as it is given, on its own device; `open_engine` gives it folded."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from functools import partial
from time import perf_counter

import numpy as np
import torch
from torch import Tensor

from gfnet_video.checkpoint import Recogniser
from gfnet_video.engines.engine import About, Turn
from gfnet_video.engines.macs import LookMacs, count_macs
from gfnet_video.engines.timing import Seconds, counted, timed_looks
from gfnet_video.engines.window import Window, slide
from gfnet_video.nn.device import device_of
from gfnet_video.nn.state import State, together
from gfnet_video.video.transforms import normalise, resize_crop


class TorchEngine:
    """A Recogniser behind the protocol. macs: pass `count_macs(model)` where it is known."""

    name = "torch"

    def __init__(self, model: Recogniser, macs: LookMacs | None = None) -> None:
        self.model = model
        self._macs = macs or count_macs(model)

    @property
    def about(self) -> About:
        """Read anew each time: a card may be replaced, and autocast turned on, while the model stays."""
        card = self.model.card
        dataset = str(card.provenance.get("dataset", "unknown data"))
        return About(
            card.config.name,
            dataset,
            self.model.config,
            card.classes,
            card.rule,
            self._macs,
            precision_of(self.model),
            card.valid_for,
            card.interval,
            card.parting,
        )

    def cut(self, pixels: np.ndarray) -> np.ndarray:
        """As Engine says."""
        config = self.model.config
        cut = resize_crop(pixels[None], frame_side=config.frame_side, short_side=config.short_side)
        whole: np.ndarray = cut[0].numpy()
        return whole

    @torch.inference_mode()
    def walk(
        self,
        frames: Iterable[np.ndarray],
        *,
        glance_frames: Iterable[np.ndarray] | None = None,
        chunk: int = 1,
        centres: np.ndarray | None = None,
        seconds: Seconds | None = None,
    ) -> Generator[Turn, None, None]:
        """As Engine says."""
        seconds = counted(seconds)
        ready = partial(self._normalised, seconds=seconds)
        glance = None if glance_frames is None else ready(glance_frames)
        forced = None if centres is None else torch.from_numpy(centres).to(device_of(self.model))
        with timed_looks(self.model, seconds):
            for step in self.model.walk(ready(frames), glance_frames=glance, chunk=chunk, centres=forced):
                yield Turn(step.index, _numpy(step.logits), None if step.centre is None else _numpy(step.centre))

    def slide(
        self, frame: np.ndarray, memory: Window | None = None, *, seconds: Seconds | None = None
    ) -> tuple[Window, Turn]:
        """As Engine says."""
        seconds = counted(seconds)
        (ready,) = self._normalised([frame], seconds=seconds)
        with timed_looks(self.model, seconds):
            memory, logits = slide(self.model, ready, memory)
        looks, last = self.model.config.looks_per_frame, memory.kept[-1].centres
        return memory, Turn(len(memory.kept) * looks - 1, _numpy(logits), None if last is None else _numpy(last[:, -1]))

    @torch.inference_mode()
    def look(
        self,
        frames: np.ndarray,
        memories: Sequence[State | None],
        *,
        centres: np.ndarray | None = None,
        seconds: Seconds | None = None,
    ) -> tuple[list[State], np.ndarray, np.ndarray | None]:
        """As Engine says."""
        seconds = counted(seconds)
        (ready,) = self._normalised([frames], seconds=seconds)
        forced = None if centres is None else torch.from_numpy(centres[:, None]).to(ready.device)
        held = together(memories)
        with timed_looks(self.model, seconds):
            if self.model.glances_first:
                assert forced is not None
                patch, focus = self.model.focus(ready[:, None], forced, held.focus)
                evidence, logits = self.model.aggregate(held.evidence, focus=patch, centres=forced)
                return State(focus=focus, evidence=evidence).apart(), _numpy(logits[:, -1]), centres
            state, logits, where = self.model.step(ready[:, None], held, forced)
        return state.apart(), _numpy(logits[:, -1]), None if where is None else _numpy(where[:, -1])

    @torch.inference_mode()
    def glances(self, clips: np.ndarray, *, seconds: Seconds | None = None) -> tuple[list[State], np.ndarray, Tensor]:
        """As Engine says."""
        seconds = counted(seconds)
        (ready,) = self._normalised([clips], seconds=seconds)
        with timed_looks(self.model, seconds):
            seen, _ = self.model.glance(ready)
            evidence, logits = self.model.aggregate(None, glance=seen)
        return State(evidence=evidence).apart(), _numpy(logits[:, -1]), seen.map

    @torch.inference_mode()
    def plan(self, maps: Tensor, clips: int, *, seconds: Seconds | None = None) -> np.ndarray:
        """As Engine says."""
        with timed_looks(self.model, counted(seconds)):
            return _numpy(self.model.locate(maps)[0])

    def _normalised(self, frames: Iterable[np.ndarray], *, seconds: Seconds) -> Iterator[Tensor]:
        config, device = self.model.config, device_of(self.model)
        for frame in frames:
            began = perf_counter()
            ready = normalise(torch.from_numpy(frame).to(device), config.mean, config.std)
            seconds["preprocess"] += perf_counter() - began
            yield ready


def _numpy(values: Tensor) -> np.ndarray:
    array: np.ndarray = values.float().cpu().numpy()
    return array


def precision_of(model: torch.nn.Module) -> str:
    """What the networks compute in: autocast's type where it is on, else the weights'."""
    kind = device_of(model).type
    if torch.is_autocast_enabled(kind):
        return str(torch.get_autocast_dtype(kind)).removeprefix("torch.")
    return str(next(model.parameters()).dtype).removeprefix("torch.")
