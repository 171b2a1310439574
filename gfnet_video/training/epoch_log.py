"""What a run says of its epochs: a bar on a terminal, a line of words each, and all of it in run/log.jsonl."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from gfnet_video.config import StageConfig
from gfnet_video.datasets.clips import Clips
from gfnet_video.evaluation.metrics import StepLogits, accuracy
from gfnet_video.model import GFNet
from gfnet_video.nn.folding import folded
from gfnet_video.training.account import factor_accuracies
from gfnet_video.training.distributed import here, measured
from gfnet_video.training.trainer import Report

RECENT = 50  # batches whose loss and reward stand for an epoch's end
WAITS = 0.05  # part of an epoch spent waiting for clips, from which on it is worth a word


class EpochLog:
    """Listens to a training; `latest` is what the last epoch's model says of the clips of dev."""

    def __init__(self, run: Path, console: Console, dev: Clips) -> None:
        self.run, self.console, self.dev = run, console, dev
        self.progress = bar_of("{task.description}", console)
        self.task = self.progress.add_task("", total=None)
        self.reports: list[Report] = []
        self.lost: set[str] = set()
        self.latest: StepLogits | None = None

    def batch(self, report: Report) -> None:
        self.reports.append(report)
        for wrong in report.lost:
            if wrong not in self.lost:
                self.console.print(f"left out: {wrong}", markup=False, highlight=False, soft_wrap=True)
            self.lost.add(wrong)
        words = f"{report.stage} {report.epoch + 1}/{report.epochs} loss {report.loss:.3f}"
        self.progress.update(self.task, description=words, completed=report.batch, total=report.batches)

    def epoch(self, model: GFNet, stage: StageConfig, epoch: int) -> None:
        """Measure on dev; process 0 writes and speaks."""
        steps = self.latest = measured(folded(model), self.dev)
        if here().first:
            row = row_of(model, stage, epoch, self.reports, steps)
            with (self.run / "log.jsonl").open("a", encoding="utf-8") as log:
                log.write(json.dumps(row) + "\n")
            self.console.print(words_of(row, stage), markup=False, highlight=False, soft_wrap=True)
        self.reports.clear()


def bar_of(words: str, console: Console) -> Progress:
    """A bar with the time that remains, where the console is a terminal."""
    columns = (TextColumn(words), BarColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal)


def row_of(model: GFNet, stage: StageConfig, epoch: int, reports: list[Report], steps: StepLogits) -> dict[str, Any]:
    """An epoch's line of log.jsonl. seconds: of its batches; waiting: the part of them without a clip."""
    work, wait = sum(r.seconds for r in reports), sum(r.waiting for r in reports)
    recent = reports[-RECENT:]
    many = max(1, len(recent))
    return {
        "stage": stage.name,
        "epoch": epoch + 1,
        "loss": sum(r.loss for r in recent) / many,
        "reward": sum(r.reward or 0.0 for r in recent) / many if stage.patches == "sampled" else None,
        "dev_top1": accuracy(steps.logits[:, -1], steps.labels),
        "dev_factors": factor_accuracies(steps.logits[:, -1], steps.labels, model.config.factors),
        "seconds": round(work + wait, 1),
        "waiting": round(wait / max(1e-9, work + wait), 3),
        "bad": reports[-1].bad if reports else 0,
    }


def words_of(row: dict[str, Any], stage: StageConfig) -> str:
    """An epoch in words.

    >>> row = {"stage": "warm-up", "epoch": 2, "loss": 1.5, "reward": None, "dev_top1": 0.5, "seconds": 75.0}
    >>> words_of({**row, "waiting": 0.25, "bad": 3}, StageConfig("warm-up", 4, 1e-3))
    'warm-up 2/4: 50.0% of dev right, loss 1.500, 1 min 15 s, 25% of it waiting for clips, 3 clips cannot be read'
    """
    minutes, seconds = divmod(round(row["seconds"]), 60)
    parts = [f"{100 * row['dev_top1']:.1f}% of dev right", f"loss {row['loss']:.3f}"]
    if row["reward"] is not None:
        parts.append(f"reward {row['reward']:.3f}")
    parts.append(f"{minutes} min {seconds} s" if minutes else f"{seconds} s")
    if row["waiting"] >= WAITS:
        parts.append(f"{row['waiting']:.0%} of it waiting for clips")
    if row["bad"]:
        parts.append(f"{row['bad']} clip{'s' * (row['bad'] != 1)} cannot be read")
    return f"{row['stage']} {row['epoch']}/{stage.epochs}: " + ", ".join(parts)
