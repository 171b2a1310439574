"""One training run from data to checkpoint, measured on dev after each epoch."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from gfnet_video.checkpoint import Card, save
from gfnet_video.config import Config, StageConfig, dump_config, load_config
from gfnet_video.datasets.annotations import read_manifest
from gfnet_video.datasets.catalog import Dataset
from gfnet_video.datasets.clips import Clips, FrameCache, build_cache
from gfnet_video.datasets.manifest import Manifest
from gfnet_video.errors import ConfigError
from gfnet_video.evaluation.metrics import accuracy, answers, step_logits_of
from gfnet_video.files import write_text
from gfnet_video.model import GFNet
from gfnet_video.nn.exit_rule import ExitRule
from gfnet_video.training.initial import initialise
from gfnet_video.training.loading import training_recipe
from gfnet_video.training.trainer import Report, train


def train_session(
    row: Dataset, config: Config, root: Path, run: Path, *, resume: bool = False, limit: int | None = None
) -> Path:
    """Train `config` on the data set at `root`; returns the checkpoint folder `run`/model.

    mini is generated where it is absent. Raises DataError (absent or bad data), ConfigError (the data has another
    number of classes, or the run exists and resume was not asked for), CheckpointError.
    """
    console = Console(stderr=True)
    if not config.train.stages:
        raise ConfigError("train.stages is empty: nothing to train")
    if (run / "last.pt").is_file():
        _check_resumable(run, config, resume)
        if (run / "model" / "config.json").is_file():
            console.print(f"{run} is finished already", markup=False)
            return run / "model"
    if row.name == "mini":
        make_mini(root, console)
    manifest = read_manifest(row, root, "train")
    manifest = manifest if limit is None else manifest.head(limit)
    if len(manifest.classes) != config.model.classes:
        raise ConfigError(f"model.classes is {config.model.classes}; {row.name} has {len(manifest.classes)}")
    run.mkdir(parents=True, exist_ok=True)
    write_text(run / "config.yaml", dump_config(config))
    torch.manual_seed(config.train.seed)
    model = GFNet(config.model)
    if not (run / "last.pt").is_file():
        (run / "log.jsonl").unlink(missing_ok=True)
        initialise(model, config.train)
    clips = clips_of(manifest, config, root, console, jitter=True)
    dev = clips_of(read_manifest(row, root, "dev"), config, root, console)
    log = _Log(run, console, dev)
    with log.progress:
        train(model, clips, config, run, resume=resume, listen=log.batch, after_epoch=log.epoch)
    card = Card(
        config,
        manifest.classes,
        ExitRule.never(model.steps),
        provenance=_provenance(row, manifest, run),
        results={"dev": {"top1": epochs[-1]["dev_top1"]}} if (epochs := epochs_of(run)) else {},
    )
    save(run / "model", model, card)
    return run / "model"


def _check_resumable(run: Path, config: Config, resume: bool) -> None:
    """Raise ConfigError unless `run` may go on under this config; how frames are loaded may change."""
    if not resume:
        raise ConfigError(f"{run} holds a run already; go on with --resume, or name another folder with --run")
    before = load_config(run / "config.yaml")
    loading = replace(before.train, workers=config.train.workers, cache=config.train.cache)
    if replace(before, train=loading) != config:
        raise ConfigError(
            f"{run}/config.yaml is another configuration; resume with that one, or name another folder with --run"
        )


def epochs_of(run: Path) -> list[dict[str, Any]]:
    """The rows of a run's log.jsonl; a line that a kill left unfinished is passed over."""
    log, rows = run / "log.jsonl", []
    for line in log.read_text(encoding="utf-8").splitlines() if log.is_file() else ():
        with contextlib.suppress(json.JSONDecodeError):
            rows.append(json.loads(line))
    return rows


