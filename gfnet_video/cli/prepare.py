"""gfnet-video prepare: from an official download to a data set that trains."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gfnet_video.cli.main import VERBS

if TYPE_CHECKING:
    from rich.console import Console

    from gfnet_video.datasets.account import Account

SHOWN = 10  # failed clips on the terminal; all are in account.json


@click.command("prepare", help=VERBS["prepare"].help)
@click.argument("name")
@click.argument("source", type=click.Path(path_type=Path), metavar="SRC")
@click.argument("root", type=click.Path(path_type=Path), metavar="DST")
@click.option("--frames", default=None, metavar="NAMING", help="Extract JPEG frames: tsm, something or mmaction.")
@click.option("--side", type=int, default=256, show_default=True, help="Longest short side of frames; 0: as they are.")
@click.option("--quality", type=int, default=90, show_default=True, help="JPEG quality of frames, 1 to 95.")
@click.option("--dev", type=float, default=0.03, show_default=True, help="Share of the official train for dev.")
@click.option("--calibration", type=float, default=0.03, show_default=True, help="And for calibration.")
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed carves other clips out of train.")
@click.option("--workers", type=click.IntRange(min=1), default=2, show_default=True, help="Processes that decode.")
@click.option("--seconds", type=float, default=300.0, show_default=True, help="Longest time to decode one clip.")
@click.option("--json", "as_json", is_flag=True, help="The account as JSON on stdout.")
def command(
    name: str,
    source: Path,
    root: Path,
    frames: str | None,
    side: int,
    quality: int,
    dev: float,
    calibration: float,
    seed: int,
    workers: int,
    seconds: float,
    as_json: bool,
) -> int:
    import json
    from dataclasses import asdict

    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from gfnet_video.datasets.catalog import dataset
    from gfnet_video.datasets.extract import Style
    from gfnet_video.datasets.prepare import Options, prepare
    from gfnet_video.video.sandbox import Limits

    style = None if frames is None else Style(frames, side, quality)
    shares = {"dev": dev, "calibration": calibration}
    options = Options(shares, seed, workers, Limits(seconds=seconds), style=style)
    notes = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=notes, disable=not notes.is_terminal) as bars:
        tasks = {stage: bars.add_task(stage, total=None) for stage in ("unpack", "link", "examine", "frames")}
        account = prepare(
            dataset(name),
            source,
            root,
            options,
            lambda stage, done, total: bars.update(tasks[stage], completed=done, total=total),
        )
    if as_json:
        click.echo(json.dumps(asdict(account), indent=1, ensure_ascii=False))
    say(account, root, notes)
    return 0 if account.complete else 1


def say(account: Account, root: Path, notes: Console) -> None:
    """The account in words: counts by list, notes, and the first failed clips."""
    lines = [f"{account.dataset}: {account.classes} classes, splits {account.splits}"]
    for name, count in account.lists.items():
        published = f"{count.expected:,}" if count.expected else "unknown"
        lines.append(
            f"{name}: published {published}, listed {count.listed:,}, clips {count.clips:,}: "
            f"{count.found:,} found, {count.bad:,} bad, {count.missing:,} missing"
        )
    lines += [f"note: {note}" for note in account.notes]
    lines += [f"{f.status}: {f.id} ({f.list}): {f.reason}" for f in account.failed[:SHOWN]]
    if len(account.failed) > SHOWN:
        lines.append(f"... and {len(account.failed) - SHOWN:,} more: all are in {root / 'account.json'}")
    for line in lines:
        notes.print(line, markup=False, highlight=False, soft_wrap=True)
