"""The data sets known by name: a table, with what a user must know to get each one.

Counts, names and pages are those of the publishers and of the tools that the community prepares these sets with
(mmaction2, TSM, AdaFocus); what could not be verified is left out: 0 or an absent count means not known.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from gfnet_video.errors import ConfigError, DataError, unknown

SPLITS = ("train", "dev", "calibration", "test")

_LEFT_RIGHT = (
    ("Pulling something from left to right", "Pulling something from right to left"),
    ("Pushing something from left to right", "Pushing something from right to left"),
    ("Turning the camera left while filming something", "Turning the camera right while filming something"),
)


@dataclass(frozen=True)
class Dataset:
    """One data set.

    classes: how many, 0 where the data decide. counts: clips of each official list (`train`, `validation`), as
    published. fps: of the published media, 0 where it varies. config: the shipped file that trains it. layout: which
    reader knows its annotations (`official.LAYOUTS`); `splits`: our split names and the lists that are read for them
    where nobody has run `prepare`. folder: where its clips lie below the root; prefix: how its archives' names begin.
    template: names of the frames, where clips are folders. flip_pairs: classes that a mirror image exchanges, by name.
    metric: what its results are given in, top1 or mAP. rendered: made on this machine (datasets/mini.py).
    """

    name: str
    title: str
    classes: int
    counts: dict[str, int]
    media: str
    fps: float
    licence: str
    page: str
    config: str
    layout: str = ""
    splits: dict[str, str] = field(default_factory=dict)
    folder: str = ""
    prefix: str = ""
    template: str = ""
    flip_pairs: tuple[tuple[str, str], ...] = ()
    metric: str = "top1"
    rendered: bool = False


CATALOG = {
    row.name: row
    for row in (
        Dataset(
            name="mini",
            title="mini: rendered clips of real handwriting over real photographs",
            classes=40,
            counts={"train": 9000, "dev": 1600, "calibration": 2000, "test": 2000},
            media="rendered here, 36 frames at 12 fps",
            fps=12,
            licence="digits CC-BY 4.0; photographs as scikit-image lists them, those of the test split public domain "
            "or CC0",
            page="none: made on this machine by data_prep/make_mini.py",
            config="mini_mobilenetv2_full",
            layout="sthv2",
            splits={s: s for s in SPLITS},
            folder="20bn-something-something-v2",
            rendered=True,
        ),
        Dataset(
            name="mini-image",
            title="mini-image: rendered pictures of real handwriting on real photographs",
            classes=10,
            counts={"train": 6000, "dev": 1600, "calibration": 2000, "test": 2000},
            media="rendered here, JPEG, side 240",
            fps=0,
            licence="as mini's",
            page="none: made on this machine by data_prep/make_mini.py",
            config="mini_image_mobilenetv2_full",
            layout="sthv2",
            splits={s: s for s in SPLITS},
            folder="pictures",
            rendered=True,
        ),
        Dataset(
            name="sthv2",
            title="Something-Something V2",
            classes=174,
            counts={"train": 168_913, "validation": 24_777},
            media="webm VP9, height 240, 12 fps",
            fps=12,
            licence="research use only, under Qualcomm's data licence agreement",
            page="https://developer.qualcomm.com/software/ai-datasets/something-something",
            config="sthv2_mobilenetv2_gfnet",
            layout="sthv2",
            splits={"train": "train", "dev": "validation", "test": "validation"},
            folder="20bn-something-something-v2",
            prefix="20bn-something-something",
            flip_pairs=_LEFT_RIGHT,
        ),
        Dataset(
            name="sthv1",
            title="Something-Something V1",
            classes=174,
            counts={"train": 86_017, "validation": 11_522},
            media="jpg frames, height 100, 12 fps",
            fps=12,
            licence="research use only; no longer offered by its publisher, only by third parties",
            page="https://github.com/open-mmlab/mmaction2/blob/main/tools/data/sthv1/README.md",
            config="sthv1_mobilenetv2_gfnet",
            layout="sthv1",
            folder="20bn-something-something-v1",
            prefix="20bn-something-something",
            template="%05d.jpg",
            flip_pairs=_LEFT_RIGHT,
        ),
        Dataset(
            name="jester",
            title="Jester v1",
            classes=27,
            counts={"train": 118_562, "validation": 14_787},
            media="jpg frames, height 100, 12 fps",
            fps=12,
            licence="research use only, under Qualcomm's data licence agreement",
            page="https://developer.qualcomm.com/software/ai-datasets/jester",
            config="jester_mobilenetv2_gfnet",
            layout="jester",
            folder="20bn-jester-v1",
            prefix="20bn-jester",
            template="%05d.jpg",
            flip_pairs=(
                ("Swiping Left", "Swiping Right"),
                ("Sliding Two Fingers Left", "Sliding Two Fingers Right"),
                # mmaction2's map lacks this pair; a mirror image exchanges it all the same.
                ("Turning Hand Clockwise", "Turning Hand Counterclockwise"),
            ),
        ),
        Dataset(
            name="activitynet",
            title="ActivityNet 1.3",
            classes=200,
            counts={"train": 10_024, "validation": 4_926},
            media="YouTube videos (mp4, mkv, webm), native rate",
            fps=0,
            licence="annotations under MIT; the videos belong to their uploaders",
            page="http://activity-net.org/download.html",
            config="activitynet_mobilenetv2_gfnet",
            layout="activitynet",
            folder="videos",
            metric="mAP",
        ),
        Dataset(
            name="activitynet12",
            title="ActivityNet 1.2",
            classes=100,
            counts={},
            media="YouTube videos (mp4, mkv, webm), native rate",
            fps=0,
            licence="annotations under MIT; the videos belong to their uploaders",
            page="http://activity-net.org/download.html",
            config="activitynet_mobilenetv2_gfnet",
            layout="activitynet12",
            folder="videos",
            metric="mAP",
        ),
        Dataset(
            name="folder",
            title="a folder of your own clips",
            classes=0,
            counts={},
            media="any video files; sub-folders are classes",
            fps=0,
            licence="whatever holds for your clips",
            page="none: gfnet-video train YOUR_FOLDER",
            config="folder_mobilenetv2_gfnet",
        ),
        Dataset(
            name="imagefolder",
            title="a folder of your own pictures",
            classes=0,
            counts={},
            media="JPEG, PNG, WebP or BMP; sub-folders are classes, or train/ and val/ above them",
            fps=0,
            licence="whatever holds for your pictures",
            page="none: gfnet-video train --dataset imagefolder --data YOUR_FOLDER",
            config="imagefolder_mobilenetv2_gfnet",
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


def rendering(row: Dataset, root: object) -> str:
    """The command that makes a data set which is rendered here."""
    return f"python data_prep/make_mini.py {root}" + ("" if row.name == "mini" else f" --kind {row.name}")


def require(row: Dataset, root: Path) -> None:
    """Raise DataError, with the licence, the page and the exact next command, unless the data is there and readable."""
    if (root / "manifest.jsonl").is_file():
        return
    if row.splits and (root / "labels" / "labels.json").is_file() and (root / row.folder).is_dir():
        return
    if row.rendered:
        raise DataError(f"{root} holds no {row.name}; make it with: {rendering(row, root)}")
    if not row.layout:
        raise DataError(
            f"{root} holds no manifest.jsonl: {row.title} is read by gfnet-video train {root}\n"
            f"  licence: {row.licence}\n  download page: {row.page}"
        )
    raise DataError(
        f"{root} does not hold {row.title}: expected {root}/manifest.jsonl\n"
        f"  licence:  {row.licence}\n  download: {row.page}\n"
        f"  put all that was downloaded, as it is, in one folder SRC and run:\n"
        f"  gfnet-video prepare {row.name} SRC {root}"
    )
