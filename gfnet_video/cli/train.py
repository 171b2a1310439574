"""gfnet-video train: the stages of a config over a data set known by name, or over clips of one's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gfnet_video.cli.main import VERBS

if TYPE_CHECKING:
    from gfnet_video.config import Config
    from gfnet_video.datasets.source import OwnSource, Source

PATH = click.Path(path_type=Path)


@click.command("train", help=VERBS["train"].help)
@click.argument("source", required=False, type=PATH)
@click.option(
    "--dataset",
    "name",
    default=None,
    help="A name of the catalog: mini, sthv1, sthv2, jester, activitynet, imagefolder.",
)
@click.option(
    "--config", "config_name", default=None, help="A YAML file or a shipped name; default: the data set's own."
)
@click.option("--data", type=PATH, default=None, help="Root of the data set; for a list, where its paths start.")
@click.option("--classes", type=PATH, default=None, help="What a list's ids stand for: one name a line, or a JSON.")
@click.option("--val", type=PATH, default=None, help="A second list, to measure on.")
@click.option("--run", type=PATH, default=None, help="Folder of the run; default: runs/NAME.")
@click.option(
    "--init",
    "initial",
    default=None,
    metavar="MODEL",
    help="Begin from a checkpoint's folder, taking all that fits, from a timm name, or a weight file; the head is new.",
)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a field, as in train.seed=1.")
@click.option("--device", default="auto", show_default=True, help="auto: a GPU where there is one; or cpu, cuda:1.")
@click.option("--resume", is_flag=True, help="Go on from the run's last state.")
@click.option("--dry-run", is_flag=True, help="Decode all clips, say what would be trained, write nothing.")
@click.option("--print-config", is_flag=True, help="Print the resolved config and stop.")
@click.option("--limit", type=click.IntRange(min=1), default=None, help="Train on the first N clips only.")
def command(
    source: Path | None,
    name: str | None,
    config_name: str | None,
    data: Path | None,
    classes: Path | None,
    val: Path | None,
    run: Path | None,
    initial: str | None,
    overrides: tuple[str, ...],
    device: str,
    resume: bool,
    dry_run: bool,
    print_config: bool,
    limit: int | None,
) -> int:
    from gfnet_video.config import dump_config, load_config
    from gfnet_video.datasets.catalog import dataset, root_of
    from gfnet_video.datasets.own import name_of
    from gfnet_video.datasets.source import IMAGE_CONFIG, CatalogSource
    from gfnet_video.training.session import train_session

    if (source is None) == (name is None):
        raise click.UsageError("give either SOURCE, a folder or a list of your clips, or --dataset NAME")
    overrides = (*begins(initial), *overrides)
    opened: Source
    if name is not None and (classes is not None or val is not None):
        raise click.UsageError("--classes and --val belong to a list of your own clips")
    pictures = name == "imagefolder"
    if pictures:
        source, data = root_of(dataset("imagefolder"), data), None
    if source is not None:
        run = run or Path("runs") / name_of(source)
        begun = resume and (run / "last.pt").is_file() and (run / "manifest.jsonl").is_file()
        kept = run if begun else None  # the clips that the run began with
        if pictures:
            config_name = config_name or IMAGE_CONFIG
        opened, config = _own(kept or source, config_name, data, classes, val, overrides, pictures)
    else:
        row = dataset(str(name))
        opened = CatalogSource(row, root_of(row, data))
        config = load_config(config_path(config_name or row.config), overrides)
    if print_config:
        click.echo(dump_config(config), nl=False)
        return 0
    if dry_run:
        return _dry_run(opened, config, limit)
    place = run or Path("runs") / config.name
    try:
        train_session(opened, config, place, resume=resume, limit=limit, device=device)
    except KeyboardInterrupt:
        saved = (place / "last.pt").is_file()
        ahead = "go on with --resume" if saved else "nothing was saved yet, the same command begins anew"
        click.echo(f"interrupted; {ahead}", err=True)
        raise
    return 0


def begins(initial: str | None) -> tuple[str, ...]:
    """What `--init` sets: a checkpoint, of which all that fits is taken, or weights for the backbones alone."""
    from gfnet_video import hub
    from gfnet_video.checkpoint import list_models

    if initial is None:
        return ()
    whole = initial and (Path(initial).is_dir() or hub.on_hub(initial) or initial in list_models())
    return (f"train.{'initial_model' if whole else 'initial'}={json.dumps(initial)}",)


def _own(
    source: Path,
    config_name: str | None,
    data: Path | None,
    classes: Path | None,
    val: Path | None,
    overrides: tuple[str, ...],
    pictures: bool,
) -> tuple[OwnSource, Config]:
    """Clips of one's own and a config for them: the one that is asked for as it is, or the shipped one, fitted."""
    from gfnet_video.config import load_config
    from gfnet_video.datasets.own import open_own
    from gfnet_video.datasets.source import IMAGE_CONFIG, OWN_CONFIG
    from gfnet_video.training.plan import plan_own

    seed = load_config(config_path(config_name or OWN_CONFIG), overrides).train.seed
    opened = open_own(source, root=data, class_file=classes, val=val, seed=seed, pictures=pictures)
    chosen = config_name or opened.config
    return opened, plan_own(opened, config_path(chosen), overrides, fit=chosen in (OWN_CONFIG, IMAGE_CONFIG))


def _dry_run(source: Source, config: Config, limit: int | None) -> int:
    """Everything said on stdout; 1 where clips are bad."""
    import sys

    from rich.console import Console
    from rich.progress import Progress, TextColumn, TimeElapsedColumn

    from gfnet_video.training.dry_run import dry_run

    out = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 160)
    notes = Console(stderr=True)
    columns = TextColumn("decoding clips: {task.completed}"), TimeElapsedColumn()
    with Progress(*columns, console=notes, disable=not notes.is_terminal, transient=True) as bar:
        task = bar.add_task("")
        bad = dry_run(source, config, out, limit=limit, seen=lambda: bar.advance(task))
    return 1 if bad else 0


def config_path(name: str) -> Path:
    """The YAML file of that path, or the shipped one of that name. Raises ConfigError."""
    from gfnet_video.errors import ConfigError, unknown

    if _is_yaml(name):
        if not Path(name).is_file():
            raise ConfigError(f"{name}: no such config file")
        return Path(name)
    if name not in (known := shipped()):
        raise ConfigError(unknown("config", name, known))
    return known[name]


def is_config(name: str) -> bool:
    """Whether a name, of a model or of a config, is one that `config_path` takes."""
    return _is_yaml(name) or (name in shipped() and not Path(name).is_dir())


def shipped() -> dict[str, Path]:
    """The configs that come with the package, by name."""
    from gfnet_video import configs

    return {p.stem: p for p in Path(configs.__path__[0]).glob("*.yaml")}


def _is_yaml(name: str) -> bool:
    return Path(name).suffix in (".yaml", ".yml")
