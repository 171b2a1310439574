"""Rows of the table of `mini`: what was measured of a network, written into docs/mini.json and read again.

The networks of the table take many hours to train. So a row stays in docs/mini.json, with its day of measurement, until
its network is measured anew or its recipe or the test split is no longer the same; which clips it was right about is
kept as well, so that later rows can be compared with it clip by clip.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

MOTIONS = 4


@dataclass(frozen=True)
class Row:
    """A network on the test split: which clips it was right about (N,), accuracies in points, and GMACs a clip.

    recipe: what it was trained by (mini_runs.recipe_of). date: when it was measured.
    """

    key: str
    title: str
    family: str
    seed: int
    right: np.ndarray
    points: dict[str, float]
    gmacs: float | None = None
    recipe: str = ""
    date: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


def parts(guesses: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Accuracy of the class, of its object and of its motion, in points; a guess of -1 is a clip that failed."""
    right = {
        "class": guesses == labels,
        "object": guesses // MOTIONS == labels // MOTIONS,
        "motion": (guesses % MOTIONS == labels % MOTIONS) & (guesses >= 0),
    }
    return {name: 100 * float(r.mean()) for name, r in right.items()}


def spanned(days: Iterable[str]) -> str:
    """The first of some days and the last.

    >>> spanned(["2026-11-29", "2026-11-27", "2026-11-28"]), spanned(["2026-11-29"])
    ('2026-11-27 to 2026-11-29', '2026-11-29')
    """
    found = sorted(days)
    return " to ".join(dict.fromkeys((found[0], found[-1])))


def interval(points: float, low: float, high: float) -> str:
    """A difference with its interval, as the tables have it."""
    return f"{points:+.1f} ({low:+.1f} to {high:+.1f})"


def plain(row: Row) -> dict[str, Any]:
    """A row as docs/mini.json holds it; `right` is a bit for each clip, in base 64."""
    bits = b64encode(np.packbits(row.right).tobytes()).decode()
    named = {"key": row.key, "name": row.title, "family": row.family, "seed": row.seed, "gmacs": row.gmacs}
    return named | row.points | row.facts | {"recipe": row.recipe, "date": row.date, "right": bits}


def unplain(found: dict[str, Any], clips: int) -> Row:
    """The row that `plain` wrote, of so many clips."""
    right = np.unpackbits(np.frombuffer(b64decode(found["right"]), np.uint8), count=clips).astype(bool)
    names = ("key", "name", "family", "seed", "gmacs", "recipe", "date", "right", "class", "object", "motion")
    return Row(
        found["key"],
        found["name"],
        found["family"],
        found["seed"],
        right,
        {name: found[name] for name in ("class", "object", "motion")},
        found["gmacs"],
        found["recipe"],
        found["date"],
        {name: value for name, value in found.items() if name not in names},
    )


def with_earlier(
    rows: list[Row], earlier: dict[str, Any], split: str, recipes: dict[tuple[str, str, int], str]
) -> list[Row]:
    """Rows, and those of an earlier docs/mini.json that were not measured anew: of this test split, by its hash, and
    trained by what is still the recipe of their key, family and seed."""
    if earlier.get("split") != split:
        return rows
    known = {_network(r) for r in rows}
    old = (unplain(r, earlier["clips"]) for r in earlier["rows"])
    return rows + [r for r in old if _network(r) not in known and r.recipe == recipes.get(_network(r))]


def in_order(rows: Iterable[Row], keys: Iterable[str], families: Iterable[str]) -> list[Row]:
    """Rows as the table has them: by family, recipe and seed, all looks before exits."""
    key_order, family_order = list(keys), list(families)
    return sorted(rows, key=lambda r: (family_order.index(r.family), key_order.index(_network(r)[0]), r.key, r.seed))


def _network(row: Row) -> tuple[str, str, int]:
    """Recipe, family and seed of the network that a row is about."""
    return row.key.split("+")[0], row.family, row.seed
