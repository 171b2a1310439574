"""From a published file to a checkpoint folder of ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from gfnet_video.checkpoint import Card, save
from gfnet_video.config import Config, TrainConfig
from gfnet_video.errors import CheckpointError, ConfigError, printable, unknown
from gfnet_video.files import sha256_of
from gfnet_video.model import GFNet
from gfnet_video.nn.exit_rule import ExitRule
from gfnet_video.published.adafocus import V1, V2
from gfnet_video.published.fitting import fill
from gfnet_video.published.gfnet import GFNET
from gfnet_video.published.reading import read_pickle
from gfnet_video.published.source import Asked, Held, Published, Source
from gfnet_video.published.tsm import ONLINE, TSM
from gfnet_video.published.vocabulary import UNKNOWN, ClassNames, named

SOURCES = {source.name: source for source in (TSM, ONLINE, GFNET, V1, V2)}


def convert(
    file: Path, folder: Path, *, source: str = "", asked: Asked | None = None, classes: ClassNames | None = None
) -> Card:
    """Read `file`, rebuild its model and write it to `folder` as a checkpoint of ours; returns the card.

    source: a row of SOURCES, recognised by content where it is empty. Raises CheckpointError for what cannot be read,
    recognised or fitted, ConfigError for what was asked wrongly or not at all.
    """
    asked, classes = asked or Asked(), classes or ClassNames()
    if (folder / "config.json").exists():
        raise ConfigError(f"{printable(folder)}: holds a checkpoint already; name a new folder")
    held = read_pickle(file)
    kind = recognised(held, file, source)
    _check(asked, kind)
    found = kind.read(held, asked, str(file))
    names = named(classes, found.config.classes)
    model = GFNet(found.config).eval()
    left = fill(model, found.names(model), found.tensors, spare=found.spare, where=str(file))
    card = _card(file, kind, found, classes, names, left)
    save(folder, model, card)
    return card


def recognised(held: Held, file: Path, asked: str = "") -> Source:
    """The kind of checkpoint that a file's content is, which must be the one asked for, where one is.

    Raises ConfigError for an unknown kind, CheckpointError where the content is of another, of none or of several.
    """
    if asked and asked not in SOURCES:
        raise ConfigError(unknown("source", asked, SOURCES))
    fitting = [source for source in SOURCES.values() if source.fits(held) and asked in ("", source.name)]
    if len(fitting) == 1:
        return fitting[0]
    kinds = ", ".join(f"{s.name} ({s.project})" for s in fitting or SOURCES.values())
    if fitting:
        said = f"could be several; say which by --from: {kinds}"
    else:
        said = f"is not of kind {asked}" if asked else f"is of no known kind; known: {kinds}"
    shown = ", ".join(printable(key) for key in list(held)[:8])
    raise CheckpointError(f"{printable(file)}: {said}; it holds {shown or 'nothing'}")


def _check(asked: Asked, kind: Source) -> None:
    for name in (f.name for f in fields(asked)):
        if getattr(asked, name) and name not in kind.takes:
            raise ConfigError(f"--{name} means nothing to {kind.name} ({kind.project}): leave it out")


def _card(
    file: Path, kind: Source, found: Published, classes: ClassNames, names: Sequence[str], left: Sequence[str]
) -> Card:
    config = Config(classes.dataset, found.config, TrainConfig(()), f"{kind.name}_{file.stem}")
    about: dict[str, Any] = {
        "published_by": kind.project,
        "file": file.name,
        "sha256": sha256_of(file),
        **({} if classes.dataset == UNKNOWN else {"dataset": classes.dataset}),
        "class_names": classes.told,
        "left_out": list(left),
        **(found.told or {}),
    }
    return Card(config, tuple(names), found.rule or ExitRule.never(found.config.steps), provenance=about)
