"""Where a model is wrong and when it stops: by class, by difficulty, clip by clip.

Letters: N clips, S steps, K classes.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gfnet_video.datasets.manifest import Manifest
from gfnet_video.evaluation.metrics import truth_of
from gfnet_video.inference.report import encodable

FIFTHS = 5
UNREADABLE = "(could not be read)"


def confusion(guesses: Tensor, labels: Tensor, classes: int) -> Tensor:
    """(K,K+1) counts: row the right class, column the class said (N,); the last column is that of failed clips, -1."""
    said = guesses.where(guesses >= 0, classes)
    cells = torch.bincount(labels * (classes + 1) + said, minlength=classes * (classes + 1))
    return cells.view(classes, classes + 1)


def confusion_csv(counts: Tensor, classes: Sequence[str]) -> str:
    """The counts of `confusion` as a table with a head of classes said and a first column of right classes."""
    names = [encodable(name) for name in classes]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["right \\ said", *names, UNREADABLE])
    writer.writerows([name, *row] for name, row in zip(names, counts.tolist(), strict=True))
    return out.getvalue()


def exit_counts(exits: Tensor, steps: int) -> list[int]:
    """How many clips stopped after each step; exits (N,), 0-based."""
    counts: list[int] = torch.bincount(exits, minlength=steps).tolist()
    return counts


def by_difficulty(
    difficulty: Tensor, right: Tensor, right_all: Tensor, exits: Tensor, steps: int
) -> list[dict[str, Any]]:
    """Fifths of the clips in order of difficulty (N,), easiest first; fewer groups where there are fewer clips.

    right, right_all (N,) bool: with exits and with all looks; exits (N,), 0-based.
    """
    order = difficulty.argsort(stable=True)
    return [
        {
            "from": float(difficulty[rows[0]]),
            "to": float(difficulty[rows[-1]]),
            "clips": len(rows),
            "top1": float(right[rows].double().mean()),
            "top1_no_exit": float(right_all[rows].double().mean()),
            "mean_exit_step": float(exits[rows].double().mean()) + 1,
            "exit_steps": exit_counts(exits[rows], steps),
        }
        for rows in order.tensor_split(min(FIFTHS, len(order)))
    ]


def first_step_rank(confidence: Tensor) -> Tensor:
    """(N,) a difficulty in [0, 1] where nobody knows one: the rank of a confidence (N,), the surest clip first."""
    rank = confidence.argsort(descending=True, stable=True).argsort()
    return rank / max(1, len(rank) - 1)


def worst_clips(rows: Sequence[dict[str, Any]], manifest: Manifest, *, count: int = 20) -> list[dict[str, Any]]:
    """The clips with the highest score of a wrong answer, surest first, from the rows of an evaluation.

    A class that is right for the clip too is no wrong answer.
    """
    truth, place = truth_of(manifest), {name: k for k, name in enumerate(manifest.classes)}
    wrong = [(i, r) for i, r in enumerate(rows) if "error" not in r and not truth[i, place[r["prediction"]]]]
    wrong.sort(key=lambda item: -item[1]["score"])
    kept = ("label", "prediction", "score", "exit_step")
    return [
        {"id": encodable(r["id"]), "path": encodable(str(manifest.path(i)))} | {k: r[k] for k in kept}
        for i, r in wrong[:count]
    ]
