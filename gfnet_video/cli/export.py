"""gfnet-video export: a checkpoint as graphs that onnxruntime or openvino run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gfnet_video.cli.main import VERBS
from gfnet_video.cli.percent import percent

if TYPE_CHECKING:
    from gfnet_video.checkpoint import Recogniser
    from gfnet_video.inference.steps import Material

ABOUT = f"""{VERBS["export"].help}

DIR is a new folder: `gfnet-video infer --model DIR` runs it, without loading PyTorch. Before it is written, every
installed engine that runs it is compared with PyTorch on real clips; where they differ, nothing is written.
Of a model that has learned several sides of patches, the graphs take that of its focus (model.focus.side).

In int8 the glance and the focus are quantised: up to 64 of the clips set the ranges, the others tell how often it
answers as float32 does, and how often it is right where their classes are known (of a data set, a list, or files in
folders with the classes' names). Exits need thresholds of their own then: `gfnet-video calibrate DIR`.
"""


@click.command("export", help=ABOUT)
@click.argument("model")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--to", "form", type=click.Choice(["onnx", "openvino"]), default="onnx", show_default=True)
@click.option("--precision", type=click.Choice(["float32", "bf16", "int8"]), default="float32", show_default=True)
@click.option("--clips", multiple=True, help="Files, folders or globs to compare on.  [default: the bundled clips]")
@click.option("--dataset", "data_name", default=None, help="Of int8, in the place of --clips: a name of the catalog.")
@click.option("--data", type=click.Path(path_type=Path), default=None, help="Root of the data set.")
@click.option("--split", default="calibration", show_default=True, help="Of the data set.")
@click.option("--limit", type=click.IntRange(min=1), default=None, help="Of int8: the first N clips only.")
@click.option(
    "--min-agreement",
    callback=percent,
    metavar="PERCENT",
    default="90%",
    show_default=True,
    help="Clips that int8 must answer as float32 does, for DIR to be written.",
)
def command(
    model: str,
    folder: Path,
    form: str,
    precision: str,
    clips: tuple[str, ...],
    data_name: str | None,
    data: Path | None,
    split: str,
    limit: int | None,
    min_agreement: float,
) -> None:
    import json

    from gfnet_video.checkpoint import CLIPS, load
    from gfnet_video.errors import printable
    from gfnet_video.inference.export import export
    from gfnet_video.inference.export_int8 import export_int8
    from gfnet_video.inference.files import find_videos

    if precision == "bf16":
        raise click.UsageError(
            "bf16 is no graph of its own: export in float32, and run it by `infer --engine openvino --precision bf16`"
        )
    if precision != "int8" and (data_name is not None or data is not None or limit is not None):
        raise click.UsageError("--dataset, --data and --limit are of int8; graphs of float32 are compared on --clips")
    if precision == "int8":
        if bool(clips) == (data_name is not None):
            raise click.UsageError("int8 is calibrated on real clips: give either --clips or --dataset")
        net = load(model)
        found = export_int8(net, folder, form, _material(net, clips, data_name, data, split, limit), min_agreement)
    else:
        found = export(load(model), folder, form, find_videos(clips or [str(CLIPS)]))
    click.echo(json.dumps(found, indent=1))
    for engine, said in found.items():
        click.echo(in_words(engine, said), err=True)
    click.echo(f"$ gfnet-video infer VIDEO --model {printable(folder)}", err=True)


def _material(
    model: Recogniser, clips: tuple[str, ...], name: str | None, data: Path | None, split: str, limit: int | None
) -> Material:
    from gfnet_video.datasets.catalog import dataset, root_of
    from gfnet_video.datasets.source import CatalogSource
    from gfnet_video.engines.torch_engine import TorchEngine
    from gfnet_video.inference.material import material_of, of_manifest

    engine = TorchEngine(model)
    if name is None:
        return material_of(engine, clips, split, limit)
    row = dataset(name)
    return of_manifest(engine, CatalogSource(row, root_of(row, data)).manifest(split, model.card.classes), limit)


def in_words(engine: str, found: dict[str, Any]) -> str:
    """One engine's parity, or its agreement."""
    if "same" not in found:
        return (
            f"{engine} says what torch says on {found['clips']} clips: centres within {found['pixels']:.2g} pixels, "
            f"logits within {found['logits']:.2g} of the largest; {len(found['moved'])} clips near a pixel's edge"
        )
    right = ""
    if found["labelled"]:
        right = (
            f"; top-1 {100 * found['top1']:.1f} %, in float32 {100 * found['torch_top1']:.1f} % "
            f"({found['labelled']} clips with a class)"
        )
    return (
        f"{engine} in int8, its ranges from {found['ranges']} clips, answers as float32 does on "
        f"{100 * found['same']:.1f} % of {found['clips']} others, logits {found['logits']:.2g} apart on average where "
        f"they are {found['scale']:.2g}{right}"
    )
