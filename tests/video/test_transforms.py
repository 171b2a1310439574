"""Pixels to the working frame."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gfnet_video.errors import ConfigError
from gfnet_video.video.transforms import normalise, resize_crop


def _noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize(("height", "width"), [(48, 64), (64, 48), (33, 57), (20, 20), (5, 90)])
def test_frame_by_frame_equals_all_at_once(height: int, width: int) -> None:
    frames = _noise(5, height, width, 3)
    together = resize_crop(frames, frame_side=24)
    alone = torch.cat([resize_crop(f[None], frame_side=24) for f in frames])
    assert together.shape == (5, 3, 24, 24) and together.dtype == torch.uint8
    assert torch.equal(together, alone)
    assert torch.equal(together, resize_crop(torch.from_numpy(frames), frame_side=24))


def test_a_frame_of_the_right_size_is_left_alone_and_a_wider_one_cut_in_the_middle() -> None:
    frames = _noise(2, 16, 20, 3)
    kept = resize_crop(frames, frame_side=16).permute(0, 2, 3, 1).numpy()
    np.testing.assert_array_equal(kept, frames[:, :, 2:18])


def test_resizing_averages_what_it_shrinks() -> None:
    stripes = np.zeros((1, 64, 64, 3), np.uint8)
    stripes[:, :, ::2] = 200
    small = resize_crop(stripes, frame_side=16)[..., 2:-2].float()
    assert (small - 100).abs().max() < 8  # without antialiasing: 0 or 200


def test_normalise_is_the_textbook_formula_for_any_leading_shape() -> None:
    pixels = torch.from_numpy(_noise(2, 4, 3, 8, 8))
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    got = normalise(pixels, mean, std)
    assert got.dtype == torch.float32
    for c in range(3):
        torch.testing.assert_close(got[:, :, c], (pixels[:, :, c].float() / 255 - mean[c]) / std[c])
    assert torch.equal(got[1, 2], normalise(pixels[1, 2], mean, std))


def test_wrong_shapes_and_types_are_config_errors() -> None:
    for bad in (_noise(8, 8, 3), _noise(1, 3, 8, 8), _noise(1, 8, 8, 3).astype(np.float32)):
        with pytest.raises(ConfigError, match=r"\(T,H,W,3\) uint8"):
            resize_crop(bad, frame_side=4)
    with pytest.raises(ConfigError, match="frame_side is 0"):
        resize_crop(_noise(1, 8, 8, 3), frame_side=0)
