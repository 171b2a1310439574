"""What a bench times: models, untrained networks of a config and static ones, each on every engine that runs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from gfnet_video.checkpoint import Recogniser
from gfnet_video.config import Config, ModelConfig
from gfnet_video.engines.engine import Engine
from gfnet_video.engines.folder import READERS, exported, read_export
from gfnet_video.engines.opening import open_engine, open_exported
from gfnet_video.engines.precisions import pairs
from gfnet_video.engines.sessions import EXTRAS, installed
from gfnet_video.engines.torch_engine import TorchEngine
from gfnet_video.errors import ConfigError, unknown
from gfnet_video.evaluation.bench_rivals import static_tsms, untrained
from gfnet_video.inference.export import export
from gfnet_video.nn.folding import folded


@dataclass(frozen=True)
class Ways:
    """How models are opened. engines: by name, none for all that are installed; paths: clips, on the first of which
    what is exported is compared with torch; bf16: what is exported in float32 in that precision too."""

    engines: Sequence[str]
    threads: int | None
    paths: Sequence[Path]
    told: Callable[[str], None]
    bf16: bool = False

    def __post_init__(self) -> None:
        if wrong := [e for e in self.engines if e not in ("torch", *EXTRAS)]:
            raise ConfigError(unknown("engine", wrong[0], ("torch", *EXTRAS)))
        if self.bf16 and "openvino" not in self.wanted:
            raise ConfigError(f"bf16 is computed by openvino, but the engines are {', '.join(self.wanted)}")

    @property
    def wanted(self) -> Sequence[str]:
        """The engines to open."""
        return self.engines or ["torch", *(e for e in EXTRAS if installed(e))]


@contextmanager
def opened(names: Sequence[str | Config], ways: Ways, *, side: int | None = None) -> Iterator[list[tuple[Engine, str]]]:
    """(engine, kind) of models, by name, and of untrained networks, by config, and of the static networks of the first
    one's backbones; side: of the models' patches, None for their own. What is exported lies in a folder that is removed
    at the end.

    kind: gfnet | untrained | static. Raises ConfigError where no engine runs any, what `on_engines` and `open_engine`
    raise.
    """
    plain = replace(ways, bf16=False)
    with TemporaryDirectory() as scratch:
        config, models = _models(names, ways.threads, side)
        found, named = list[tuple[Engine, str]](), [name for name in names if isinstance(name, str)]
        for number, (kind, model) in enumerate([*models, *(("static", m) for m in static_tsms(config))]):
            able = on_engines(model, Path(scratch) / str(number), ways if kind != "static" else plain)
            found += [(engine, kind) for engine in able]
        for name in filter(exported, named):
            found += [(engine, "gfnet") for engine in _of_folder(Path(name), ways)]
        if all(kind == "static" for _, kind in found):
            raise ConfigError(f"none of the engines {', '.join(ways.wanted)} runs {', '.join(named)}")
        yield found


def _models(
    names: Sequence[str | Config], threads: int | None, side: int | None
) -> tuple[ModelConfig, list[tuple[str, Recogniser]]]:
    """The first one's config, and what torch runs: checkpoints and untrained networks."""
    if threads is not None:
        torch.set_num_threads(threads)
    configs, models = list[ModelConfig](), list[tuple[str, Recogniser]]()
    for name in names:
        if isinstance(name, Config):
            models.append(("untrained", untrained(name).at_side(side)))
            configs.append(models[-1][1].config)
            continue
        engine = open_engine(name, "auto", threads, side=side)
        configs.append(engine.about.config)
        models += [("gfnet", engine.model)] if isinstance(engine, TorchEngine) else []
    return configs[0], models


def on_engines(model: Recogniser, folder: Path, ways: Ways) -> list[Engine]:
    """A model on each engine, exported to `folder` where it must be. What cannot be exported is run by torch alone,
    and that is told; where engines were named, what `export` raises is raised."""
    found: list[Engine] = [TorchEngine(folded(model))] if "torch" in ways.wanted else []
    if not any(e in EXTRAS for e in ways.wanted):
        return found
    ways.told(f"exporting {model.card.config.name}")
    try:
        export(model, folder, "onnx", ways.paths[:1])
    except ConfigError as refused:
        if ways.engines:
            raise
        ways.told(f"{model.card.config.name} is timed on torch alone: {refused}")
        return found
    return found + _of_folder(folder, ways)


def _of_folder(folder: Path, ways: Ways) -> list[Engine]:
    written = read_export(folder)
    able = [e for e in ways.wanted if e in READERS[written.form]]
    asked = [None, "bf16"] if ways.bf16 and written.about.precision == "float32" else [None]
    found = [pair for precision in asked for pair in pairs(able, written.about.precision, precision, folder)]
    return [open_exported(folder, written, engine, ways.threads, precision) for engine, precision in found]
