"""Clips that were named on the command line, with their classes where these are told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gfnet_video.datasets.clips import open_clips
from gfnet_video.datasets.manifest import Manifest
from gfnet_video.datasets.manifest_file import NAME
from gfnet_video.datasets.own import open_own, open_whole
from gfnet_video.datasets.source import WHOLE
from gfnet_video.engines.engine import Engine
from gfnet_video.inference.files import find_videos
from gfnet_video.inference.steps import Material, clip_of, read_clip
from gfnet_video.video.suffixes import PICTURES, SUFFIXES


def material_of(engine: Engine, names: Sequence[str], split: str, limit: int | None) -> Material:
    """Files, folders and globs, as `find_videos` takes them, a file's class being its folder's name where that is one;
    or one folder with a manifest, of which `split` is taken, or one list. Raises DataError."""
    own = Path(names[0]) if len(names) == 1 else None
    if own is not None and (own / NAME).is_file():
        return of_manifest(engine, open_own(own).manifest(split, engine.about.classes), limit)
    if own is not None and own.is_file() and own.suffix.lower() not in SUFFIXES | PICTURES:
        return of_manifest(engine, open_whole(own).manifest(WHOLE, engine.about.classes), limit)
    paths = find_videos(names)[:limit]
    known = {name: i for i, name in enumerate(engine.about.classes)}
    labels = tuple(known.get(path.parent.name) for path in paths)
    return Material(labels, lambda i: read_clip(engine, paths[i]))


def of_manifest(engine: Engine, manifest: Manifest, limit: int | None) -> Material:
    """A split's clips, the first `limit` of them."""
    manifest = manifest if limit is None else manifest.head(limit)
    clips = open_clips(manifest, engine.about.config, None)
    return Material(tuple(manifest.labels.tolist()), lambda i: clip_of(clips, i, engine.about.config))
