"""One training run from data to checkpoint, measured on dev after each epoch."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from rich.console import Console

from gfnet_video.checkpoint import Card, save
from gfnet_video.config import Config, dump_config
from gfnet_video.datasets.clips import Clips, FrameCache, build_cache
from gfnet_video.datasets.interval import frame_interval
from gfnet_video.datasets.manifest import Manifest
from gfnet_video.datasets.quarantine import without_quarantined
from gfnet_video.datasets.source import CatalogSource, OwnSource, Source, keep_split
from gfnet_video.datasets.truth import true_places
from gfnet_video.errors import ConfigError, printable
from gfnet_video.evaluation.metrics import StepLogits
from gfnet_video.evaluation.per_class import print_report, report_of
from gfnet_video.files import write_text
from gfnet_video.model import GFNet
from gfnet_video.nn.exit_rule import ExitRule
from gfnet_video.training.account import check_resumable, next_steps, provenance
from gfnet_video.training.distributed import device_for, first_alone, here, joined, measured, ranks_of
from gfnet_video.training.epoch_log import EpochLog, bar_of
from gfnet_video.training.initial import initialise
from gfnet_video.training.loading import training_recipe
from gfnet_video.training.plan import check_fits
from gfnet_video.training.trainer import check_bad, train


def train_session(
    source: Source,
    config: Config,
    run: Path,
    *,
    resume: bool = False,
    limit: int | None = None,
    device: str = "auto",
) -> Path:
    """Train `config` on the clips of `source`; returns the checkpoint folder `run`/model.

    mini is generated where it is absent. How clips of one's own were parted is kept in `run`/manifest.jsonl, and what
    became of each class in `run`/report.json. device: as `pick_device` takes it. Raises DataError (absent or bad
    data), ConfigError (the data has another number of classes, or the run exists and resume was not asked for),
    CheckpointError. Under torchrun every process calls this, and ProcessError is raised where they lose each other.
    """
    if not config.train.stages:
        raise ConfigError("train.stages is empty: nothing to train")
    ranks = ranks_of()
    place = device_for(device, ranks)
    with joined(ranks, place):
        return _train(source, config, run, place, resume=resume, limit=limit)


def _train(source: Source, config: Config, run: Path, place: torch.device, *, resume: bool, limit: int | None) -> Path:
    """The run of `train_session`, of which process 0 alone writes and speaks."""
    first = here().first
    console = Console(stderr=True, quiet=not first)
    if (run / "last.pt").is_file():
        check_resumable(run, config, resume)
        if (run / "model" / "config.json").is_file():
            console.print(f"{run} is finished already", markup=False)
            return run / "model"
    with first_alone():
        manifest = _training_clips(source, config, limit, console)
    if first:
        _begin(run, source, config)
    torch.manual_seed(config.train.seed)
    model = GFNet(config.model)
    with first_alone():
        if not (run / "last.pt").is_file():
            begun = initialise(model, config.train, manifest.classes)
            if begun:
                console.print(str(begun), markup=False, highlight=False, soft_wrap=True)
        cache = source.cache(run)
        clips = clips_of(manifest, config, cache, console, jitter=True)
        check_bad(_unreadable(clips), len(clips), config.train.max_bad)  # before a batch is trained for nothing
        dev = clips_of(source.manifest("dev"), config, cache, console)
    model = model.to(place)
    log = EpochLog(run, console, dev)
    with log.progress:
        train(model, clips, config, run, resume=resume, listen=log.batch, after_epoch=log.epoch)
    found = {"dev": log.latest or measured(model, dev)}
    if isinstance(source, OwnSource) and "test" in source.splits:  # an official test is left to eval
        with first_alone():
            test = clips_of(source.manifest("test"), config, cache, console)
        found["test"] = measured(model, test)
    if not first:
        return run / "model"
    results = _report(found, manifest.classes, run, console)
    card = Card(
        config,
        manifest.classes,
        ExitRule.never(model.steps),
        provenance=provenance(source.name, manifest, run)
        | {"interval": frame_interval(manifest, config.model, source.name)},
        results=results,
    )
    save(run / "model", model, card)
    for line in (f"model written to {run / 'model'}", *next_steps(source, run, model.steps)):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return run / "model"


def _begin(run: Path, source: Source, config: Config) -> None:
    """What stands in a run's folder before the first batch; an older log stays where there is a state to go on from."""
    run.mkdir(parents=True, exist_ok=True)
    write_text(run / "config.yaml", dump_config(config))
    if isinstance(source, OwnSource):
        keep_split(source, run)
    if not (run / "last.pt").is_file():
        (run / "log.jsonl").unlink(missing_ok=True)


