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
engine = click.option(
    "--engine", default="auto", show_default=True, help="auto (the fastest), torch, onnxruntime or openvino."
)
precision = click.option(
    "--precision", default=None, help="float32, bf16, int8 or auto (the faster).  [default: as written]"
)
shrink = click.option(
    "--shrink",
    is_flag=True,
    help="Let libav scale large frames while it converts their colours: sooner, with pixels a little different.",
)
threads = click.option(
    "--threads", type=click.IntRange(min=1), default=None, help="Of the networks.  [default: all processors]"
)
