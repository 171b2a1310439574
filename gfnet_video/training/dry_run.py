"""What a training run would be made of, said before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from rich.console import Console
from rich.table import Table

from gfnet_video.config import Config
from gfnet_video.datasets.folder import count_frames
from gfnet_video.datasets.manifest import Manifest
from gfnet_video.datasets.quarantine import without_quarantined
from gfnet_video.datasets.source import Source
from gfnet_video.errors import printable
from gfnet_video.training.plan import check_fits
from gfnet_video.video.probe import examine_many


@dataclass(frozen=True)
class Seen:
    """One clip as it decodes: frames, seconds (0 where unknown), and what is wrong with it, "" where nothing is."""

    path: str
    frames: int
    seconds: float
    wrong: str


def dry_run(
    source: Source,
    config: Config,
    console: Console,
    *,
    limit: int | None = None,
    seen: Callable[[], None] = lambda: None,
) -> int:
    """Say on `console` what would be trained on what; returns how many clips are bad. Writes nothing.

    seen: called after each clip that has been decoded. Raises DataError and ConfigError as a run would.
    """
    manifests = {split: source.manifest(split) for split in source.splits}
    manifests["train"], left_out = without_quarantined(manifests["train"], manifests["train"].root)
    if limit is not None:
        manifests["train"] = manifests["train"].head(limit)
    for note in (*source.notes, *(f"in quarantine, left out: {line}" for line in left_out)):
        console.print(note, markup=False, highlight=False, soft_wrap=True)
    console.print(count_table(list(manifests.values())))
    check_fits(manifests["train"], config, source.name)
    clips = [clip for manifest in manifests.values() for clip in _watch(manifest, seen)]
    say_durations(clips, config.model.frames, console)
    say_plan(config, len(manifests["train"]), console)
    return sum(bool(clip.wrong) for clip in clips)


def count_table(manifests: Sequence[Manifest]) -> Table:
    """Clips of each class in each split."""
    from rich.markup import escape

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("class", overflow="fold")
    for manifest in manifests:
        table.add_column(manifest.split, justify="right")
    classes = manifests[0].classes
    counts = [np.bincount(m.labels, minlength=len(classes)).tolist() for m in manifests]
    for row in zip(classes, *counts, strict=True):
        table.add_row(*(escape(printable(cell)) for cell in row))
    table.add_row("in all", *(str(len(m)) for m in manifests), style="bold")
    return table


def say_durations(clips: Sequence[Seen], frames: int, console: Console) -> None:
    """How long the clips are, which are shorter than the model looks, and which are bad and why."""

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    good = [clip for clip in clips if not clip.wrong]
    if lengths := [clip.seconds for clip in good if clip.seconds > 0]:
        spread = f"{min(lengths):.1f} to {max(lengths):.1f}, median {median(lengths):.1f}"
        say(f"seconds a clip: {spread}; {sum(lengths) / 60:.1f} minutes in all")
    if short := sum(0 < clip.frames < frames for clip in good):
        say(f"{short} clips have fewer frames than the {frames} the model samples: their frames are repeated")
    say(f"bad files: {len(clips) - len(good)} of {len(clips)}")
    for clip in clips:
        if clip.wrong:
            say(f"  {printable(clip.path)}: {clip.wrong}")


def say_plan(config: Config, clips: int, console: Console) -> None:
    """The model, its stages with batches and steps, and where the weights come from."""
    model, train = config.model, config.train
    looks = f"glance {model.glance.backbone} at {model.glance.side}"
    if model.focus is not None:
        looks += f", focus {model.focus.backbone} at {' or '.join(map(str, model.sides))} of {model.frame_side}"
    lines = [f"would train {config.name}: {looks}, {model.frames} frames, {model.classes} classes"]
    for stage in train.stages:
        steps = stage.epochs * (clips // stage.batch)
        lines.append(
            f"  {stage.name}: {stage.epochs} epochs of {clips} clips in batches of {stage.batch}: {steps} steps"
        )
    first = train.initial_model or train.initial
    lines.append(f"  first weights: {first}; balance: {train.balance}; decoded frames kept: {train.cache}")
    lines.append("nothing was written (--dry-run)")
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _watch(manifest: Manifest, seen: Callable[[], None]) -> Iterator[Seen]:
    paths = [manifest.path(i) for i in range(len(manifest))]
    for clip in _folders(manifest, paths) if manifest.template else examine(paths):
        yield clip
        seen()


def _folders(manifest: Manifest, paths: Sequence[Path]) -> Iterator[Seen]:
    """Folders of frames, which are counted and not decoded."""
    for path, listed in zip(paths, manifest.frames.tolist(), strict=True):
        held = count_frames(path)
        wrong = f"holds {held} frames; the list says {listed}" if held < max(1, listed) else ""
        yield Seen(str(path), held, 0.0, wrong)


def examine(paths: Sequence[Path]) -> Iterator[Seen]:
    """Decode each video whole, in processes that may hang or crash."""
    for verdict in examine_many(paths):
        yield Seen(verdict.path, verdict.frames, verdict.duration, "" if verdict.status == "ok" else verdict.reason)
