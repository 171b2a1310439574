"""What a bench found, as plain data and as one table."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gfnet_video.evaluation.bench import Scores
from gfnet_video.evaluation.bench_runs import PARTS
from gfnet_video.nn.clip_backbone import PUBLISHED

NOTES = (
    "From file to answer, in milliseconds a clip; parts are means, and what is no part of them is in the total alone.",
    "Ratio: total beside the named static network's at the same batch in the same round; median, least and most of the "
    "rounds. Below 1 is faster. Measured, never worked out from GMACs.",
    "Decoded: the same ratio of what is left of both totals without decoding.",
    "Static networks have the model's own backbones on whole frames; they, those of pytorchvideo and those of a config "
    "have random weights, on which time does not depend: their answers mean nothing, and no accuracy is compared.",
    "Networks of pytorchvideo see what they are published on: "
    + ", ".join(f"{s.title} {s.frames} frames of {s.side} pixels" for s in PUBLISHED.values())
    + ".",
    "In a batch with exits, a clip that is sure makes room for the next one, frame by frame whatever the chunk; where "
    "the model's clips cannot share looks, all stop when the last of them is sure.",
    "MB: the highest resident memory of the whole process, with all models loaded, in the contender's turns.",
)


def report_of(scores: Sequence[Scores]) -> list[dict[str, Any]]:
    """A row for each contender."""
    return [_row(score, _baseline(score, scores)) for score in scores]


def _baseline(score: Scores, scores: Sequence[Scores]) -> Scores | None:
    """The first static network, that of the focus' backbone, at the same batch: on the same engine, else on torch's."""
    mine = score.contender
    statics = [s for s in scores if s.contender.kind == "static" and s.contender.batch == mine.batch]
    same = [s for s in statics if s.contender.engine == mine.engine]
    return next(iter(same or statics), None)


def _row(score: Scores, baseline: Scores | None) -> dict[str, Any]:
    c, runs = score.contender, [run for some in score.rounds for run in some]
    parts = {p: [1000 * r.seconds.get(p, 0.0) / r.clips for r in runs] for p in (*PARTS, "total")}
    clips = sum(r.clips for r in runs)
    return {
        "name": c.name,
        "kind": c.kind,
        "note": c.note,
        "engine": c.engine,
        "batch": c.batch,
        "chunk": c.chunk,
        "ms": {p: _spread(values) for p, values in parts.items()},
        "ms_rounds": [score.ms(i) for i in range(len(score.rounds))],
        "gmacs": sum(r.gmacs * r.clips for r in runs) / clips,
        "frames": sum(r.frames * r.clips for r in runs) / clips,
        "peak_mb": score.peak_mb,
        "ratio": None if baseline is None else _ratio(score, baseline),
    }


def _spread(values: list[float]) -> dict[str, float]:
    """Mean, and percentiles over all runs."""
    p50, p95 = np.percentile(values, [50, 95])
    return {"mean": statistics.fmean(values), "p50": float(p50), "p95": float(p95)}


def _ratio(score: Scores, baseline: Scores) -> dict[str, Any]:
    """Milliseconds beside the baseline's, round by round: in all, and with the frames already decoded."""
    named = f"{baseline.contender.name} on {baseline.contender.engine}"
    total, decoded = (
        [score.ms(i, decoding=d) / baseline.ms(i, decoding=d) for i in range(len(score.rounds))] for d in (True, False)
    )
    return {"to": named, **_round_by_round(total), "decoded": _round_by_round(decoded)}


def _round_by_round(ratios: list[float]) -> dict[str, float]:
    return {"median": statistics.median(ratios), "least": min(ratios), "most": max(ratios)}


def print_bench(rows: Sequence[dict[str, Any]], console: Console) -> None:
    """One table, and beneath it what it means."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("contender", "engine", "batch", "chunk", *PARTS, "p50", "p95", "ratio", "decoded", "GMACs", "MB"):
        table.add_column(name, justify="left" if name in ("contender", "engine") else "right", overflow="fold")
    for row in rows:
        table.add_row(*(escape(cell) for cell in _cells(row)))
    console.print(table)
    for note in NOTES:
        console.print(note, markup=False, highlight=False)
    for to in dict.fromkeys(row["ratio"]["to"] for row in rows if row["ratio"]):
        console.print(f"Ratios are to: {to}.", markup=False, highlight=False)


def fastest(rows: Sequence[dict[str, Any]]) -> str:
    """The chunk and engine that take exits soonest, one clip at a time, and of several models which; all looks where
    none has exits."""
    ours = [r for r in rows if r["kind"] == "gfnet" and r["batch"] == 1 and r["name"].endswith(", exits")]
    ours = ours or [r for r in rows if r["kind"] == "untrained" and r["batch"] == 1]
    best = min(ours, key=lambda r: r["ms"]["total"]["p50"])
    of = f"{best['name']} on " if len({r["name"] for r in ours}) > 1 else ""
    found = f"Fastest, one clip at a time: {of}{best['engine']} with chunk {best['chunk']}"
    if best["kind"] == "untrained":
        return f"{found}."
    return (
        f"{found}; `gfnet-video calibrate --chunk {best['chunk']}` stores that with the thresholds, and infer takes it."
    )


def _cells(row: dict[str, Any]) -> list[str]:
    ms, ratio, peak = row["ms"], row["ratio"], row["peak_mb"]
    parts = [f"{ms[p]['mean']:.1f}" if ms[p]["mean"] else "" for p in PARTS]
    ratios = [""] * 2 if ratio is None else [_worded(ratio), _worded(ratio["decoded"])]
    name = f"{row['name']} ({row['note']})" if row["note"] else row["name"]
    totals = [f"{ms['total']['p50']:.1f}", f"{ms['total']['p95']:.1f}"]
    cost = [f"{row['gmacs']:.3f}", "" if peak is None else f"{peak:.0f}"]
    return [name, row["engine"], str(row["batch"]), str(row["chunk"]), *parts, *totals, *ratios, *cost]


def _worded(ratio: dict[str, float]) -> str:
    return f"{ratio['median']:.2f} ({ratio['least']:.2f}-{ratio['most']:.2f})"
