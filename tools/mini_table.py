"""What the table of `mini` says, from what was measured: accuracies, costs, claims with their intervals, markdown."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import Any

import numpy as np

from gfnet_video.evaluation.bootstrap import closed_interval, paired_interval
from tools.mini_rows import Row, interval
from tools.mini_runs import TITLES

# (of, against): what the table claims, each in every family
CLAIMS = (
    ("gfnet+exits", "full"),
    ("gfnet+exits", "gfnet"),
    ("gfnet+exits", "small"),
    ("gfnet+as_small", "small"),
    ("gfnet+as_smaller", "smaller"),
    ("streaming+as_smaller", "smaller"),
    ("streaming+as_glance", "glance"),
    ("gfnet_long+exits", "full"),
    ("gfnet_long+exits", "gfnet_long"),
    ("gfnet_long", "gfnet"),
    ("gfnet_48+exits", "full"),
    ("gfnet_48+exits", "gfnet+exits"),
    ("gfnet_48+exits", "gfnet_48"),
    ("gfnet_48", "gfnet"),
    ("gfnet_48+as_small", "small"),
    ("gfnet_48+as_smaller", "smaller"),
    ("gfnet_tiny+as_smaller", "smaller"),
    ("gfnet_tiny+as_glance", "glance"),
    ("gfnet_tiny+exits", "full"),
    ("gfnet_tiny+exits", "gfnet_tiny"),
    ("gfnet_tiny", "gfnet"),
    ("gfnet", "oracle"),
    ("gfnet", "random"),
    ("gfnet", "centre"),
    ("gfnet", "reinforce"),
    ("gfnet", "ppo"),
    ("gfnet", "end_to_end"),
    *product(("reinforce", "ppo", "end_to_end"), ("random", "centre")),
    ("ppo+exits", "full"),
    ("streaming+exits", "full"),
    ("streaming+exits", "streaming"),
    ("bundled+exits", "full"),
    ("bundled+exits", "bundled"),
    ("bundled_first+exits", "full"),
)
# What the README shows of it: rows, claims, and whose times.
SHOWN = (
    *(
        "full",
        "glance",
        "smaller",
        "small",
        "gfnet",
        "gfnet+exits",
        "gfnet_48+exits",
        "gfnet_long+exits",
        "streaming+exits",
    ),
    *("random", "centre", "oracle", "bundled+exits", "bundled_first+exits"),
)
CLAIMED = (
    ("gfnet+exits", "full"),
    ("gfnet_48+exits", "full"),
    ("gfnet_long+exits", "full"),
    ("gfnet+exits", "gfnet"),
    ("gfnet_48+as_small", "small"),
    ("gfnet_48+as_smaller", "smaller"),
    ("gfnet_tiny+as_glance", "glance"),
    ("ppo", "centre"),
    ("end_to_end", "centre"),
)
SHOWN_TIMES = ("gfnet", "gfnet_48")


def claims(rows: list[Row], objects: np.ndarray) -> list[dict[str, Any]]:
    """Each claim of which both sides were measured: mean over the seeds that both have, objects (N,) drawn whole."""
    titles = {r.key: r.title for r in rows}
    found = []
    for family in dict.fromkeys(r.family for r in rows):
        for of, against in CLAIMS:
            seeds = _seeds(rows, family, of) & _seeds(rows, family, against)
            if not seeds:
                continue
            a, b = (_right(rows, family, key, seeds) for key in (of, against))
            mean, low, high = paired_interval(a, b, groups=objects)
            apart = {"points": mean, "low": low, "high": high, "seeds": sorted(seeds)}
            found.append({"family": family, "of": titles[of], "against": titles[against], **apart})
    return found


def closed(rows: list[Row], objects: np.ndarray) -> list[dict[str, Any]]:
    """How much of the gap from random to oracle patches GFNet closes, in each family that has all three."""
    found = []
    for family in dict.fromkeys(r.family for r in rows):
        keys = ("random", "gfnet", "oracle")
        seeds = set.intersection(*(_seeds(rows, family, key) for key in keys))
        if seeds:
            three = (_right(rows, family, key, seeds) for key in keys)
            share, low, high = closed_interval(*three, groups=objects)
            found.append({"family": family, "percent": share, "low": low, "high": high, "seeds": sorted(seeds)})
    return found


def _seeds(rows: Iterable[Row], family: str, key: str) -> set[int]:
    return {r.seed for r in rows if (r.family, r.key) == (family, key)}


def _right(rows: Iterable[Row], family: str, key: str, seeds: set[int]) -> np.ndarray:
    """(N,) the part of the seeds that are right about each clip."""
    mine = [r.right for r in rows if (r.family, r.key) == (family, key) and r.seed in seeds]
    right: np.ndarray = np.mean(mine, 0)
    return right


def markdown(result: dict[str, Any]) -> str:
    """The tables as the README shows them, from the figures that docs/mini.json holds."""
    lines = [
        "| | class, each seed | object | motion | GMACs a clip | of full frame |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        *(_line(words, [points], None) for words, points in result["without_networks"].items()),
    ]
    for family, mine in _by("family", result["rows"]).items():
        lines.append(f"| **{family}** | | | | | |")
        full = next((r["gmacs"] for r in mine if r["key"] == "full"), None)
        lines += [_line(seeds[0]["name"], seeds, full) for seeds in _by("key", mine).values()]
    return "\n".join([*lines, "", *_differences(result), *_times(result["times"])]) + "\n"


def summary(result: dict[str, Any]) -> str:
    """The same in short: the rows of SHOWN, families beside each other, the claims of CLAIMED, and times."""
    families, rows = list(_by("family", result["rows"])), result["rows"]
    lines = ["| | " + " | ".join(f"{f} | GMACs a clip" for f in families) + " |"]
    lines.append("| --- |" + " ---: |" * (2 * len(families)))
    for key in SHOWN:
        mine = {f: [r for r in rows if (r["family"], r["key"]) == (f, key)] for f in families}
        if some := [r["name"] for seeds in mine.values() for r in seeds]:
            cells = [c for seeds in mine.values() for c in (_joint(seeds), _mean(seeds, "gmacs", "{:.3f}"))]
            lines.append("| " + " | ".join([some[0], *cells]) + " |")
    titles = {r["key"]: r["name"] for r in rows}
    told = {(titles.get(of), titles.get(against)) for of, against in CLAIMED}
    kept = [d for d in result["differences"] if (d["of"], d["against"]) in told]
    lines += ["", *_differences(result | {"differences": kept})]
    for key, (engine, timed) in product(SHOWN_TIMES, _by("engine", result["times"]).items()):
        if ratio := {t["family"]: f"{t['ratio']:.2f}" for t in timed if t["key"] == key}:
            words = f"time of {TITLES[key]}, with exits, beside the full frame's, {engine}"
            lines.append("| " + " | ".join([words, *(ratio.get(f, "") for f in families)]) + " |")
    return "\n".join(lines) + "\n"


def _times(times: list[dict[str, Any]]) -> list[str]:
    """Lines of what was timed: a row for each network on each engine."""
    if not times:
        return []
    lines = ["", "| exits executed | engine | ms a clip | full frame | of it |", "| --- | --- | ---: | ---: | ---: |"]
    return lines + [
        f"| {t['family']}: {TITLES[t['key']]} | {t['engine']} | {t['gfnet_ms']:.1f} | {t['full_ms']:.1f} "
        f"| {t['ratio']:.2f} |"
        for t in times
    ]


def _differences(result: dict[str, Any]) -> list[str]:
    """Lines of the claims: a row for each, a column for each family that has some."""
    families = [f for f in _by("family", result["rows"]) if any(d["family"] == f for d in result["differences"])]
    lines = ["| difference in class accuracy, points (95 % interval) | " + " | ".join(families) + " |"]
    lines.append("| --- |" + " ---: |" * len(families))
    cells: dict[str, dict[str, str]] = {}
    for d in result["differences"]:
        said = interval(d["points"], d["low"], d["high"])
        cells.setdefault(f"{d['of']} - {d['against']}", {})[d["family"]] = said
    for s in result["gap_closed"]:
        said = f"{s['percent']:.0f} % ({s['low']:.0f} to {s['high']:.0f} %)"
        cells.setdefault("of the gap from random to oracle patches, GFNet's close", {})[s["family"]] = said
    return lines + [f"| {words} | " + " | ".join(c.get(f, "") for f in families) + " |" for words, c in cells.items()]


def _by(field: str, rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The rows under each value of a field, in the order in which it first comes."""
    return {value: [r for r in rows if r[field] == value] for value in dict.fromkeys(r[field] for r in rows)}


def _line(words: str, seeds: list[dict[str, Any]], full: float | None) -> str:
    """A line of the table; what a row does not have stays empty."""
    cells = [words, _joint(seeds), *(_mean(seeds, name, "{:.1f}") for name in ("object", "motion"))]
    cells += [_mean(seeds, "gmacs", "{:.3f}"), _mean(seeds, "gmacs", "{:.0%}", unit=full) if full else ""]
    return "| " + " | ".join(cells) + " |"


def _joint(seeds: list[dict[str, Any]]) -> str:
    return ", ".join(f"{s['class']:.1f}" for s in seeds if "class" in s)


def _mean(seeds: list[dict[str, Any]], name: str, form: str, unit: float = 1.0) -> str:
    known = [s[name] for s in seeds if s.get(name) is not None]
    return form.format(float(np.mean(known)) / unit).replace("%", " %") if known else ""
