"""gfnet-video check: what is wrong with which video, each decoded whole in a process that may hang or crash."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from gfnet_video.cli.infer import note
from gfnet_video.cli.main import VERBS
from gfnet_video.cli.progress import tracked

if TYPE_CHECKING:
    from rich.console import Console

    from gfnet_video.video.probe import Verdict
    from gfnet_video.video.sandbox import Limits

POSITIVE = click.IntRange(min=1)


@click.command("check", help=VERBS["check"].help)
@click.argument("inputs", nargs=-1, required=True)
@click.option("--workers", type=POSITIVE, default=None, help="Processes that decode; as many as cores if not given.")
@click.option("--min-frames", type=POSITIVE, default=1, show_default=True, help="Fewer make a video too short.")
@click.option("--limit-seconds", type=float, default=None, help="Wall clock of decoding one video.  [default: 60]")
@click.option("--limit-pixels", type=int, default=None, help="Pixels of one frame.  [default: 8K]")
@click.option("--limit-frames", type=int, default=None, help="Frames of one video.  [default: 200000]")
@click.option("--limit-bytes", type=int, default=None, help="Bytes of one file.  [default: 8 GiB]")
@click.option("--limit-memory", type=int, default=None, help="Bytes of memory of one process.  [default: 4 GiB]")
@click.option("--json", "as_json", is_flag=True, help="One JSON list on stdout.")
@click.option("--jsonl", is_flag=True, help="One JSON object a line on stdout, as each video is done.")
@click.option("--quarantine", is_flag=True, help="Write DIR/quarantine.jsonl: what training is to leave out.")
def command(
    inputs: tuple[str, ...],
    workers: int | None,
    min_frames: int,
    as_json: bool,
    jsonl: bool,
    quarantine: bool,
    **limits: float | None,
) -> int:
    import json

    from rich.console import Console

    from gfnet_video.datasets.findings import verdicts_on
    from gfnet_video.datasets.quarantine import write_quarantine

    if as_json and jsonl:
        raise click.UsageError("--json and --jsonl exclude each other")
    if quarantine and (len(inputs) != 1 or not os.path.isdir(inputs[0])):
        raise click.UsageError("--quarantine writes the list of one folder; name that folder alone")
    groups, notes = listed(inputs), Console(stderr=True)
    total = sum(len(group.paths) for group in groups)
    verdicts = (
        verdict
        for group in groups
        for verdict in verdicts_on(
            group.paths,
            template=group.template,
            fps=group.fps,
            limits=limits_of(limits),
            workers=max(1, min(workers or os.cpu_count() or 1, len(group.paths))),
            min_frames=min_frames,
        )
    )
    found: list[Verdict] = []
    for verdict in tracked(verdicts, "checking", total, notes, hidden=jsonl and sys.stdout.isatty()):
        found.append(verdict)
        if jsonl:
            click.echo(json.dumps(as_dict(verdict), ensure_ascii=False))
    if as_json:
        click.echo(json.dumps([as_dict(v) for v in found], indent=1, ensure_ascii=False))
    elif not jsonl:
        print_table(found, Console(file=sys.stdout, width=None if sys.stdout.isatty() else 160))
    if quarantine:
        notes.print(f"quarantine: {write_quarantine(Path(inputs[0]), found)}", markup=False, soft_wrap=True)
    notes.print(account(found), markup=False, soft_wrap=True)
    return 0 if all(v.status == "ok" for v in found) else 1


class Group(NamedTuple):
    """Videos, or folders of frames named by `template` that come `fps` a second (0: nobody knows)."""

    paths: list[Path]
    template: str = ""
    fps: float = 0.0


def listed(inputs: Sequence[str]) -> list[Group]:
    """The videos of folders, globs and files; of a folder that holds a prepared data set, the clips of its manifest."""
    from gfnet_video.datasets import manifest_file
    from gfnet_video.datasets.catalog import CATALOG
    from gfnet_video.inference.files import find_videos

    groups: list[Group] = []
    for name in inputs:
        if os.path.isfile(os.path.join(name, manifest_file.NAME)):
            head, entries = manifest_file.read_entries(Path(name))
            row = CATALOG.get(head.dataset)
            paths = [Path(name) / path for path in dict.fromkeys(e.path for e in entries)]
            groups.append(Group(paths, head.template, row.fps if row else 0.0))
        else:
            groups.append(Group(find_videos([name], note)))
    return groups


def limits_of(options: dict[str, float | None]) -> Limits:
    """Limits from the options that were given."""
    from gfnet_video.video.sandbox import Limits

    given = {name.removeprefix("limit_"): value for name, value in options.items() if value is not None}
    return Limits(**given)  # type: ignore[arg-type]


def as_dict(verdict: Verdict) -> dict[str, Any]:
    """Plain data, with a path that UTF-8 can hold."""
    from dataclasses import asdict

    from gfnet_video.inference.report import encodable

    return asdict(verdict) | {"path": encodable(verdict.path)}


def print_table(verdicts: Sequence[Verdict], console: Console) -> None:
    """One row a video: its verdict, what it is, and why or what is odd."""
    from rich.markup import escape
    from rich.table import Table

    from gfnet_video.errors import printable

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("video", "verdict", "frames", "fps", "seconds", "size", "reason"):
        table.add_column(name, justify="right" if name in ("frames", "fps", "seconds", "size") else "left")
        table.columns[-1].overflow = "fold"
    for v in verdicts:
        word = "[green]ok[/green]" if v.status == "ok" else f"[red]{v.kind}[/red]"
        numbers = (
            (str(v.frames), f"{v.fps:.4g}", f"{v.duration:.2f}", f"{v.width}x{v.height}") if v.frames else [""] * 4
        )
        why = "; ".join(part for part in (v.reason, *v.notes) if part)
        table.add_row(escape(printable(v.path)), word, *(numbers if v.frames else [""] * 4), escape(printable(why)))
    console.print(table)


def account(verdicts: Sequence[Verdict]) -> str:
    """How many of each: `12 videos: 10 ok, 1 missing, 1 truncated`."""
    counts = Counter(v.kind or "ok" for v in verdicts)
    parts = [f"{counts.pop('ok', 0)} ok", *(f"{n} {kind}" for kind, n in sorted(counts.items()))]
    return f"{len(verdicts)} videos: {', '.join(parts)}"
