"""Which clips a model may be measured on: not those it was trained on."""

from __future__ import annotations

import contextlib
from pathlib import Path

from gfnet_video.datasets.catalog import dataset, root_of
from gfnet_video.datasets.manifest import Manifest
from gfnet_video.datasets.own import open_own, open_whole
from gfnet_video.datasets.source import WHOLE, CatalogSource, Source
from gfnet_video.errors import ConfigError, DataError, printable
from gfnet_video.records import Parting


def open_held_out(
    parting: Parting,
    own: Path | None,
    name: str | None,
    split: str,
    *,
    data: Path | None = None,
    class_file: Path | None = None,
) -> Source:
    """A source to measure a model on, whose training clips were so parted off: clips of one's own, or a data set of the
    catalog by name.

    A folder that is parted here is parted as in training; where that gives other training clips than the model's, the
    others may have been trained on too, which is a DataError. Split `all` is every clip of a folder or list, on the
    word of whoever asks that none was trained on. Raises ConfigError unless exactly one source is named.
    """
    if (own is None) == (name is None):
        raise ConfigError("give either SOURCE, a folder or a list of your clips, or --dataset NAME")
    pictures = name == "imagefolder"
    if own is None:
        row = dataset(str(name))
        if not pictures:
            return CatalogSource(row, root_of(row, data))
        own, data = root_of(row, data), None
    if split == WHOLE:
        return open_whole(own, root=data, class_file=class_file, pictures=pictures)
    opened = open_own(own, root=data, class_file=class_file, seed=parting.seed, pictures=pictures)
    if opened.carved and opened.manifest("train").digest() != parting.digest:
        raise DataError(
            f"{printable(own)}: is not parted into splits, and its clips are not those the model was trained on: some "
            "to be measured on may have been trained on; name the run's folder (runs/NAME keeps its split), or, where "
            "none was trained on, take all with --split all"
        )
    return opened


def open_unseen(
    parting: Parting, own: Path | None, name: str | None, split: str, *, data: Path | None = None
) -> Source:
    """As `open_held_out`, to set thresholds on: a model is surer of clips that it was trained on than of any others.

    Split `train` is a ConfigError; `all` of a folder whose training clips are known to be the model's a DataError.
    """
    if split == "train":
        raise ConfigError(
            "split is 'train'; expected clips the model was never trained on, for it is surer of those it was: leave "
            "out --split for those that were set apart, or name a folder of other clips with --split all"
        )
    opened = open_held_out(parting, own, name, split, data=data)
    if split == WHOLE and not isinstance(opened, CatalogSource):
        trained = None
        with contextlib.suppress(ConfigError, DataError):  # what cannot be trained on as it is was not
            trained = open_held_out(parting, own, name, "train", data=data).manifest("train")
        if trained is not None:
            check_unseen(trained, parting, opened.name)
    return opened


def check_unseen(manifest: Manifest, parting: Parting, name: str) -> None:
    """Raise DataError where these are the very clips a model was trained on, as far as that was noted."""
    if manifest.digest() == parting.digest:
        raise DataError(
            f"{printable(name)}: holds the {len(manifest)} clips that the model was trained on, of which it is surer "
            "than of others; expected clips it never saw: the split calibration of the run's folder, or other clips"
        )
