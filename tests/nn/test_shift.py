"""The shift against its definition."""

from __future__ import annotations

import torch

from gfnet_video.nn.shift import both_shift, causal_shift


def test_shift_takes_the_first_channels_from_the_frame_before() -> None:
    x = torch.randn(2 * 3, 8, 4, 4)
    out, last = causal_shift(x, None, frames=3, fold=2)
    x5, out5 = x.view(2, 3, 8, 4, 4), out.view(2, 3, 8, 4, 4)
    assert torch.equal(out5[:, 0, :2], torch.zeros(2, 2, 4, 4))
    assert torch.equal(out5[:, 1:, :2], x5[:, :-1, :2])
    assert torch.equal(out5[:, :, 2:], x5[:, :, 2:])
    assert torch.equal(last, x5[:, -1, :2])


def test_shift_continues_from_what_it_returned() -> None:
    x = torch.randn(1, 5, 8, 4, 4)
    whole, _ = causal_shift(x[0], None, frames=5, fold=3)
    first, last = causal_shift(x[0, :2], None, frames=2, fold=3)
    second, _ = causal_shift(x[0, 2:], last, frames=3, fold=3)
    assert torch.equal(whole, torch.cat([first, second]))


def test_both_ways_takes_from_the_frame_after_and_the_frame_before() -> None:
    x = torch.randn(2 * 4, 8, 3, 3)
    before = x.clone()
    x5, out = x.view(2, 4, 8, 3, 3), both_shift(x, frames=4, fold=2).view(2, 4, 8, 3, 3)
    zero = torch.zeros(2, 1, 2, 3, 3)
    assert torch.equal(out[:, :, :2], torch.cat([x5[:, 1:, :2], zero], 1))
    assert torch.equal(out[:, :, 2:4], torch.cat([zero, x5[:, :-1, 2:4]], 1))
    assert torch.equal(out[:, :, 4:], x5[:, :, 4:]) and torch.equal(x, before)


def test_shift_leaves_its_input_alone() -> None:
    x = torch.randn(4, 8, 2, 2)
    before = x.clone()
    causal_shift(x, None, frames=4, fold=2)
    assert torch.equal(x, before)


def test_asides_follow_the_first_branch_and_leave_nothing() -> None:
    track, aside, last = torch.randn(2, 3, 8, 2, 2), torch.randn(2, 3, 8, 2, 2), torch.randn(2, 4, 2, 2)
    both = torch.stack([track, aside]).flatten(0, 2)
    found, after = causal_shift(both, last, frames=3, fold=4, branches=2)
    held = last
    for t in range(3):
        expected, _ = causal_shift(aside[:, t], held, frames=1, fold=4)
        assert torch.equal(found.unflatten(0, (2, 2, 3))[1, :, t], expected)
        expected, held = causal_shift(track[:, t], held, frames=1, fold=4)
        assert torch.equal(found.unflatten(0, (2, 2, 3))[0, :, t], expected)
    assert torch.equal(after, held)
