"""How far apart in time the frames lie that a model sees of its training clips: what a stream has to repeat."""

from __future__ import annotations

from statistics import median

from gfnet_video.config import ModelConfig
from gfnet_video.datasets.catalog import CATALOG
from gfnet_video.datasets.clip_file import frames_of, open_source, part
from gfnet_video.datasets.manifest import Manifest
from gfnet_video.errors import VideoError
from gfnet_video.video.samplers import DENSE_SPAN

ASKED = 50  # clips whose headers are read


def frame_interval(manifest: Manifest, config: ModelConfig, dataset: str = "") -> float:
    """Seconds between two frames that the sampler picks: the median over clips spread over the split.

    Rates are those of the files' headers; pictures in folders have none, and those of a `dataset` of the catalog come
    at its published rate. 0 where no clip tells.
    """
    rows = range(0, len(manifest), max(1, len(manifest) // ASKED))
    published = CATALOG[dataset].fps if dataset in CATALOG else 0.0
    found = [seconds for i in rows if (seconds := _seconds(manifest, i, config, published))]
    return round(median(found), 4) if found else 0.0


def _seconds(manifest: Manifest, index: int, config: ModelConfig, published: float) -> float:
    """Of one clip; 0 where it has no rate or cannot be read, which is said by whoever wants its frames."""
    try:
        with open_source(manifest, index) as source:
            _, frames = part(manifest, index, source, frames_of(manifest, index, source))
            rate = source.fps or published
    except VideoError:
        return 0.0
    frames = min(frames, DENSE_SPAN) if config.sampler == "dense" else frames
    return frames / rate / config.frames if rate else 0.0
