"""A part of a whole on the command line, with its sign: a plain number could mean 1 % or 100 %."""

from __future__ import annotations

import re

import click


def percent(ctx: click.Context, param: click.Parameter, value: str) -> float:
    """A callback: `1%` or `0.5%`, more than 0 % and less than 100 %, as a part of 1. Raises click.BadParameter."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*%\s*", value)
    if not found:
        raise click.BadParameter(f"{value!r} is no percentage; write it with its sign, such as 1% or 0.5%")
    part = float(found[1]) / 100
    if not 0 < part < 1:
        raise click.BadParameter(f"{value!r} is out of range; expected more than 0% and less than 100%")
    return part
