"""The window of a stream: a clip's steps on its first T frames, and after them the last T frames' looks alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from gfnet_video.engines.window import Window, slide
from gfnet_video.model import GFNet
from gfnet_video.nn.aggregator import evidence_of
from tests import models

KINDS: dict[str, dict[str, Any]] = {
    "mean": {},
    "gru": {"aggregator": "gru"},
    "sum": {"aggregator": "sum"},
    "tsm": {"focus": None},
    "two looks": {"looks_per_frame": 2},
    "random": {"where": "random"},
}


def streamed(net: GFNet, frames: Tensor) -> list[Tensor]:
    """Logits (B,K) after each of frames (B,T,3,H,W)."""
    window, logits = None, []
    for frame in frames.unbind(1):
        window, said = slide(net, frame, window)
        logits.append(said)
    return logits


@pytest.mark.parametrize("kind", KINDS)
def test_a_clip_streamed_takes_the_clips_steps(kind: str) -> None:
    net = models.model(dtype=torch.float64, **KINDS[kind])
    clip = models.frames(dtype=torch.float64)
    with torch.inference_mode():
        steps = net(clip).step_logits[:, net.config.looks_per_frame - 1 :: net.config.looks_per_frame]
    found = torch.stack(streamed(net, clip), 1)
    assert found.shape == steps.shape
    assert torch.allclose(found, steps, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", ["mean", "gru"])
def test_later_frames_are_judged_by_the_last_looks_alone(kind: str) -> None:
    """All looks at a stream of 2T+1 frames at once; then, from no evidence, those of frames n-T+1 to n."""
    net = models.model(dtype=torch.float64, **KINDS[kind])
    t = net.config.frames
    long = models.frames(1, 2 * t + 1, torch.float64)
    found = streamed(net, long)
    with torch.inference_mode():
        seen, _ = net.glance(long)
        centres, _ = net.locate(seen.map)
        patch, _ = net.focus(long, centres)
        for n in range(t, 2 * t + 1):
            last = slice(n - t + 1, n + 1)
            glance, focus = (evidence_of(lambda x, s=last: x[:, s], look) for look in (seen, patch))
            _, said = net.aggregate(None, glance=glance, focus=focus, centres=centres[:, last])
            assert torch.allclose(found[n], said[:, -1], rtol=1e-9, atol=1e-9)
    whole = streamed(net, long[:, t:])[-1]
    assert not torch.allclose(found[-1], whole)  # the looks themselves remember more than the window


def test_memory_is_that_of_t_frames() -> None:
    """Nothing is held of maps or of frames that have left the window."""
    net = models.model()
    window = None
    sizes = set()
    for n, frame in enumerate(models.frames(1, 20).unbind(1)):
        window, _ = slide(net, frame, window)
        if n >= net.config.frames:
            sizes.add(held(window))
    assert len(sizes) == 1 and sizes.pop() < 2_000_000


def held(window: Window) -> int:
    """Bytes behind all tensors of a window, the storage of views counted whole."""
    found: dict[int, int] = {}

    def walk(value: Any) -> None:
        if isinstance(value, Tensor):
            found[value.untyped_storage().data_ptr()] = value.untyped_storage().nbytes()
        elif isinstance(value, tuple):
            for part in value:
                walk(part)
        elif hasattr(value, "__dict__"):
            walk(tuple(vars(value).values()))

    walk(window)
    return sum(found.values())
