"""What the classes of a published checkpoint are called: as the user says, or numbers; never guessed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gfnet_video.datasets.catalog import dataset, root_of
from gfnet_video.datasets.class_file import read_class_file
from gfnet_video.datasets.class_names import class_names
from gfnet_video.errors import ConfigError

UNKNOWN = "unknown"


@dataclass(frozen=True)
class ClassNames:
    """names: in the order of the classes, none where nobody knows them; told: whose they are, for the card."""

    names: tuple[str, ...] = ()
    told: str = UNKNOWN
    dataset: str = UNKNOWN


def of_dataset(name: str, root: Path | None = None) -> ClassNames:
    """The names of a data set of the catalog as TSM's tools number them, after whose lists TSM and AdaFocus learned.

    They sort the names of Something-Something V1 and of Jester, whose own files have another order; those of
    Something-Something V2 keep its ids. Raises ConfigError for an unknown data set, DataError where its names are not
    on this machine.
    """
    row = dataset(name)
    names = class_names(row, root_of(row, root))
    if row.layout in ("sthv1", "jester"):
        return ClassNames(tuple(sorted(names)), f"{name}, sorted as TSM's tools do", name)
    return ClassNames(names, name, name)


def of_file(file: Path) -> ClassNames:
    """The names that a file lists, one a line or as JSON. Raises DataError."""
    return ClassNames(read_class_file(file), f"from {file.name}")


def named(classes: ClassNames, count: int) -> tuple[str, ...]:
    """Names for `count` classes, class_000 and so on where nobody knows them. Raises ConfigError for another number."""
    if not classes.names:
        return tuple(f"class_{i:03}" for i in range(count))
    if len(classes.names) != count:
        raise ConfigError(
            f"{len(classes.names)} class names ({classes.told}), but the file's model tells {count} classes apart; "
            "name its own data set, or leave --dataset and --classes out"
        )
    return classes.names
