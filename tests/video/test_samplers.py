"""Which frames: hand-written facts and properties over every small clip."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest

from gfnet_video.errors import ConfigError
from gfnet_video.video.samplers import (
    all_indices,
    clips_of_indices,
    coarse_to_fine,
    dense_indices,
    jittered_indices,
    span_frames,
    uniform_indices,
)


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
        for indices in (
            uniform_indices(frames, count),
            jittered_indices(frames, count, rng),
            dense_indices(frames, count, span=13),
            dense_indices(frames, count, rng, span=13),
            *clips_of_indices(frames, count),
        ):
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
    rng = np.random.default_rng(0)
    for sample in (uniform_indices, lambda f, c: jittered_indices(f, c, rng), dense_indices, clips_of_indices):
        with pytest.raises(ConfigError, match="cannot sample"):
            sample(frames, count)


def test_all_indices() -> None:
    assert all_indices(4) == [0, 1, 2, 3]
    with pytest.raises(ConfigError):
        all_indices(0)


def test_dense_keeps_its_stride_and_its_window_reaches_both_ends() -> None:
    rng = np.random.default_rng(0)
    draws = [dense_indices(70, 8, rng) for _ in range(200)]
    assert all(b - a == 8 for indices in draws for a, b in pairwise(indices))
    assert {indices[0] for indices in draws} == set(range(7))  # 70 frames leave a window of 64 seven places
    assert dense_indices(70, 8) == [3 + 8 * i for i in range(8)]
    assert dense_indices(70, 8, span=16)[0] == 27
    with pytest.raises(ConfigError, match="cannot sample a clip of 0 frames"):
        dense_indices(70, 8, span=0)


def test_a_clip_shorter_than_the_window_never_starts_again() -> None:
    """The published code goes round: 50 frames would give 0 8 16 24 32 40 48 6."""
    assert dense_indices(50, 8, np.random.default_rng(0)) == [0, 6, 12, 18, 25, 31, 37, 43]


def test_two_clips_are_centres_and_starts_of_the_same_segments() -> None:
    assert clips_of_indices(80, 4) == [uniform_indices(80, 4), [0, 20, 40, 60]]
    assert clips_of_indices(3, 6)[1] == [0, 0, 1, 1, 2, 2]
    for frames, count in product(range(8, 60), range(1, 9)):
        centres, starts = clips_of_indices(frames, count)
        assert all(start <= centre for start, centre in zip(starts, centres, strict=True))
        assert all(centre <= start for centre, start in zip(centres, starts[1:], strict=False))


def test_coarse_to_fine_visits_each_frame_once_and_never_leaves_a_gap_more_than_twice_another() -> None:
    assert coarse_to_fine(1) == [0] and coarse_to_fine(2) == [0, 1] and coarse_to_fine(3) == [1, 0, 2]
    assert coarse_to_fine(16)[:5] == [7, 0, 15, 3, 11]
    for count in range(3, 70):
        order = coarse_to_fine(count)
        assert sorted(order) == list(range(count))
        for seen in range(3, count):
            gaps = [b - a for a, b in pairwise(sorted(order[:seen]))]
            assert max(gaps) <= 2 * min(gaps) + 2, (count, seen)
    with pytest.raises(ConfigError):
        coarse_to_fine(0)


def test_seconds_become_the_frames_shown_in_them() -> None:
    assert span_frames(100, 25.0, (1.0, 2.0)) == (25, 25)
    assert span_frames(100, 25.0, (1.01, 1.03)) == (25, 1)  # between two frames: the one then shown
    assert span_frames(100, 25.0, (0.0, 0.0)) == (0, 1)
    assert span_frames(100, 25.0, (3.0, 60.0)) == (75, 25)
    assert span_frames(100, 25.0, (4.0, 60.0)) == (100, 0)
    assert span_frames(10**6, 30000 / 1001, (1001.0, 2002.0)) == (30000, 30000)  # not 30001, as floats would have it
    first, count = span_frames(10**6, 29.97, (12.34, 56.78))
    shown = [n for n in range(3000) if 12.34 <= n / 29.97 < 56.78]
    assert (first, count) == (shown[0], len(shown))
    for wrong in ((2.0, 1.0), (-1.0, 1.0), (float("nan"), 1.0)):
        with pytest.raises(ConfigError, match="a span is"):
            span_frames(100, 25.0, wrong)
