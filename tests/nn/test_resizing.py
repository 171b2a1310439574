"""Frames at another side, by matrices, are what torch's own resize makes of them."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from gfnet_video.nn.resizing import bands_of, resized


def frames(side: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(2, 3, 3, side, side, generator=torch.manual_seed(0)).to(dtype)


def by_torch(x: torch.Tensor, side: int) -> torch.Tensor:
    small = F.interpolate(x.flatten(0, 1), size=(side, side), mode="bilinear", antialias=True, align_corners=False)
    return small.unflatten(0, x.shape[:2])


@pytest.mark.parametrize(("side", "to"), [(224, 96), (96, 36), (256, 160), (50, 17), (40, 3), (24, 40), (7, 1)])
@pytest.mark.parametrize(("dtype", "apart"), [(torch.float32, 1e-5), (torch.float64, 1e-13)])
def test_frames_are_resized_as_torch_resizes_them(side: int, to: int, dtype: torch.dtype, apart: float) -> None:
    x = frames(side, dtype)
    small = resized(x, to)
    assert small.dtype == dtype
    assert torch.allclose(small, by_torch(x, to), atol=apart, rtol=0)


def test_each_frame_is_resized_the_same_however_many_come() -> None:
    x = frames(96)
    assert torch.allclose(resized(x[:1, 1:2], 36), resized(x, 36)[:1, 1:2], atol=1e-6)


def test_autocast_does_not_round_the_frames() -> None:
    x = frames(96)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        small = resized(x, 36)
    assert torch.equal(small, resized(x, 36))


def test_on_the_meta_device_only_shapes_are_made() -> None:
    with torch.device("meta"):
        small = resized(torch.zeros(1, 2, 3, 90, 90), 40)
    assert small.shape == (1, 2, 3, 40, 40) and small.device.type == "meta"


def test_half_precision_is_resized_in_float32() -> None:
    x = frames(96, torch.bfloat16)
    assert torch.equal(resized(x, 36), resized(x.float(), 36).bfloat16())


def test_matrices_made_for_inference_serve_training_too() -> None:
    with torch.inference_mode():
        resized(frames(31), 13)
    x = frames(31).requires_grad_()
    resized(x, 13).sum().backward()
    y = frames(31).requires_grad_()
    by_torch(y, 13).sum().backward()
    assert x.grad is not None and y.grad is not None
    assert torch.allclose(x.grad, y.grad, atol=1e-5)


@pytest.mark.parametrize(("side", "to"), [(96, 36), (24, 40)])
def test_most_of_the_matrix_is_left_out_and_each_new_cell_is_a_mean(side: int, to: int) -> None:
    bands = bands_of(side, to)
    assert sum(weights.numel() for _, weights in bands) < side * to
    assert torch.allclose(torch.cat([weights.sum(1) for _, weights in bands]), torch.ones(to))
