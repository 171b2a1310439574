"""ActivityNet's annotation file: a taxonomy, and a database of videos with labelled segments."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gfnet_video.datasets.official import Listed, Official, checked_id, ids_by_name, read_json
from gfnet_video.errors import DataError, unknown

LISTS = {"training": "train", "validation": "validation"}


def read_database(files: dict[str, Path]) -> Official:
    """Training clips are segments, one each; validation clips are whole videos with all their labels.

    files: of `labels`. The file gives its classes no order: they are the leaves of the taxonomy, sorted by name (code
    points). A clip of training is named ID.N, N its place among the video's annotations. Raises DataError naming the
    file and the video.
    """
    file = files["labels"]
    held = read_json(file)
    ids_of = ids_by_name(sorted(_leaves(_part(held, "taxonomy", list, file), file)), file)
    clips: dict[str, list[Listed]] = {name: [] for name in LISTS.values()}
    for video, item in _part(held, "database", dict, file).items():
        subset = item.get("subset") if isinstance(item, dict) else None
        if subset not in (*LISTS, "testing"):
            raise DataError(f"{file}: video {video}: " + unknown("subset", subset, (*LISTS, "testing")))
        if subset != "testing":
            read = _segments if subset == "training" else _whole
            clips[LISTS[subset]] += read(checked_id(video, file), _annotations(video, item, ids_of, file))
    return Official(tuple(ids_of), tuple(c for name in LISTS.values() for c in clips[name]))


def _part(held: Any, key: str, kind: type, file: Path) -> Any:
    if not isinstance(held, dict) or not isinstance(held.get(key), kind):
        raise DataError(f"{file}: expected a mapping whose {key!r} is a {kind.__name__}")
    return held[key]


def _leaves(taxonomy: list[Any], file: Path) -> set[str]:
    """The nodes that are nobody's parent."""
    try:
        parents = {node["parentName"] for node in taxonomy}
        return {str(node["nodeName"]) for node in taxonomy if node["nodeName"] not in parents}
    except (KeyError, TypeError) as error:
        raise DataError(f"{file}: a node of the taxonomy lacks nodeName or parentName ({error})") from error


def _annotations(
    video: str, item: dict[str, Any], ids_of: dict[str, int], file: Path
) -> list[tuple[tuple[float, float], int]]:
    """Segment (seconds) and class of each annotation of a video; at least one."""
    found = item.get("annotations")
    if not isinstance(found, list) or not found:
        raise DataError(f"{file}: video {video} of {item['subset']} has no annotations")
    pairs = []
    for number, annotation in enumerate(found):
        try:
            start, end = (float(s) for s in annotation["segment"])
            label = annotation["label"]
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{file}: video {video}: annotation {number} is not a segment with a label") from error
        if not (math.isfinite(start) and math.isfinite(end)):
            raise DataError(f"{file}: video {video}: annotation {number} has the segment [{start}, {end}]")
        if label not in ids_of:
            raise DataError(f"{file}: video {video}: " + unknown("class", label, ids_of))
        pairs.append(((start, end), ids_of[label]))
    return pairs


def _segments(video: str, pairs: list[tuple[tuple[float, float], int]]) -> Iterator[Listed]:
    for number, (span, label) in enumerate(pairs):
        yield Listed(f"{video}.{number}", label, "train", f"v_{video}", video, span)


def _whole(video: str, pairs: list[tuple[tuple[float, float], int]]) -> Iterator[Listed]:
    first, *others = dict.fromkeys(label for _, label in pairs)  # each once, in order
    yield Listed(video, first, "validation", f"v_{video}", video, None, tuple(others))
