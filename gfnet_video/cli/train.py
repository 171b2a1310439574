"""gfnet-video train: the stages of a config over a data set known by name."""

from __future__ import annotations

from pathlib import Path

import click

from gfnet_video.cli.main import VERBS


@click.command("train", help=VERBS["train"].help)
@click.option(
    "--dataset", "name", required=True, help="A name of the catalog: mini, sthv1, sthv2, jester, activitynet."
)
@click.option(
    "--config", "config_name", default=None, help="A YAML file or a shipped name; default: the data set's own."
)
@click.option("--data", type=click.Path(path_type=Path), default=None, help="Root of the data set.")
@click.option("--run", type=click.Path(path_type=Path), default=None, help="Folder of the run; default: runs/NAME.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a field, as in train.seed=1.")
@click.option("--resume", is_flag=True, help="Go on from the run's last state.")
@click.option("--print-config", is_flag=True, help="Print the resolved config and stop.")
@click.option("--limit", type=click.IntRange(min=1), default=None, help="Train on the first N clips only.")
def command(
    name: str,
    config_name: str | None,
    data: Path | None,
    run: Path | None,
    overrides: tuple[str, ...],
    resume: bool,
    print_config: bool,
    limit: int | None,
) -> None:
    from gfnet_video.config import dump_config, load_config
    from gfnet_video.datasets.catalog import dataset, root_of
    from gfnet_video.training.session import train_session

    row = dataset(name)
    config = load_config(config_path(config_name or row.config), overrides)
    if print_config:
        click.echo(dump_config(config), nl=False)
        return
    root = root_of(row, data)
    folder = train_session(row, config, root, run or Path("runs") / config.name, resume=resume, limit=limit)
    click.echo(f"model written to {folder}", err=True)


def config_path(name: str) -> Path:
    """The YAML file of that path, or the shipped one of that name. Raises ConfigError."""
    from gfnet_video import configs
    from gfnet_video.errors import ConfigError, unknown

    if Path(name).suffix in (".yaml", ".yml"):
        if not Path(name).is_file():
            raise ConfigError(f"{name}: no such config file")
        return Path(name)
    shipped = {p.stem: p for p in Path(configs.__path__[0]).glob("*.yaml")}
    if name not in shipped:
        raise ConfigError(unknown("config", name, shipped))
    return shipped[name]
