"""Predictions as a table for people and as JSON for programs."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from gfnet_video.errors import VideoError, printable
from gfnet_video.records import Prediction

Outcome = Prediction | VideoError


def as_dict(outcome: Outcome) -> dict[str, Any]:
    """Plain data of one outcome; a failure keeps its place with `error` for a label."""
    if isinstance(outcome, VideoError):
        return {"path": encodable(outcome.path), "error": outcome.reason}
    return asdict(outcome) | {"path": encodable(outcome.path)}


def encodable(path: str) -> str:
    """The path as text that UTF-8 can hold: bytes of other encodings appear as \\xNN."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def json_line(outcome: Outcome) -> str:
    """One line of JSON."""
    return json.dumps(as_dict(outcome), ensure_ascii=False)


def print_table(outcomes: Sequence[Outcome], console: Console) -> None:
    """One row a video: what it is, how sure, after how many frames, at what cost."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("video", "label", "score", "exit", "decoded", "GMACs", "ms"):
        table.add_column(name, justify="left" if name in ("video", "label") else "right", overflow="fold")
    for outcome in outcomes:
        table.add_row(*_cells(outcome))
    console.print(table)
    of: dict[str, list[str]] = defaultdict(list)
    for outcome in outcomes:
        for warning in outcome.warnings if isinstance(outcome, Prediction) else ():
            of[warning].append(printable(outcome.path))
    for warning, paths in of.items():
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        console.print(f"warning: {paths[0]}{more}: {warning}", markup=False, style="yellow")


def _cells(outcome: Outcome) -> list[str]:
    from rich.markup import escape

    if isinstance(outcome, VideoError):
        return [escape(printable(outcome.path)), f"[red]error: {escape(outcome.reason)}[/red]", "", "", "", "", ""]
    p = outcome
    cells = [printable(p.path), p.label, f"{p.score:.2f}", f"{p.exit_step}/{p.steps}"]
    cells += [str(p.frames_decoded), f"{p.gmacs:.3f}", f"{1000 * p.seconds['total']:.0f}"]
    return [escape(c) for c in cells]
