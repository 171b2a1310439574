"""How far the engines are from what is wanted of them, on this machine: `python -m tools.engine_targets --threads 1`.

Five targets, a to e. What a ratio compares takes turns, round by round, after a round that warms up; a ratio is that of
the same round, and the median of the rounds is told with the least and the most. Networks have random weights, but in b
those of the bundled models; time does not depend on them. "Networks" leaves out decoding and preprocessing, and so of
torch the normalising, which is in an engine's graphs and counts there; what is timed frame by frame (d, e), and many
clips at a time in b, has its frames in memory. A table on stderr, JSON on stdout at the end. share: what this process
got of one processor's time; far below 1 with --threads 1, the core had other work.
"""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import click
import numpy as np
import torch
from torch import nn

from gfnet_video.checkpoint import CLIPS, Recogniser, load
from gfnet_video.cli.infer import DEFAULT_MODEL
from gfnet_video.cli.train import config_path
from gfnet_video.config import ModelConfig, load_config
from gfnet_video.engines.engine import Engine
from gfnet_video.engines.folder import read_export
from gfnet_video.engines.opening import open_exported
from gfnet_video.engines.processor import has_bf16
from gfnet_video.engines.sessions import cores
from gfnet_video.engines.timing import LOOKS, timed_looks
from gfnet_video.engines.torch_engine import TorchEngine
from gfnet_video.evaluation.bench import Scores, bench
from gfnet_video.evaluation.bench_models import Ways, on_engines
from gfnet_video.evaluation.bench_rivals import static_tsms, untrained
from gfnet_video.evaluation.bench_runs import Contender, Run, run_engine
from gfnet_video.evaluation.bench_setting import setting_of
from gfnet_video.evaluation.machine import machine_of
from gfnet_video.inference.batch import run_batch
from gfnet_video.inference.export_int8 import export_int8
from gfnet_video.inference.material import material_of
from gfnet_video.inference.reading import in_order
from gfnet_video.inference.runner import claimed_frames, frames, indices_of, open_video
from gfnet_video.inference.under_way import from_memory, in_seats
from gfnet_video.nn.exit_rule import ExitRule
from gfnet_video.nn.folding import folded
from tools.bare_graphs import DEEP, WIDE, bare, other, products
from tools.loader_speed import HEIGHT, clips_in

Rows = list[dict[str, Any]]
TOLD = partial(click.echo, err=True)
BATCH, LIGHT = 8, 5  # LIGHT: times as many rounds of what takes milliseconds
SEATS, MANY = 16, 16  # MANY: so that there is always a clip that waits
GLANCE_FIRST = "gfnet_tsm_mobilenetv2_glance_first.mini"


@dataclass(frozen=True)
class Bench:
    """On what is measured: a folder to write to, clips in it, rounds, threads."""

    folder: Path
    clips: Sequence[Path]
    rounds: int
    threads: int | None

    def engines(self, model: Recogniser, *names: str) -> list[Engine]:
        """The model on each engine, last in bf16 where the processor has it."""
        ways = Ways(names, self.threads, self.clips, TOLD, has_bf16() and "openvino" in names)
        return on_engines(model, self.folder / model.card.config.name, ways)

    def quantised(self, model: Recogniser, *names: str) -> list[Engine]:
        """The model on each engine in int8. How often that answers as float32 does tells nothing of random weights."""
        folder = self.folder / f"{model.card.config.name}_int8"
        TOLD(f"exporting {folder.name}")
        material = material_of(TorchEngine(model), [str(clip) for clip in self.clips], "calibration", None)
        export_int8(model, folder, "onnx", material, least=0.0)
        return [open_exported(folder, read_export(folder), name, self.threads) for name in names]


def of_config(name: str, *changes: str) -> Recogniser:
    return untrained(load_config(config_path(name), (*changes, f"name={name}_{len(changes)}")))


def contender(engine: Engine, chunk: int = 1, batch: int = 1, *, exits: bool = False) -> Contender:
    rule = engine.about.rule if exits else ExitRule.never(engine.about.config.steps)
    name = f"{engine.name} {engine.about.precision}"
    return Contender(name, "gfnet", engine.name, batch, chunk, partial(run_engine, engine, rule, chunk))


def decoded(config: ModelConfig, path: Path) -> list[np.ndarray]:
    """The frames (H,W,3) of a clip that a model looks at."""
    with open_video(path) as video:
        return list(in_order(video, indices_of(config, claimed_frames(video))[0]))


