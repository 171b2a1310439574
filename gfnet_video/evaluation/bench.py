"""Who is how fast, from files to answers: contenders take turns on the same clips, round by round.

All is measured end to end in one process; what the machine does besides falls on all alike. A ratio is that of two
contenders' milliseconds in the same round, so it comes with a spread; none is worked out from multiply-adds.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from gfnet_video.checkpoint import Recogniser
from gfnet_video.engines.engine import Engine
from gfnet_video.engines.folder import READERS, exported, read_export
from gfnet_video.engines.opening import open_engine, open_exported
from gfnet_video.engines.precisions import pairs
from gfnet_video.engines.sessions import EXTRAS, installed
from gfnet_video.engines.torch_engine import TorchEngine
from gfnet_video.errors import ConfigError, unknown
from gfnet_video.evaluation.bench_rivals import RANDOM, Peer, static_tsms
from gfnet_video.evaluation.bench_runs import Contender, Run, run_engine
from gfnet_video.inference.export import export
from gfnet_video.nn.exit_rule import ExitRule

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Scores:
    """A contender's runs, round by round, and the process's highest resident memory in its turns; None: unknown."""

    contender: Contender
    rounds: tuple[tuple[Run, ...], ...]
    peak_mb: float | None

    def ms(self, number: int) -> float:
        """Milliseconds a clip in a round."""
        runs = self.rounds[number]
        return 1000 * sum(r.seconds["total"] for r in runs) / sum(r.clips for r in runs)


def bench(
    contenders: Sequence[Contender], paths: Sequence[Path], rounds: int, told: Callable[[str], None]
) -> list[Scores]:
    """Every contender runs all clips in every round, after one round that warms up; each round begins with another."""
    found: list[list[tuple[Run, ...]]] = [[] for _ in contenders]
    peaks: list[float | None] = [None] * len(contenders)
    for number in range(rounds + 1):
        told(f"round {number} of {rounds}" if number else "warming up")
        for turn in range(len(contenders)):
            place = (turn + number) % len(contenders)
            one = contenders[place]
            fresh = _peak_from_here()
            runs = tuple(one.run(some) for some in _batches(paths, one.batch))
            if number:
                found[place].append(runs)
                peaks[place] = max(peaks[place] or 0.0, _peak_mb()) if fresh else None
    return [Scores(c, tuple(f), p) for c, f, p in zip(contenders, found, peaks, strict=True)]


def _batches(paths: Sequence[Path], size: int) -> Iterator[Sequence[Path]]:
    """So many clips at a time; the last batch is filled up with the first clips, so that all are of one size."""
    for start in range(0, len(paths), size):
        batch = paths[start : start + size]
        yield [*batch, *paths[: size - len(batch)]]


@contextmanager
def opened(
    names: Sequence[str],
    engines: Sequence[str],
    threads: int | None,
    paths: Sequence[Path],
    told: Callable[[str], None],
    *,
    side: int | None = None,
    bf16: bool = False,
) -> Iterator[list[tuple[Engine, str]]]:
    """(engine, kind) of models and of the static networks of the first one's backbones, on each engine asked for, or
    all that are installed; side: of the models' patches, None for their own. What other engines than torch need is
    exported to a folder that is removed at the end. bf16: what is exported in float32 in that precision too.

    Raises ConfigError for an unknown engine, and what `export` and `open_engine` raise.
    """
    if wrong := [e for e in engines if e not in ("torch", *EXTRAS)]:
        raise ConfigError(unknown("engine", wrong[0], ("torch", *EXTRAS)))
    wanted = engines or ["torch", *(e for e in EXTRAS if installed(e))]
    if bf16 and "openvino" not in wanted:
        raise ConfigError(f"bf16 is computed by openvino, but the engines are {', '.join(wanted)}")
    with TemporaryDirectory() as scratch:
        nets = [open_engine(name, "auto", threads, side=side) for name in names]
        models = [net.model for net in nets if isinstance(net, TorchEngine)]
        rivals, found = static_tsms(nets[0].about.config), list[tuple[Engine, str]]()
        for kind, model in [*(("gfnet", m) for m in models), *(("static", m) for m in rivals)]:
            folder = Path(scratch) / str(len(found))
            found += [(e, kind) for e in _on_engines(model, folder, wanted, threads, paths, told)]
            if bf16 and kind == "gfnet":
                found += [(e, kind) for e in _of_folder(folder, wanted, threads, "bf16")]
        for name in filter(exported, names):
            found += [(e, "gfnet") for e in _of_folder(Path(name), wanted, threads)]
            if bf16 and read_export(Path(name)).about.precision == "float32":
                found += [(e, "gfnet") for e in _of_folder(Path(name), wanted, threads, "bf16")]
        if not any(kind == "gfnet" for _, kind in found):
            raise ConfigError(f"none of the engines {', '.join(wanted)} runs {', '.join(names)}")
        yield found


def _on_engines(
    model: Recogniser,
    folder: Path,
    engines: Sequence[str],
    threads: int | None,
    paths: Sequence[Path],
    told: Callable[[str], None],
) -> list[Engine]:
    found: list[Engine] = [TorchEngine(model)] if "torch" in engines else []
    if any(e in EXTRAS for e in engines):
        told(f"exporting {model.card.config.name}")
        export(model, folder, "onnx", paths[:1])
        found += _of_folder(folder, engines, threads)
    return found


def _of_folder(folder: Path, engines: Sequence[str], threads: int | None, precision: str | None = None) -> list[Engine]:
    written = read_export(folder)
    able = [e for e in engines if e in READERS[written.form]]
    return [
        open_exported(folder, written, e, threads, p)
        for e, p in pairs(able, written.about.precision, precision, folder)
    ]


def contenders_of(
    opened: Sequence[tuple[Engine, str]],
    rule: ExitRule | None,
    batches: Sequence[int],
    chunks: Sequence[int],
    peers: Sequence[Peer],
) -> list[Contender]:
    """Each model on each engine, at each batch and chunk, with its exits and at the first chunk without any; static
    networks take a whole clip at once, which is when they are fastest. rule: in the place of the model's own."""
    found = []
    for engine, kind in opened:
        about = engine.about
        for batch in batches:
            if kind == "static":
                never = ExitRule.never(about.config.steps)
                run = partial(run_engine, engine, never, about.config.frames)
                found.append(Contender(about.model, kind, engine.name, batch, about.config.frames, run, RANDOM))
                continue
            own, never = rule or about.rule, ExitRule.never(about.config.steps, about.rule.temperatures)
            for chunk, exits, used in [*((c, "exits", own) for c in chunks), (chunks[0], "all looks", never)]:
                run = partial(run_engine, engine, used, chunk)
                named = about.model if about.precision == "float32" else f"{about.model} {about.precision}"
                found.append(Contender(f"{named}, {exits}", kind, engine.name, batch, chunk, run))
    return found + [peer.contender(batch) for peer in peers for batch in batches]


def _peak_from_here() -> bool:
    """Forget the highest resident memory so far (Linux, proc(5)); whether that could be done."""
    try:
        CLEAR.write_text("5")
    except OSError:
        return False
    return True


def _peak_mb() -> float:
    for line in STATUS.read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
