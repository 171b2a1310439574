"""gfnet-video convert: a checkpoint that another project published, as a folder of ours."""

from __future__ import annotations

from pathlib import Path

import click

from gfnet_video.cli.main import VERBS

ABOUT = f"""{VERBS["convert"].help}

FILE is what its project lets you download, a pickle of torch; it is read as plain data, and nothing in it is executed.
DST is a new folder, which every other verb takes as --model. What FILE is, its content tells; --from holds it to that.
"""


@click.command("convert", help=ABOUT)
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("folder", metavar="DST", type=click.Path(path_type=Path))
@click.option("--from", "source", default="", help="tsm, tsm-online, gfnet, adafocus or adafocus-v2.")
@click.option(
    "--patch", type=click.IntRange(min=1), default=None, help="Side of the patch, where FILE does not hold it."
)
@click.option("--frames", type=click.IntRange(min=1), default=None, help="Frames a clip.  [default: 8]")
@click.option(
    "--norms",
    type=click.Choice(["batch", "stored"]),
    default=None,
    help="AdaFocus V1's policy normalises by the batch, as its class does, or as its evaluation script has it.",
)
@click.option("--dataset", "name", default=None, help="Name the classes as this data set of the catalog does.")
@click.option("--data", type=click.Path(path_type=Path), default=None, help="Its folder.  [default: as for train]")
@click.option(
    "--classes", type=click.Path(path_type=Path), default=None, help="Name the classes as this file lists them."
)
def command(
    file: Path,
    folder: Path,
    source: str,
    patch: int | None,
    frames: int | None,
    norms: str | None,
    name: str | None,
    data: Path | None,
    classes: Path | None,
) -> None:
    import json

    from gfnet_video.errors import printable
    from gfnet_video.published.convert import convert
    from gfnet_video.published.source import Asked
    from gfnet_video.published.vocabulary import ClassNames, of_dataset, of_file

    if name is not None and classes is not None:
        raise click.UsageError("--dataset and --classes exclude each other")
    if data is not None and name is None:
        raise click.UsageError("--data says where the data set of --dataset lies; give that too")
    vocabulary = ClassNames() if classes is None else of_file(classes)
    vocabulary = vocabulary if name is None else of_dataset(name, data)
    card = convert(file, folder, source=source, asked=Asked(patch or 0, frames or 0, norms or ""), classes=vocabulary)
    told = {name: value for name, value in card.provenance.items() if name != "all_thresholds"}  # a long table
    click.echo(json.dumps(told, indent=1, ensure_ascii=False))
    if not vocabulary.names:
        click.echo(f"class names are unknown: {card.classes[0]} and so on; --dataset or --classes names them", err=True)
    click.echo(f"$ gfnet-video infer VIDEO --model {printable(folder)}", err=True)
