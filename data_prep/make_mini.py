"""Make the data set `mini`, or `mini-image`: python data_prep/make_mini.py data/mini [--kind mini-image]"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from gfnet_video.datasets.mini import generate
from gfnet_video.datasets.mini_kinds import KINDS, MINI
from gfnet_video.errors import GFNetVideoError


def show(done: int, total: int) -> None:
    if done % 50 == 0 or done == total:
        print(f"\r{done} of {total} clips", end="\n" if done == total else "", file=sys.stderr, flush=True)


@click.command()
@click.argument("destination", type=click.Path(path_type=Path))
@click.option("--kind", type=click.Choice(list(KINDS)), default=MINI.name, show_default=True, help="Clips or pictures.")
@click.option("--clips", type=(str, int), multiple=True, help="A split and its clips, as in: --clips train 300.")
@click.option("--workers", default=2, show_default=True, help="Processes.")
@click.option("--seed", default=0, show_default=True, help="Another seed makes other clips.")
def main(destination: Path, kind: str, clips: tuple[tuple[str, int], ...], workers: int, seed: int) -> None:
    """Render handwriting over photographs into DESTINATION, in the layout of Something-Something V2.

    Takes minutes for the default 14,600 clips (about 560 MB) or 11,600 pictures of `mini-image` (about 200 MB);
    interrupted, the same command carries on.
    Where --clips names any split, only the named ones are made.
    """
    try:
        made = generate(
            destination, kind=KINDS[kind], clips=dict(clips) or None, seed=seed, workers=workers, progress=show
        )
        print(made)
    except GFNetVideoError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
