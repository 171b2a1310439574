"""How fast a stage of training is, and how much of it is the networks: `python -m tools.train_speed CONFIG --stage 0`.

Two turns are taken again and again: a whole training epoch over a few clips of `mini` (reading, augmentation, patches,
losses, update), and a bare forward and backward of the same networks over frames and patches of the same shapes, with
nothing around. Videos a second are medians over the rounds; the share is the median of neighbours in time. Run it on a
machine with nothing else to do. What a process of `gfnet-video train` does with its memory holds here too.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import click
import torch
from rich.console import Console
from torch.nn import functional as F

from gfnet_video.cli.memory import keep_memory
from gfnet_video.cli.train import config_path
from gfnet_video.config import Config, StageConfig, load_config
from gfnet_video.datasets.annotations import read_manifest
from gfnet_video.datasets.catalog import dataset, root_of
from gfnet_video.datasets.clips import Clips
from gfnet_video.evaluation.machine import machine_of
from gfnet_video.model import GFNet
from gfnet_video.training.initial import initialise
from gfnet_video.training.optim import open_parts
from gfnet_video.training.session import clips_of
from gfnet_video.training.trainer import Report, train


def training_clips(config: Config, batches: int, batch: int, cache: Path) -> Clips:
    """The first clips of mini's training split, as training reads them."""
    manifest = read_manifest(dataset("mini"), root_of(dataset("mini"), None), "train").head(batches * batch)
    return clips_of(manifest, config, cache, Console(quiet=True), jitter=True)


def trained(model: GFNet, config: Config, stage: StageConfig, clips: Clips) -> float:
    """Videos a second of a training epoch, its first batch left out."""
    reports: list[Report] = []
    short = replace(config, train=replace(config.train, stages=(replace(stage, epochs=1),)))
    with tempfile.TemporaryDirectory() as run:
        train(model, clips, short, Path(run), listen=reports.append)
    return len(reports[1:]) * stage.batch / sum(r.seconds + r.waiting for r in reports[1:])


def bare(model: GFNet, stage: StageConfig, batches: int) -> float:
    """Videos a second of the networks' forward and, where they learn, backward; the first batch left out."""
    side, frames = model.config.frame_side, model.config.frames
    clips = torch.randn(stage.batch, frames, 3, side, side)
    labels = torch.zeros(stage.batch, dtype=torch.long)
    open_parts(model, stage)
    for turn in range(batches + 1):
        if turn == 1:
            began = time.perf_counter()
        model.zero_grad()
        with torch.set_grad_enabled("glance" in stage.train):
            said = [model.glance(clips)[0].logits.mean(1)]
        if stage.patches != "none":
            many = clips.repeat(stage.tracks, 1, 1, 1, 1)
            centres = torch.full((len(many), model.config.looks, 2), 0.5)
            said.append(model.focus(model.repeated(many), centres)[0].logits.mean(1))
        loss = torch.stack([F.cross_entropy(s, labels.repeat(len(s) // len(labels))) for s in said]).sum()
        loss.backward()
    return batches * stage.batch / (time.perf_counter() - began)


def measure(model: GFNet, chosen: Config, row: StageConfig, clips: Clips, batches: int, rounds: int) -> None:
    """The turns and what they say."""
    found = []
    for turn in range(rounds + 1):  # the first warms up
        found.append((trained(model, chosen, row, clips), bare(model, row, batches)))
        if turn:
            print(f"round {turn}: {found[-1][0]:.1f} videos/s trained, {found[-1][1]:.1f} bare", flush=True)
    of_training, of_networks = (statistics.median(f[i] for f in found[1:]) for i in (0, 1))
    share = statistics.median(a / b for a, b in found[1:])
    print(f"{chosen.name}, stage {row.name}: {of_training:.1f} videos/s, {share:.0%} of the bare {of_networks:.1f}")
    print(machine_of(model))


@click.command(help=__doc__)
@click.argument("config")
@click.option("--stage", default=0, help="its place among the config's stages, from 0")
@click.option("--batches", default=12)
@click.option("--rounds", default=5)
def main(config: str, stage: int, batches: int, rounds: int) -> None:
    keep_memory()
    chosen = load_config(config_path(config))
    row = chosen.train.stages[stage]
    if row.patches == "sampled" or row.learner == "end_to_end":
        raise click.UsageError(
            f"stage {row.name!r} trains a policy; only supervised stages have a bare pass to compare"
        )
    model = GFNet(chosen.model)
    initialise(model, replace(chosen.train, initial_glance="", initial_focus=""))
    with tempfile.TemporaryDirectory() as cache:
        measure(model, chosen, row, training_clips(chosen, batches + 1, row.batch, Path(cache)), batches, rounds)


if __name__ == "__main__":
    main()
