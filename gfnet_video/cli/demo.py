"""gfnet-video demo: the bundled model on the bundled, held-out clips, and a picture of what it looked at."""

from __future__ import annotations

from pathlib import Path

import click

from gfnet_video.cli.infer import DEFAULT_MODEL
from gfnet_video.cli.infer import command as infer
from gfnet_video.cli.main import VERBS


@click.command("demo", help=VERBS["demo"].help)
@click.option("--picture", default="demo.png", show_default=True, type=click.Path(path_type=Path))
@click.pass_context
def command(ctx: click.Context, picture: Path) -> int:
    from gfnet_video.checkpoint import CLIPS

    click.echo(
        "These clips are rendered from real handwriting and real photographs; the model never saw them, nor their",
        err=True,
    )
    click.echo("handwriting and photographs. The true label is in each file's name.", err=True)
    click.echo(f"$ gfnet-video infer {CLIPS} --model {DEFAULT_MODEL} --picture {picture}\n", err=True)
    code: int = ctx.invoke(infer, inputs=(str(CLIPS),), name=DEFAULT_MODEL, picture=picture)
    return code