def _report(
    measured: dict[str, StepLogits], classes: tuple[str, ...], run: Path, console: Console
) -> dict[str, dict[str, float]]:
    """Say and keep what became of each class in each split; returns each split's top-1 for the model's card."""
    reports = {split: report_of(steps, classes) for split, steps in measured.items()}
    for split, report in reports.items():
        print_report(report, split, console)
    write_text(run / "report.json", json.dumps(reports, indent=1) + "\n")
    return {split: {"top1": report["top1"]} for split, report in reports.items()}


def _training_clips(source: Source, config: Config, limit: int | None, console: Console) -> Manifest:
    """The training split, as many clips of it as wanted. Raises ConfigError, DataError as `check_fits`."""
    if isinstance(source, CatalogSource) and source.row.rendered:
        make_mini(source.name, source.root, console)
    for note in source.notes:
        console.print(note, markup=False, highlight=False, soft_wrap=True)
    listed = source.manifest("train")
    manifest, left_out = without_quarantined(listed, listed.root)
    for line in left_out:
        console.print(f"in quarantine, left out: {line}", markup=False, highlight=False, soft_wrap=True)
    manifest = manifest if limit is None else manifest.head(limit)
    check_fits(manifest, config, source.name)
    return manifest


def make_mini(name: str, root: Path, console: Console) -> None:
    """Generate an embedded data set, mini or mini-image, where it is absent; says so."""
    from gfnet_video.datasets.mini import generate
    from gfnet_video.datasets.mini_kinds import KINDS

    with bar_of(f"rendering {name}", console) as bar:
        task = bar.add_task("", total=None)
        generate(root, kind=KINDS[name], progress=lambda done, total: bar.update(task, completed=done, total=total))


def clips_of(manifest: Manifest, config: Config, folder: Path, console: Console, *, jitter: bool = False) -> Clips:
    """The split as clips at the working side, decoded once into `folder` when train.cache is on."""
    truth = true_places(manifest) if config.asks_oracle else None
    cache: FrameCache | None = None
    model = config.model
    if config.train.cache:
        with bar_of(f"decoding {manifest.split}", console) as bar:
            task = bar.add_task("", total=len(manifest))
            cache = build_cache(
                manifest,
                model.frame_side,
                folder,
                lambda done, _: bar.update(task, completed=done),
                model.short_side,
            )
        if cache.bad:
            console.print(f"{manifest.split}: {len(cache.bad)} of {len(manifest)} clips cannot be read", markup=False)
    recipe = training_recipe(config, manifest.classes) if jitter else None
    return Clips(
        manifest,
        model.frames,
        model.frame_side,
        cache=cache,
        jitter=jitter,
        seed=config.train.seed,
        sampler=model.sampler,
        recipe=recipe,
        focus_frames=model.focus_frames,
        short_side=model.short_side,
        truth=truth,
    )


def _unreadable(clips: Clips) -> list[str]:
    """What is wrong with clips, as far as decoding them into the cache has shown."""
    bad = clips.cache.bad if clips.cache is not None else {}
    return [f"{printable(clips.manifest.path(i))}: {reason}" for i, reason in bad.items()]