def in_memory(engine: Engine, chunk: int = 1, *, seats: int = 0) -> Contender:
    """Clips whose frames are in memory: a decoder works on in threads of its own, beside what is timed. All looks at
    one after the other, or with exits so many at a time."""
    held: dict[Path, list[np.ndarray]] = {}
    about = engine.about

    def run(paths: Sequence[Path]) -> Run:
        for path in (p for p in paths if p not in held):
            held[path] = [engine.cut(pixels) for pixels in decoded(about.config, path)]
        spent, began = defaultdict[str, float](float), perf_counter()
        if seats:
            deque(in_seats(engine, from_memory(about, (held[p] for p in paths)), seats, spent), maxlen=0)
        for path in [] if seats else paths:
            deque(engine.walk((one[None] for one in held[path]), chunk=chunk, seconds=spent), maxlen=0)
        spent["total"] = perf_counter() - began
        return Run(len(paths), spent, 0.0, 0)

    return Contender(
        f"{engine.name} {about.precision}", "gfnet", engine.name, max(1, seats), chunk, run, seats=bool(seats)
    )


def seconds(score: Scores, *parts: str) -> np.ndarray:
    """(rounds,) seconds a clip of these parts together."""
    rounds = [[sum(run.seconds.get(part, 0.0) for part in parts) / run.clips for run in runs] for runs in score.rounds]
    return np.asarray(np.mean(rounds, 1))  # all runs of a round are of as many clips


def networks(score: Scores) -> np.ndarray:
    return np.asarray(seconds(score, "total") - seconds(score, "decode", "preprocess"))


def row(target: str, what: str, wanted: str, ratios: np.ndarray) -> dict[str, Any]:
    """A figure, told as soon as it is there; wanted: such as ">= 2", or nothing where nobody said."""
    middle, (sign, _, bound) = float(np.median(ratios)), wanted.partition(" ")
    met = None if not wanted else (middle >= float(bound) if sign == ">=" else middle <= float(bound))
    low, high = float(ratios.min()), float(ratios.max())
    word, spread = {True: "met", False: "missed", None: ""}[met], f"({low:.2f} to {high:.2f})"
    TOLD(f"{target}  {wanted:8}{middle:6.2f} {spread:17}{word:8}{what}")
    found = {"target": target, "wanted": wanted, "measured": middle, "least": low, "most": high}
    return {**found, "met": met, "what": what}


def full_frame(at: Bench) -> Rows:
    """a: a ResNet-50 on patches, in engines, beside the static one on whole frames, eager, batch norms folded; and that
    one with its batch norms apart."""
    model, rows, names = of_config("sthv2_resnet50_gfnet", "model.focus_frames=8"), Rows(), ("onnxruntime", "openvino")
    static = static_tsms(model.config)[0]
    eager, apart = TorchEngine(folded(static)), TorchEngine(static)
    engines = [*at.engines(model, *names), *at.quantised(model, *names), apart]
    for batch in (1, BATCH):
        turns = [contender(engine, model.config.frames, batch) for engine in (eager, *engines)]
        base, *others = bench(turns, at.clips[: 2 if batch == 1 else batch], at.rounds, TOLD)
        beside = f"{1 / np.median(networks(base)):.2f}"
        for engine, score in zip(engines, others, strict=True):
            rates, wanted = 1 / networks(score), ">= 2" if engine.about.precision == "float32" else ">= 8"
            who = "static, its batch norms apart" if engine is apart else score.contender.name
            what = f"{who}, batch {batch}: {np.median(rates):.2f} videos/s beside {beside}"
            rows.append(row("a", what, "" if engine is apart else wanted, rates * networks(base)))
    return rows


def with_exits(at: Bench) -> Rows:
    """b: what the exit loop adds to the looks that it takes: one clip at a time, and many, where one that exits gives
    its seat to the next."""
    rows, paths, rounds = Rows(), sorted(CLIPS.glob("*.webm")), LIGHT * at.rounds
    for name in (DEFAULT_MODEL, GLANCE_FIRST):
        model = load(name)
        engines = at.engines(model, "onnxruntime", "openvino")
        alone = bench([contender(e, exits=True) for e in engines], paths, rounds, TOLD)
        many = bench([in_memory(e, seats=SEATS) for e in engines], paths * MANY, rounds, TOLD)
        found = [(s.contender, networks(s), seconds(s, *LOOKS.values())) for s in (*alone, *many)]
        rows += [_beside(f"{name}, {c.name}, batch {c.batch}", total, own) for c, total, own in found]
        rows.append(_beside(f"{name}, torch, batch {SEATS}", *beside_its_looks(model, paths, rounds)))
    return rows


def _beside(who: str, total: np.ndarray, looks: np.ndarray) -> dict[str, Any]:
    """b: of a model with its exits, seconds a clip in all, and in its looks."""
    return row("b", f"{who}: {1000 * np.median(total):.2f} ms a clip beside its looks", "<= 1.15", total / looks)


