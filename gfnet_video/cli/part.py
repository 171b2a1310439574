"""A part of the inputs on the command line."""

from __future__ import annotations

import re

import click


def part(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """A callback: `3/16`, the third of sixteen parts, counted from 1. Raises click.BadParameter."""
    if value is None:
        return None
    found = re.fullmatch(r"(\d+)/(\d+)", value)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise click.BadParameter(f"{value!r} is no part; expected I/N, such as 3/16, from 1/N to N/N")
    return int(found[1]), int(found[2])
