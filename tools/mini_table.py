"""What the table of `mini` says, from what was measured: accuracies, costs, claims with their intervals, markdown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gfnet_video.evaluation.bootstrap import closed_interval, paired_interval

MOTIONS = 4


@dataclass(frozen=True)
class Row:
    """A model on the test split: its answers (N,), -1 where a clip failed, and GMACs a clip; None of a guess."""

    key: str
    title: str
    family: str
    seed: int
    guesses: np.ndarray
    gmacs: float | None = None
    facts: dict[str, Any] = field(default_factory=dict)


def parts(guesses: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Accuracy of the class, of its object and of its motion, in points."""
    right = {
        "class": guesses == labels,
        "object": guesses // MOTIONS == labels // MOTIONS,
        "motion": (guesses % MOTIONS == labels % MOTIONS) & (guesses >= 0),  # -1 is a failed clip
    }
    return {name: 100 * float(r.mean()) for name, r in right.items()}


# (of, against): what the table claims, each in every family
CLAIMS = (
    ("gfnet+exits", "full"),
    ("gfnet+exits", "gfnet"),
    ("gfnet+exits", "small"),
    ("gfnet", "oracle"),
    ("gfnet", "random"),
    ("gfnet", "centre"),
    ("gfnet", "reinforce"),
    ("gfnet", "ppo"),
    ("gfnet", "end_to_end"),
    ("streaming+exits", "full"),
    ("streaming+exits", "streaming"),
)


def claims(rows: list[Row], labels: np.ndarray, objects: np.ndarray) -> list[dict[str, Any]]:
    """Each claim of which both sides were measured: mean over the seeds that both have, objects (N,) drawn whole."""
    titles = {r.key: r.title for r in rows}
    found = []
    for family in dict.fromkeys(r.family for r in rows):
        for of, against in CLAIMS:
            seeds = _seeds(rows, family, of) & _seeds(rows, family, against)
            if not seeds:
                continue
            a, b = (_right(rows, labels, family, key, seeds) for key in (of, against))
            mean, low, high = paired_interval(a, b, groups=objects)
            apart = {"points": mean, "low": low, "high": high, "seeds": sorted(seeds)}
            found.append({"family": family, "of": titles[of], "against": titles[against], **apart})
    return found


def closed(rows: list[Row], labels: np.ndarray, objects: np.ndarray) -> list[dict[str, Any]]:
    """How much of the gap from random to oracle patches GFNet closes, in each family that has all three."""
    found = []
    for family in dict.fromkeys(r.family for r in rows):
        keys = ("random", "gfnet", "oracle")
        seeds = set.intersection(*(_seeds(rows, family, key) for key in keys))
        if seeds:
            three = (_right(rows, labels, family, key, seeds) for key in keys)
            share, low, high = closed_interval(*three, groups=objects)
            found.append({"family": family, "percent": share, "low": low, "high": high, "seeds": sorted(seeds)})
    return found


def _seeds(rows: Iterable[Row], family: str, key: str) -> set[int]:
    return {r.seed for r in rows if (r.family, r.key) == (family, key)}


def _right(rows: Iterable[Row], labels: np.ndarray, family: str, key: str, seeds: set[int]) -> np.ndarray:
    """(N,) the part of the seeds that are right about each clip."""
    mine = [r.guesses == labels for r in rows if (r.family, r.key) == (family, key) and r.seed in seeds]
    right: np.ndarray = np.mean(mine, 0)
    return right


def markdown(
    rows: list[Row],
    labels: np.ndarray,
    apart: list[dict[str, Any]],
    shares: list[dict[str, Any]],
    guesses: dict[str, float],
) -> str:
    """The tables as the README shows them; guesses: accuracy without any model, in points, by their words."""
    lines = [
        "| | class, each seed | object | motion | GMACs a clip | of full frame |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        *(f"| {words} | {points:.1f} | | | | |" for words, points in guesses.items()),
    ]
    for family in dict.fromkeys(r.family for r in rows):
        lines.append(f"| **{family}** | | | | | |")
        mine = [r for r in rows if r.family == family]
        full = [r.gmacs for r in mine if r.key == "full" and r.gmacs]
        lines += [_line([r for r in mine if r.key == key], labels, full) for key in dict.fromkeys(r.key for r in mine)]
    lines += ["", "| difference in class accuracy, points | mean | 95 % interval |", "| --- | ---: | ---: |"]
    for d in apart:
        words = f"{d['family']}: {d['of']} - {d['against']}"
        lines.append(f"| {words} | {d['points']:+.1f} | {d['low']:+.1f} to {d['high']:+.1f} |")
    for s in shares:
        words = f"{s['family']}: of the gap from random to oracle patches, GFNet's close"
        lines.append(f"| {words} | {s['percent']:.0f} % | {s['low']:.0f} to {s['high']:.0f} % |")
    return "\n".join(lines) + "\n"


def _line(seeds: list[Row], labels: np.ndarray, full: list[float]) -> str:
    each = [parts(r.guesses, labels) for r in seeds]
    joint = ", ".join(f"{p['class']:.1f}" for p in each)
    mean = {name: float(np.mean([p[name] for p in each])) for name in ("object", "motion")}
    known = [r.gmacs for r in seeds if r.gmacs is not None]
    cost, share = (
        (f"{np.mean(known):.3f}", f"{100 * np.mean(known) / full[0]:.0f} %" if full else "") if known else ("", "")
    )
    return f"| {seeds[0].title} | {joint} | {mean['object']:.1f} | {mean['motion']:.1f} | {cost} | {share} |"
