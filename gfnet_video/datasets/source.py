"""Where a run's clips come from: a data set of the catalog, or clips of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from gfnet_video.datasets.annotations import read_manifest, splits_of
from gfnet_video.datasets.catalog import CATALOG, Dataset
from gfnet_video.datasets.manifest import Manifest
from gfnet_video.datasets.manifest_file import NAME, Entry, Head, read_entries, split_of, write_entries
from gfnet_video.errors import ConfigError, DataError, printable, unknown

OWN_CONFIG = "folder_mobilenetv2_gfnet"
IMAGE_CONFIG = "imagefolder_mobilenetv2_gfnet"
ORDER = ("train", "dev", "calibration", "test")
TO_CALIBRATE = 48  # clips; exit thresholds want 40 that can be read, and whole groups do not part evenly
ENOUGH = 320  # clips to be parted, of which so many are set apart; datasets/own.py has the shares
WHOLE = "all"  # the split that holds every clip of a source, which no training has parted


class Source(Protocol):
    """Manifests by split. `config` names the shipped config that suits; `notes` are for whoever starts a run."""

    @property
    def name(self) -> str: ...

    @property
    def config(self) -> str: ...

    @property
    def notes(self) -> tuple[str, ...]: ...

    @property
    def splits(self) -> tuple[str, ...]: ...

    def manifest(self, split: str, expected: tuple[str, ...] | None = None) -> Manifest:
        """One split. expected: a model's classes. Raises ConfigError, DataError."""

    def cache(self, run: Path) -> Path:
        """Where decoded frames are kept: beside the data where that is ours, else in the run's folder."""


@dataclass(frozen=True)
class CatalogSource:
    """A data set known by name, at `root`."""

    row: Dataset
    root: Path
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.row.name

    @property
    def config(self) -> str:
        return self.row.config

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(splits_of(self.row, self.root))

    def manifest(self, split: str, expected: tuple[str, ...] | None = None) -> Manifest:
        return read_manifest(self.row, self.root, split, expected)

    def cache(self, run: Path) -> Path:
        return self.root / "cache"


@dataclass(frozen=True)
class OwnSource:
    """Clips of one's own. carved: this program parted them, so that another seed or more clips part them otherwise."""

    name: str
    manifests: Mapping[str, Manifest]
    config: str = OWN_CONFIG
    notes: tuple[str, ...] = ()
    carved: bool = False

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(split for split in (*ORDER, WHOLE) if split in self.manifests)

    def manifest(self, split: str, expected: tuple[str, ...] | None = None) -> Manifest:
        if split not in self.manifests:
            raise ConfigError(
                f"unknown split of {self.name} {split!r}: {self._uncalibrated()}"
                if split == "calibration"
                else unknown(f"split of {self.name}", split, self.splits)
            )
        found = self.manifests[split]
        return found if expected is None else renumbered(found, expected, self.name)

    def cache(self, run: Path) -> Path:
        return run / "cache"

    def _uncalibrated(self) -> str:
        """Why no clips are there to calibrate on, and what to do."""
        clips = sum(map(len, self.manifests.values()))
        few = (
            f"its {clips} clips were too few to set some apart (expected {ENOUGH} to be parted, of them {TO_CALIBRATE})"
        )
        why = few if clips < ENOUGH else "none of its clips were set apart"
        return f"{why}; let exits follow a confidence, infer --confidence 0.9, or add clips and train anew"


def renumbered(manifest: Manifest, classes: tuple[str, ...], name: str) -> Manifest:
    """The same clips labelled as a model numbers `classes`, by name. Raises DataError for names it does not know."""
    if manifest.classes == classes:
        return manifest
    strangers = [k for k in manifest.classes if k not in classes]
    if strangers:
        raise DataError(
            f"{printable(name)}: the model does not know {len(strangers)} of its {len(manifest.classes)} classes: "
            + unknown("class", strangers[0], classes)
        )
    places = np.array([classes.index(k) for k in manifest.classes], np.int64)
    further = manifest.further.copy()
    further[:, 1] = places[further[:, 1]]
    return replace(manifest, classes=classes, labels=places[manifest.labels], further=further)


def open_prepared(root: Path) -> OwnSource:
    """A folder with a manifest.jsonl, as `prepare` and a training run leave it. Raises DataError."""
    head, entries = read_entries(root)
    present = {entry.split for entry in entries}
    missing = [split for split in ("train", "dev") if split not in present]
    if missing:
        raise DataError(f"{printable(root / NAME)}: holds no clip of split {missing[0]!r}; make it anew with prepare")
    manifests = {s: split_of(root, head, entries, s, keep_bad=s != "train") for s in ORDER if s in present}
    row = CATALOG.get(head.dataset)
    spoilt = sum(entry.status != "ok" for entry in entries)
    notes = (f"{spoilt} of {len(entries)} clips are bad or missing: left out of train, counted as wrong elsewhere",)
    official = row is not None and row.classes == len(head.classes)  # a folder of one's own may be called mini
    config = row.config if row is not None and official else OWN_CONFIG
    return OwnSource(head.dataset, manifests, config, notes if spoilt else ())


def keep_split(source: OwnSource, run: Path) -> Path:
    """Write how the clips were parted into the run's folder, which is a source itself from then on."""
    first = source.manifests["train"]
    head = Head(source.name, first.classes, first.template)
    return write_entries(run, head, (e for s in source.splits for e in _entries(source.manifests[s])))


def _entries(manifest: Manifest) -> list[Entry]:
    also: dict[int, list[int]] = {}
    for i, k in manifest.further.tolist():
        also.setdefault(i, []).append(k)
    return [
        Entry(
            manifest.id(i),
            str(manifest.path(i).absolute()),
            int(manifest.labels[i]),
            manifest.split,
            frames=int(manifest.frames[i]),
            span=_span(manifest, i),
            further=tuple(also.get(i, ())),
        )
        for i in range(len(manifest))
    ]


def _span(manifest: Manifest, index: int) -> tuple[float, float] | None:
    start, end = map(float, manifest.spans[index])
    return None if np.isnan(start + end) else (start, end)
