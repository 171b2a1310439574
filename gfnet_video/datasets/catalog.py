"""The data sets known by name: a table, with what a user must know to get each one."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from gfnet_video.errors import ConfigError, DataError, unknown


@dataclass(frozen=True)
class Dataset:
    """One data set. `splits` maps our split names to its annotation files, empty where no reader exists yet."""

    name: str
    title: str
    classes: int
    clips: str
    media: str
    licence: str
    page: str
    config: str
    splits: dict[str, str] = field(default_factory=dict)
    folder: str = ""


CATALOG = {
    row.name: row
    for row in (
        Dataset(
            "mini",
            "mini: rendered clips of real handwriting over real photographs",
            40,
            "3,000 / 400 / 800 / 2,000",
            "rendered here, 36 frames at 12 fps",
            "digits CC-BY 4.0; photographs as scikit-image lists them, those of the test split public domain or CC0",
            "none: made on this machine by data_prep/make_mini.py",
            "mini_mobilenetv2_gfnet",
            {s: f"{s}.json" for s in ("train", "dev", "calibration", "test")},
            "20bn-something-something-v2",
        ),
        Dataset(
            "sthv2",
            "Something-Something V2",
            174,
            "168,913 / 24,777 / 27,157",
            "webm VP9, height 240, 12 fps",
            "research use only, under Qualcomm's data licence agreement",
            "https://developer.qualcomm.com/software/ai-datasets/something-something",
            "sthv2_mobilenetv2_gfnet",
            {"train": "train.json", "dev": "validation.json", "test": "validation.json"},
            "20bn-something-something-v2",
        ),
        Dataset(
            "sthv1",
            "Something-Something V1",
            174,
            "86,017 / 11,522 / 10,960",
            "jpg frames, height 100, 12 fps",
            "research use only; no longer offered by its publisher, only by third parties",
            "https://github.com/open-mmlab/mmaction2/blob/main/tools/data/sthv1/README.md",
            "sthv2_mobilenetv2_gfnet",
        ),
        Dataset(
            "jester",
            "Jester v1",
            27,
            "118,562 / 14,787 / 14,743",
            "jpg frames, height 100, 12 fps",
            "research use only, under Qualcomm's data licence agreement",
            "https://developer.qualcomm.com/software/ai-datasets/jester",
            "sthv2_mobilenetv2_gfnet",
        ),
        Dataset(
            "activitynet",
            "ActivityNet 1.3",
            200,
            "10,024 / 4,926 in community lists",
            "YouTube videos, native rate",
            "annotations under MIT; the videos belong to their uploaders",
            "http://activity-net.org",
            "sthv2_mobilenetv2_gfnet",
        ),
    )
}


def dataset(name: str) -> Dataset:
    """The catalog's row, or a ConfigError with the nearest known name."""
    if name not in CATALOG:
        raise ConfigError(unknown("dataset", name, CATALOG))
    return CATALOG[name]


def root_of(row: Dataset, given: Path | None) -> Path:
    """Where the data lies: `given`, else $GFNET_VIDEO_DATA/NAME, else ./data/NAME."""
    if given is not None:
        return given
    return Path(os.environ.get("GFNET_VIDEO_DATA", "data")) / row.name


def require(row: Dataset, root: Path) -> None:
    """Raise DataError, with the licence, the page and the exact next command, unless the data is there and readable."""
    if not row.splits:
        raise DataError(
            f"{row.title} cannot be read yet: this version reads mini and Something-Something V2 (videos). "
            f"Licence: {row.licence}. Download page: {row.page}"
        )
    if (root / "labels" / "labels.json").is_file() and (root / row.folder).is_dir():
        return
    if row.name == "mini":
        raise DataError(f"{root} holds no mini data set; make it with: python data_prep/make_mini.py {root}")
    raise DataError(
        f"{root} does not hold {row.title}: expected {root}/labels/labels.json and {root}/{row.folder}/\n"
        f"  licence:  {row.licence}\n  download: {row.page}\n"
        f"  then put labels/*.json and {row.folder}/*.webm in one folder and run:\n"
        f"  gfnet-video train --dataset {row.name} --data FOLDER"
    )
