"""The panels of a curve report's pictures: drawing only, every figure in them stands in the JSON or the csv.

Colours are those of Okabe and Ito, which the colour-blind tell apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor

from gfnet_video.errors import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#777777"
NEAR = 10  # points below the best accuracy
NAMED = 60  # classes; more names than that cannot be read beside a picture
Report = dict[str, Any]


def standard_error(accuracy: float, clips: int) -> float:
    """Of an accuracy on so many clips, in points (binomial)."""
    return 100 * math.sqrt(accuracy * (1 - accuracy) / clips)


def _percent(rows: Sequence[Report], name: str = "top1") -> list[float]:
    return [100 * row[name] for row in rows]


def _costs(ax: Axes, title: str) -> None:
    ax.set(title=title, xlabel="GMACs a clip (mean)", ylabel="top-1 accuracy (%)")
    ax.set_xlim(left=0)


def anytime(report: Report, ax: Axes) -> None:
    rows = report["anytime"]
    ax.plot([r["gmacs"] for r in rows], _percent(rows), "-o", color=BLUE)
    for row in rows:
        ax.annotate(f"{row['step']}", (row["gmacs"], 100 * row["top1"]), (0, 5), textcoords="offset points", ha="right")
    _costs(ax, "Anytime accuracy: all clips stopped after the same step (numbered)")


def thresholds(report: Report, ax: Axes) -> None:
    rows, steps, run = report["thresholds"], report["anytime"], report["this_run"]
    ax.plot(
        [r["gmacs"] for r in steps], _percent(steps), "--s", color=GREY, label="all clips stopped after the same step"
    )
    ax.plot([r["gmacs"] for r in rows], _percent(rows), "-", color=BLUE, label="one confidence for all steps")
    marked = [r for r in rows if r["confidence"] in (0.5, 0.7, 0.9, 0.99)]
    ax.plot([r["gmacs"] for r in marked], _percent(marked), "o", color=BLUE)
    for row in marked:
        at = (row["gmacs"], 100 * row["top1"])
        ax.annotate(f"{row['confidence']:g}", at, (-3, 4), textcoords="offset points", ha="right", color=BLUE)
    ax.plot([run["gmacs"]], [100 * run["top1"]], "*", color=ORANGE, markersize=12, label=f"this run: {report['exits']}")
    ax.legend(loc="lower right")
    _costs(ax, "Accuracy against computation over exit thresholds")


def thresholds_near(report: Report, ax: Axes) -> None:
    """The same, where accuracy is near its best."""
    thresholds(report, ax)
    rows = report["thresholds"]
    best = max(_percent(rows))
    near = [r["gmacs"] for r in rows if 100 * r["top1"] >= best - NEAR]
    ax.get_legend().remove()  # type: ignore[union-attr]
    ax.set_title(f"The same, its upper {NEAR} points")
    ax.set_ylim(best - NEAR, best + NEAR / 10)
    ax.set_xlim(0.9 * min(near), 1.05 * max(near))


def time(report: Report, ax: Axes) -> None:
    rows = report["time"]["network"]
    batches = sorted({r["batch"] for r in rows})
    for batch, colour, mark in zip(batches, (BLUE, ORANGE), "os", strict=False):
        mine = [r for r in rows if r["batch"] == batch]
        line = [r for r in mine if r["confidence"] is not None or r["setting"] == "no exit"]
        _with_rounds(line, ax, fmt=f"-{mark}", color=colour, linewidth=1, label=f"batch {batch}")
        for row in (line[0], line[-1]):
            at, text = (row["ms"], 100 * row["top1"]), row["setting"].removeprefix("confidence ")
            ax.annotate(text, at, (0, -11), textcoords="offset points", ha="center", color=colour)
        _with_rounds([r for r in mine if r["this_run"]], ax, fmt="*", color=colour, markersize=12)
    ax.plot([], [], "*", color=GREY, markersize=12, label=f"this run: {report['exits']}")
    ax.plot([], [], "none", label=f"decoding, apart: {report['time']['decode_ms']:.1f} ms a clip")
    _legend_below(ax, 2)
    ax.margins(0.1)
    _logarithmic(ax)
    ax.set(xlabel="ms a clip (median), networks only, exits executed", ylabel="top-1 accuracy (%)")
    ax.set_title(_timed_how(report))


def _timed_how(report: Report) -> str:
    time, machine = report["time"], report["machine"]
    where = machine["processor"] if machine["device"] == "cpu" else machine["device"]
    threads = f"{machine['threads']} thread{'s' * (machine['threads'] > 1)}"
    first = (
        f"Accuracy against measured time ({time['clips']} clips timed, bars: least to most of {time['rounds']} rounds)"
    )
    return f"{first}\n{printable(where)}, {threads}, torch {machine['torch']}"


def _with_rounds(rows: Sequence[Report], ax: Axes, **how: Any) -> None:
    reach = [[r["ms"] - min(r["ms_rounds"]) for r in rows], [max(r["ms_rounds"]) - r["ms"] for r in rows]]
    ax.errorbar([r["ms"] for r in rows], _percent(rows), xerr=reach, capsize=2, elinewidth=0.8, **how)


def _logarithmic(ax: Axes) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())


def _reliability(found: Report, title: str, ax: Axes) -> None:
    """Each bin a marker whose area is its clips, and how far it is from the diagonal."""
    ax.plot([0, 100], [0, 100], ":", color=GREY)
    for when, colour, mark in (("before", ORANGE, "s"), ("after", BLUE, "o")):
        bins = [b for b in found[f"bins_{when}"] if b["clips"]]
        x, y = [100 * b["confidence"] for b in bins], [100 * b["accuracy"] for b in bins]
        most = max(b["clips"] for b in bins)
        ax.vlines(x, x, y, color=colour, linewidth=0.8)
        ax.scatter(x, y, [8 + 90 * b["clips"] / most for b in bins], c=colour, marker=mark, alpha=0.7)
        ax.plot([], [], mark, color=colour, label=f"{when} temperatures: ECE {100 * found[f'ece_{when}']:.1f} %")
    ax.set(xlim=(-3, 105), ylim=(-3, 105), xlabel="confidence (%)", ylabel="accuracy (%)", title=title)
    _legend_below(ax)


def _legend_below(ax: Axes, columns: int = 1) -> None:
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=columns)


def reliability_last(report: Report, ax: Axes) -> None:
    _reliability(report["calibration"]["last_step"], "Reliability, all looks (area: clips)", ax)


def reliability_exits(report: Report, ax: Axes) -> None:
    _reliability(report["calibration"]["exits"], "Reliability at the exits (area: clips)", ax)


def ece_by_step(report: Report, ax: Axes) -> None:
    rows = report["calibration"]["steps"]
    for when, colour, mark in (("before", ORANGE, "s"), ("after", BLUE, "o")):
        y = [100 * r[f"ece_{when}"] for r in rows]
        ax.plot([r["step"] for r in rows], y, f"-{mark}", color=colour, label=f"{when} temperatures")
    ax.set(xlabel="step", ylabel=f"ECE (%), {report['calibration']['bins']} bins", title="Calibration error by step")
    ax.set_xticks([r["step"] for r in rows])
    ax.set_ylim(bottom=0)
    _legend_below(ax)


def exit_steps(report: Report, ax: Axes) -> None:
    counts = report["this_run"]["exit_steps"]
    shares = [100 * n / sum(counts) for n in counts]
    ax.bar(range(1, len(counts) + 1), shares, color=BLUE)
    ax.set_xticks(range(1, len(counts) + 1))
    ax.set(xlabel="step after which a clip exits", ylabel="clips (%)")
    ax.set_title(f"Exits of this run: {report['exits']}")


def _fifths(report: Report, ax: Axes) -> list[int]:
    found = report["difficulty"]
    places = list(range(1, len(found["groups"]) + 1))
    ax.set_xticks(places)
    ax.set_xlabel("fifth by difficulty, hardest last" if found["known"] else "fifth by first confidence, surest first")
    return places


def accuracy_by_difficulty(report: Report, ax: Axes) -> None:
    groups, places = report["difficulty"]["groups"], _fifths(report, ax)
    ax.plot(places, _percent(groups, "top1_no_exit"), "--s", color=GREY, label="all looks")
    errors = [standard_error(g["top1"], g["clips"]) for g in groups]
    ax.errorbar(
        places, _percent(groups), errors, fmt="-o", color=BLUE, capsize=2, label="with exits, one standard error"
    )
    ax.set(ylabel="top-1 accuracy (%)", title="Accuracy by difficulty")
    _legend_below(ax)


def exit_by_difficulty(report: Report, ax: Axes) -> None:
    groups, places = report["difficulty"]["groups"], _fifths(report, ax)
    ax.plot(places, [g["mean_exit_step"] for g in groups], "-o", color=BLUE)
    ax.set(ylabel="mean exit step", title="Exit step by difficulty")
    ax.set_ylim(0, 1.05 * len(groups[0]["exit_steps"]))


def confusion(counts: Tensor, names: Sequence[str], ax: Axes) -> None:
    from matplotlib import colormaps
    from matplotlib.colors import PowerNorm

    known = counts[:, : len(names)].double()
    shares = 100 * known / counts.sum(1, keepdim=True)  # NaN, drawn grey, for a class without clips
    colours = colormaps["Blues"].with_extremes(bad="#bbbbbb")
    image = ax.imshow(shares.numpy(), cmap=colours, norm=PowerNorm(0.5, 0, 100), interpolation="nearest")
    ax.grid(False)
    ax.set(title="Confusion: what each class is taken for", xlabel="class said", ylabel="right class")
    if len(names) <= NAMED:
        shown = [printable(name)[:40] for name in names]
        size = max(4.0, min(8.0, 300 / len(names)))
        ax.set_xticks(range(len(names)), shown, rotation=90, fontsize=size)
        ax.set_yticks(range(len(names)), shown, fontsize=size)
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_ticks([place - 0.5 for place in range(1, len(names))], minor=True)
        ax.tick_params(which="minor", length=0)
        ax.grid(which="minor", linewidth=0.5)
    ax.figure.colorbar(image, ax=ax, shrink=0.8, label="clips of the right class (%)", ticks=(0, 5, 20, 50, 100))
