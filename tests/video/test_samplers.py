"""Which frames: hand-written facts and properties over every small clip."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest

from gfnet_video.errors import ConfigError
from gfnet_video.video.samplers import all_indices, jittered_indices, uniform_indices


def test_uniform_takes_the_centres_of_the_segments() -> None:
    assert uniform_indices(80, 4) == [10, 30, 50, 70]
    assert uniform_indices(8, 8) == list(range(8))
    assert uniform_indices(1, 3) == [0, 0, 0]
    assert uniform_indices(10**15, 2) == [10**15 // 4, 3 * 10**15 // 4]  # exact where floats would round


def test_short_clips_repeat_their_frames_evenly() -> None:
    rng = np.random.default_rng(0)
    for frames, count in product(range(1, 9), range(1, 20)):
        if frames < count:
            times = np.bincount(uniform_indices(frames, count), minlength=frames)
            assert times.max() - times.min() <= 1, (frames, count)
            assert jittered_indices(frames, count, rng) == uniform_indices(frames, count)


def test_indices_never_decrease_and_stay_in_the_clip() -> None:
    rng = np.random.default_rng(0)
    for frames, count in product(range(1, 40), range(1, 12)):
        for indices in (uniform_indices(frames, count), jittered_indices(frames, count, rng)):
            assert len(indices) == count and indices[0] >= 0 and indices[-1] < frames
            assert all(a <= b for a, b in pairwise(indices))
            assert all(type(i) is int for i in indices)


def test_jitter_reaches_every_frame_of_its_segment_and_follows_its_dice() -> None:
    rng = np.random.default_rng(0)
    draws = np.array([jittered_indices(10, 4, rng) for _ in range(300)])
    assert [sorted(set(column)) for column in draws.T.tolist()] == [[0, 1], [2, 3, 4], [5, 6], [7, 8, 9]]
    same = [jittered_indices(80, 8, np.random.default_rng(7)) for _ in range(2)]
    assert same[0] == same[1]


@pytest.mark.parametrize(("frames", "count"), [(0, 4), (-1, 4), (4, 0), (4, -2)])
def test_nothing_to_sample_is_a_config_error(frames: int, count: int) -> None:
    for sample in (uniform_indices, lambda f, c: jittered_indices(f, c, np.random.default_rng(0))):
        with pytest.raises(ConfigError, match="cannot sample"):
            sample(frames, count)


def test_all_indices() -> None:
    assert all_indices(4) == [0, 1, 2, 3]
    with pytest.raises(ConfigError):
        all_indices(0)
