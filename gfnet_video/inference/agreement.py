"""How often an engine of less precision answers as torch does in float32, and how often it is right.

Rounding to 8 bits moves logits, and so now and then a patch and an answer: what is asked is not that engines are equal
(parity.py) but how much is lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gfnet_video.engines.engine import Engine
from gfnet_video.errors import CheckpointError, DataError, VideoError
from gfnet_video.inference.steps import Clip, Material, turns_of


@dataclass(frozen=True)
class Agreement:
    """On `clips`, all looks taken: same: the part of them with torch's answer; logits: mean |difference|, scale: mean
    |logit| of torch's. labelled: how many have a known class, and of those the part that is right, by torch too."""

    clips: int
    failed: int
    same: float
    logits: float
    scale: float
    labelled: int
    top1: float | None
    torch_top1: float | None


def agree(torch: Engine, others: Mapping[str, Engine], material: Material, rows: Sequence[int]) -> dict[str, Agreement]:
    """Each engine beside torch on the clips `rows`; those that cannot be read are counted and left out.

    Raises DataError where none can be read.
    """
    engines, read = {"": torch, **others}, list[int]()
    said: dict[str, list[np.ndarray]] = {name: [] for name in engines}
    failed: dict[int, str] = {}
    for row in rows:
        try:
            clip = material.read(row)
        except VideoError as error:
            failed[row] = str(error)
            continue
        read.append(row)
        for name, engine in engines.items():
            said[name].append(_last(engine, clip))
    if not read:
        raise DataError(f"none of {len(rows)} clips can be read: {next(iter(failed.values()), 'there is none')}")
    labels = [material.labels[row] for row in read]
    logits = {name: np.stack(rows) for name, rows in said.items()}
    return {name: _agreement(logits[""], logits[name], labels, len(failed)) for name in others}


def _last(engine: Engine, clip: Clip) -> np.ndarray:
    """The logits (K,) after all looks."""
    last: np.ndarray = turns_of(engine, [clip], chunk=engine.about.config.frames)[-1].logits[0]
    return last


def _agreement(one: np.ndarray, other: np.ndarray, labels: Sequence[int | None], failed: int) -> Agreement:
    """Of logits (N,K): torch's, and the other's."""
    known = np.array([label is not None for label in labels])
    truth = np.array([-1 if label is None else label for label in labels])
    torch_said, said = one.argmax(-1), other.argmax(-1)
    top1, torch_top1 = (float((a == truth)[known].mean()) if known.any() else None for a in (said, torch_said))
    same, apart, scale = (torch_said == said).mean(), np.abs(one - other).mean(), np.abs(one).mean()
    return Agreement(len(one), failed, float(same), float(apart), float(scale), int(known.sum()), top1, torch_top1)


def check_agreement(found: Mapping[str, Agreement], least: float) -> None:
    """Raise CheckpointError where an engine answers as torch does on less than this part of the clips."""
    for engine, agreement in found.items():
        if not (agreement.same >= least and np.isfinite(agreement.logits)):
            raise CheckpointError(
                f"int8 on {engine} answers as float32 does on {100 * agreement.same:.1f} % of {agreement.clips} clips; "
                f"expected at least {100 * least:g} %; give more clips, like those it will see, keep float32, or allow "
                "it by --min-agreement"
            )
