"""Data sets in Something-Something V2's official form: labels/*.json beside a folder of encoded ID.webm."""

from __future__ import annotations

import json
from pathlib import Path

from tests.clips import encode

FOLDER = "20bn-something-something-v2"
# Templates as the annotation files write them; labels.json and the classes are without brackets.
TEMPLATES = (
    "Holding [something]",
    "Moving [something] and [something] closer to each other",
    "Pretending to be tearing [something that is not tearable]",
    "Pushing [something] from left to right",
    "Turning [something] upside down",
)
CLASSES = tuple(t.replace("[", "").replace("]", "") for t in TEMPLATES)
SPLITS = {"train": 10, "validation": 5}


def plant(root: Path) -> Path:
    """Write labels and clips; clip n of a split has class n modulo five and 10 + n frames."""
    (root / "labels").mkdir(parents=True)
    (root / FOLDER).mkdir()
    # The official file maps names to ids written as text.
    write(root / "labels" / "labels.json", {name: str(i) for i, name in enumerate(CLASSES)})
    first = 100
    for split, count in SPLITS.items():
        items = []
        for n in range(count):
            encode(root / FOLDER / f"{first + n}.webm", 10 + n, "vp9_webm")
            items.append({"id": str(first + n), "label": "a real label", "template": TEMPLATES[n % len(TEMPLATES)]})
        write(root / "labels" / f"{split}.json", items)
        first += 100
    return root


def write(path: Path, data: object) -> None:
    """Write JSON."""
    path.write_text(json.dumps(data), encoding="utf-8")
