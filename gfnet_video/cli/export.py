"""gfnet-video export: a checkpoint as graphs that onnxruntime or openvino run."""

from __future__ import annotations

from pathlib import Path

import click

from gfnet_video.cli.main import VERBS

ABOUT = f"""{VERBS["export"].help}

DIR is a new folder: `gfnet-video infer --model DIR` runs it, without loading PyTorch. Before it is written, every
installed engine that runs it is compared with PyTorch on real clips; where they differ, nothing is written.
Of a model that has learned several sides of patches, the graphs take that of its focus (model.focus.side).
"""


@click.command("export", help=ABOUT)
@click.argument("model")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--to", "form", type=click.Choice(["onnx", "openvino"]), default="onnx", show_default=True)
@click.option("--clips", multiple=True, help="Files, folders or globs to compare on.  [default: the bundled clips]")
def command(model: str, folder: Path, form: str, clips: tuple[str, ...]) -> None:
    import json

    from gfnet_video.checkpoint import CLIPS, load
    from gfnet_video.errors import printable
    from gfnet_video.inference.export import export
    from gfnet_video.inference.files import find_videos

    paths = find_videos(clips or [str(CLIPS)])
    parity = export(load(model), folder, form, paths)
    click.echo(json.dumps(parity, indent=1))
    for engine, found in parity.items():
        click.echo(
            f"{engine} says what torch says on {found['clips']} clips: centres within {found['pixels']:.2g} pixels, "
            f"logits within {found['logits']:.2g} of the largest; {len(found['moved'])} clips near a pixel's edge",
            err=True,
        )
    click.echo(f"$ gfnet-video infer VIDEO --model {printable(folder)}", err=True)
