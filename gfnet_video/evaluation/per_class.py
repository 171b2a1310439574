"""What a model does with each class: the account at the end of a training run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from torch import Tensor

from gfnet_video.errors import printable
from gfnet_video.evaluation.metrics import StepLogits, answers


@dataclass(frozen=True)
class ClassResult:
    """One class: how many clips, how many right, and the class it is most often taken for ("" where never).

    failed: clips that could not be read; they count as wrong. accuracy: None without clips.
    """

    name: str
    clips: int
    right: int
    failed: int
    accuracy: float | None
    confused_with: str
    confused: int


def per_class(guesses: Tensor, labels: Tensor, classes: Sequence[str]) -> list[ClassResult]:
    """From the class said of each clip (N,), -1 where it could not be read, and the right one (N,); in label order."""
    said: list[Counter[int]] = [Counter() for _ in classes]
    for guess, label in zip(guesses.tolist(), labels.tolist(), strict=True):
        said[label][guess] += 1
    return [_result(k, said[k], classes) for k in range(len(classes))]


def _result(label: int, said: Counter[int], classes: Sequence[str]) -> ClassResult:
    clips, right = said.total(), said[label]
    wrong = [(count, -k) for k, count in said.items() if k not in (label, -1)]
    count, other = max(wrong, default=(0, 1))
    return ClassResult(
        classes[label],
        clips,
        right,
        said[-1],
        right / clips if clips else None,
        classes[-other] if count else "",
        count,
    )


def report_of(steps: StepLogits, classes: Sequence[str]) -> dict[str, Any]:
    """Top-1 over all clips, the mean over classes that have clips, and each class, all looks taken; plain data."""
    results = per_class(answers(steps.logits[:, -1]), steps.labels, classes)
    seen = [r.accuracy for r in results if r.accuracy is not None]
    return {
        "clips": len(steps.labels),
        "failed": len(steps.failed),
        "top1": sum(r.right for r in results) / max(1, len(steps.labels)),
        "mean_class_accuracy": sum(seen) / max(1, len(seen)),
        "classes": [asdict(r) for r in results],
    }


def print_report(report: dict[str, Any], split: str, console: Console) -> None:
    """The report as a table, worst classes first."""
    from rich.markup import escape

    rows = sorted(report["classes"], key=lambda r: (r["accuracy"] is None, r["accuracy"] or 0.0, r["name"]))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in (f"class ({split})", "clips", "right", "accuracy", "most confused with"):
        table.add_column(name, justify="left" if " " in name else "right", overflow="fold")
    for r in rows:
        accuracy = "no clips" if r["accuracy"] is None else f"{r['accuracy']:.0%}"
        confused = f"{r['confused_with']} ({r['confused']})" if r["confused"] else ""
        cells = r["name"], str(r["clips"]), str(r["right"]), accuracy, confused
        table.add_row(*(escape(printable(cell)) for cell in cells))
    console.print(table)
    words = f"{split}: {report['top1']:.1%} of {report['clips']} clips right; mean over classes "
    console.print(f"{words}{report['mean_class_accuracy']:.1%}", markup=False, highlight=False)
