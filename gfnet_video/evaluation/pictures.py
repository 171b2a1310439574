"""Pictures of a curve report: files of panels under a line that says what was measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from gfnet_video.errors import DependencyError, printable
from gfnet_video.evaluation import panels
from gfnet_video.evaluation.panels import GREY, Report
from gfnet_video.files import whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STYLE: Any = {  # the type of its keys differs between versions of matplotlib
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "legend.frameon": False,
    "lines.markersize": 4,
    "text.parse_math": False,  # names may hold dollars
}


def check_matplotlib() -> None:
    """Raise DependencyError unless matplotlib is installed; nothing is imported."""
    if find_spec("matplotlib") is None:
        raise DependencyError.of("matplotlib", "plot")


def draw(report: Report, counts: Tensor, folder: Path) -> None:
    """Write the pictures of a report into `folder`, each whole; counts (K,K+1) as `confusion` gives them."""
    pictures: dict[str, tuple[Callable[[Report, Axes], None], ...]] = {
        "anytime.png": (panels.anytime,),
        "thresholds.png": (panels.thresholds, panels.thresholds_near),
        "time.png": (panels.time,),
        "reliability.png": (panels.reliability_last, panels.reliability_exits, panels.ece_by_step),
        "difficulty.png": (panels.exit_steps, panels.accuracy_by_difficulty, panels.exit_by_difficulty),
    }
    for name, parts in pictures.items():
        with _axes(folder / name, len(parts), (2.4 + 3.3 * len(parts), 3.9), report) as axes:
            for part, ax in zip(parts, axes, strict=True):
                part(report, ax)
    names = [r["name"] for r in report["per_class"]]
    side = min(14.0, 3.5 + 0.17 * len(names))
    with _axes(folder / "confusion.png", 1, (side + 0.8, side), report) as axes:
        panels.confusion(counts, names, axes[0])


@contextmanager
def _axes(path: Path, count: int, size: tuple[float, float], report: Report) -> Iterator[Sequence[Axes]]:
    """Axes side by side under a line that says what was measured; written to `path` when the block ends."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(1, count, squeeze=False)[0]
        yield list(axes)
        figure.suptitle(_subject(report), x=0.01, ha="left", fontsize=8, color=GREY)
        with whole(path) as temporary:
            figure.savefig(temporary, format="png", dpi=150)


def _subject(report: Report) -> str:
    model, clips = printable(report["model"]), report["clips"]
    model = model if len(model) <= 40 else f"...{model[-37:]}"
    failed = f", {report['failed']} of them failed" if report["failed"] else ""
    error = panels.standard_error(report["this_run"]["top1"], clips)
    data = f"{printable(report['dataset'])} {printable(report['split'])}"
    return f"{model} on {data}: {clips} clips{failed}; one standard error of accuracy is {error:.1f} points"
