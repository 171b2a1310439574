"""Options that several verbs share."""

from __future__ import annotations

import click

patch_side = click.option(
    "--patch-side",
    "side",
    type=click.IntRange(min=1),
    default=None,
    metavar="PIXELS",
    help="Side of the patches, one that the model has learned.  [default: its focus.side]",
)
