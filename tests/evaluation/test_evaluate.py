"""Measuring a split: what is decoded, and splits that hold nothing."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from gfnet_video.checkpoint import load
from gfnet_video.datasets.annotations import read_manifest
from gfnet_video.datasets.catalog import dataset
from gfnet_video.datasets.clips import Clips, open_clips
from gfnet_video.errors import DataError
from gfnet_video.evaluation.evaluate import evaluate


def test_a_clip_is_decoded_once(checkpoint: Path, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, read, plain = load(checkpoint), Counter[int](), Clips.read
    clips = open_clips(read_manifest(dataset("sthv2"), tree, "test"), model.config, None)
    monkeypatch.setattr(Clips, "read", lambda self, i: (read.update([i]), plain(self, i))[1])
    evaluate(model, clips, model.card.rule.at(0.3), batch=2)
    assert read == dict.fromkeys(range(5), 1)


def test_a_split_without_clips_is_refused(checkpoint: Path, tree: Path) -> None:
    model = load(checkpoint)
    empty = read_manifest(dataset("sthv2"), tree, "test").select(np.arange(0))
    with pytest.raises(DataError, match="split 'test' holds no clip"):
        evaluate(model, open_clips(empty, model.config, None), model.card.rule)