def make_mini(root: Path, console: Console) -> None:
    """Generate the embedded data set where it is absent; says so."""
    from gfnet_video.datasets.mini import generate

    with Progress(TextColumn("rendering mini"), BarColumn(), TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task("", total=None)
        generate(root, progress=lambda done, total: bar.update(task, completed=done, total=total))


def clips_of(manifest: Manifest, config: Config, root: Path, console: Console, *, jitter: bool = False) -> Clips:
    """The split as clips at the working side, decoded once into root/cache when train.cache is on."""
    cache: FrameCache | None = None
    model = config.model
    if config.train.cache:
        with Progress(
            TextColumn(f"decoding {manifest.split}"), BarColumn(), TimeRemainingColumn(), console=console
        ) as bar:
            task = bar.add_task("", total=len(manifest))
            cache = build_cache(
                manifest, model.frame_side, root / "cache", lambda done, _: bar.update(task, completed=done)
            )
        if cache.bad:
            console.print(f"{manifest.split}: {len(cache.bad)} of {len(manifest)} clips cannot be read", markup=False)
    recipe = training_recipe(config, manifest.classes) if jitter else None
    return Clips(
        manifest, model.frames, model.frame_side, cache=cache, jitter=jitter, seed=config.train.seed, recipe=recipe
    )


class _Log:
    """Progress on a terminal, one line an epoch elsewhere, and every epoch in run/log.jsonl."""

    def __init__(self, run: Path, console: Console, dev: Clips) -> None:
        self.run, self.console, self.dev = run, console, dev
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self.task = self.progress.add_task("", total=None)
        self.reports: list[Report] = []
        self.lost: set[str] = set()

    def batch(self, report: Report) -> None:
        self.reports.append(report)
        for wrong in report.lost:
            if wrong not in self.lost:
                self.console.print(f"left out: {wrong}", markup=False, highlight=False, soft_wrap=True)
            self.lost.add(wrong)
        words = f"{report.stage} {report.epoch + 1}/{report.epochs} loss {report.loss:.3f}"
        self.progress.update(self.task, description=words, completed=report.batch, total=report.batches)

    def epoch(self, model: GFNet, stage: StageConfig, epoch: int) -> None:
        steps = step_logits_of(model, self.dev)
        work, wait = sum(r.seconds for r in self.reports), sum(r.waiting for r in self.reports)
        recent = self.reports[-50:]
        row = {
            "stage": stage.name,
            "epoch": epoch + 1,
            "loss": sum(r.loss for r in recent) / max(1, len(recent)),
            "reward": sum(r.reward or 0.0 for r in recent) / max(1, len(recent))
            if stage.patches == "sampled"
            else None,
            "dev_top1": accuracy(steps.logits[:, -1], steps.labels),
            "dev_factors": factor_accuracies(steps.logits[:, -1], steps.labels, model.config.factors),
            "seconds": round(work + wait, 1),
            "waiting": round(wait / max(1e-9, work + wait), 3),
            "bad": self.reports[-1].bad if self.reports else 0,
        }
        self.reports.clear()
        with (self.run / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(row) + "\n")
        self.console.print(json.dumps(row), markup=False, highlight=False, soft_wrap=True)


def factor_accuracies(logits: torch.Tensor, labels: torch.Tensor, factors: tuple[int, ...]) -> list[float]:
    """Accuracy of each factor of the predicted class on its own; empty without factors."""
    found: list[float] = []
    guess = answers(logits)
    for size in reversed(factors):
        found.append(float(((guess % size == labels % size) & (guess >= 0)).double().mean()))
        guess, labels = guess.div(size, rounding_mode="floor"), labels // size
    return found[::-1]


def _provenance(row: Dataset, manifest: Manifest, run: Path) -> dict[str, object]:
    """What the model was made of. Minutes are those of its logged batches, measuring on dev left out."""
    return {
        "dataset": row.name,
        "train_clips": len(manifest),
        "train_digest": manifest.digest(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "training_minutes": round(sum(e["seconds"] for e in epochs_of(run)) / 60, 1),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "torch": torch.__version__,
    }