def beside_its_looks(model: Recogniser, paths: Sequence[Path], rounds: int) -> tuple[np.ndarray, np.ndarray]:
    """Seconds a clip (rounds,) of a model with its exits, SEATS clips at a time, each of them MANY times; and those in
    its looks (rounds,). After a round that warms up."""
    model = folded(model)
    clips = torch.stack([torch.cat(list(frames(model, path))) for path in paths] * MANY)
    found = np.empty((rounds + 1, 2))
    for number in range(rounds + 1):
        spent, began = defaultdict[str, float](float), perf_counter()
        with timed_looks(model, spent):
            run_batch(model, clips, model.card.rule, seats=SEATS)
        found[number] = perf_counter() - began, sum(spent.values())
    total, looks = found[1:].T / len(clips)
    return total, looks


def small_looks(at: Bench) -> Rows:
    """c, d: MobileNetV2 at 96 twice, from the file beside decoding alone, and frame by frame beside eager torch."""
    model = of_config("sthv2_mobilenetv2_gfnet", "model.glance.side=96")
    engines = at.engines(model, "torch", "onnxruntime", "openvino")
    turns = [contender(engine, chunk) for chunk in (1, model.config.frames) for engine in engines]
    turns += [in_memory(engine) for engine in engines]
    *scores, alone = bench(
        [*turns, other("decoding", partial(decoded, model.config))], at.clips[:4], LIGHT * at.rounds, TOLD
    )
    scores, (eager, *ones) = scores[: len(scores) - len(engines)], scores[-len(engines) :]
    best = min(scores, key=lambda score: float(np.median(seconds(score, "total"))))
    decoding = seconds(alone, "total")
    what = f"{best.contender.name}, chunk {best.contender.chunk}, from file to answer beside decoding alone, "
    rows = [row("c", f"{what}{1000 * np.median(decoding):.1f} ms", "<= 1.5", seconds(best, "total") / decoding)]
    for score in ones:
        ms = 1000 * np.median(networks(score)) / model.config.frames
        what = f"{score.contender.name} beside eager torch, frame by frame: {ms:.2f} ms a frame"
        rows.append(row("d", what, ">= 3", networks(eager) / networks(score)))
    return rows


def of_peak(at: Bench) -> Rows:
    """e: the ResNet-50 of a focus in bf16 beside matrix products, and beside the loop around its graph."""
    model = of_config("sthv2_mobilenetv2_gfnet", "model.glance.side=96", "model.focus={backbone: resnet50, side: 128}")
    k, engine = model.config.frames, at.engines(model, "openvino")[-1]
    graph: Any = engine.looks["focus"]  # type: ignore[attr-defined]
    most_of = products(at.folder, at.threads or cores())
    turns = [in_memory(engine, k), in_memory(engine), other("peak", bare(most_of, WIDE))]
    turns += [other("graph", bare(graph, 1, k)), other("graph, frame by frame", bare(graph, 1, 1), k)]
    eight, one, most, graph_8, graph_1 = bench(turns, at.clips[:4], 2 * at.rounds, TOLD)
    ours, peak = k * engine.about.macs.focus, DEEP * WIDE**3 / 1e9 / seconds(most, "total")
    rate, alone = ours / seconds(eight, "focus"), ours / seconds(graph_8, "total")
    what = f"{eight.contender.name}, ResNet-50 at 128, {k} frames a step: {np.median(rate):.0f} GMACs/s, "
    return [
        row("e", f"{what}matrix products {np.median(peak):.0f}", ">= 0.6", rate / peak),
        row("e", f"the same, its bare graph: {np.median(alone):.0f} GMACs/s", "", alone / peak),
        row("e", "1 frame a step beside its bare graph", "<= 1.1", seconds(one, "focus") / seconds(graph_1, "total")),
    ]


@click.command(help=__doc__)
@click.option("--rounds", type=click.IntRange(min=1), default=2, show_default=True)
@click.option("--threads", type=click.IntRange(min=1), default=None, help="Of the networks.")
@click.option("--only", multiple=True, type=click.Choice(["a", "b", "cd", "e"]), help="Some of the targets.")
def main(rounds: int, threads: int | None, only: tuple[str, ...]) -> None:
    if threads is not None:
        torch.set_num_threads(threads)
    targets = {"a": full_frame, "b": with_exits, "cd": small_looks, **({"e": of_peak} if has_bf16() else {})}
    rows, shares = Rows(), dict[str, float]()
    with tempfile.TemporaryDirectory() as folder:
        clips_in(Path(folder), BATCH, HEIGHT)
        at = Bench(Path(folder), sorted(Path(folder).glob("*.webm")), rounds, threads)
        for name in [name for name in targets if name in (only or targets)]:
            began, busy = perf_counter(), process_time()
            rows += targets[name](at)
            shares[name] = (process_time() - busy) / (perf_counter() - began)
    setting = machine_of(nn.Linear(1, 1)) | setting_of([], BATCH, rounds, threads) | {"share": shares}
    click.echo(json.dumps({"setting": setting, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
