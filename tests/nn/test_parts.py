"""Patches, evidence, classifier, exit rule: each against its definition."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gfnet_video.errors import ConfigError
from gfnet_video.nn.aggregator import Aggregator, Classifier, Evidence
from gfnet_video.nn.backbone import Backbone
from gfnet_video.nn.exit_rule import ExitRule
from gfnet_video.nn.folding import folded
from gfnet_video.nn.patches import crop_patches, crop_with_gradient, smooth_tracks
from gfnet_video.nn.policy import Policy


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 10_000), st.integers(1, 12), st.integers(12, 20), st.integers(12, 20))
def test_patch_is_the_window_its_centre_names(y: int, x: int, size: int, h: int, w: int) -> None:
    image = torch.arange(3 * h * w, dtype=torch.float64).view(1, 3, h, w)
    centre = torch.tensor([[y / 10_000, x / 10_000]], dtype=torch.float64)
    top, left = int(y / 10_000 * (h - size)), int(x / 10_000 * (w - size))
    assert torch.equal(crop_patches(image, centre, size=size), image[:, :, top : top + size, left : left + size])


def test_patch_larger_than_the_image_is_refused() -> None:
    with pytest.raises(ConfigError, match="a patch of 9 pixels does not fit images of 8x8"):
        crop_patches(torch.zeros(1, 3, 8, 8), torch.zeros(1, 2), size=9)


def test_tracks_stay_inside_and_never_jump() -> None:
    tracks = smooth_tracks(200, 8, torch.Generator().manual_seed(0))
    assert tracks.shape == (200, 8, 2) and tracks.min() >= 0 and tracks.max() <= 1
    assert tracks.diff(dim=1).abs().max() <= 0.8 / 8 + 1e-6
    assert tracks.flatten(0, 1).histc(4, 0, 1).min() > 0.15 * tracks[..., 0].numel() * 2


def test_factored_softmax_is_the_product_of_its_factors() -> None:
    classifier = Classifier(6, 12, (3, 4))
    torch.nn.init.normal_(classifier.linear.weight)
    x = torch.randn(5, 6)
    a, b = classifier.linear(x).split((3, 4), -1)
    expected = a.softmax(-1)[:, :, None] * b.softmax(-1)[:, None, :]
    assert torch.allclose(classifier(x).softmax(-1), expected.flatten(1), atol=1e-6)
    with pytest.raises(ConfigError, match=r"factors \(3, 3\) make 9 classes; expected 12"):
        Classifier(6, 12, (3, 3))


@pytest.mark.parametrize("rising", [False, True])
def test_evidence_is_the_mean_of_glances_and_the_scaled_mean_of_patches(rising: bool) -> None:
    aggregator = Aggregator(4, rising=rising)
    weights = torch.arange(1.0, 6.0) if rising else torch.ones(5)
    glance, focus, centres = torch.randn(2, 5, 4), torch.randn(2, 5, 4), torch.rand(2, 5, 2)
    with torch.no_grad():
        evidence, video = aggregator(Evidence.start(2, 4, glance), glance=glance, focus=focus, centres=centres)
        moved = torch.cat([torch.zeros(2, 1, 2), centres.diff(dim=1)], 1)
        seen = focus + aggregator.track(torch.cat([centres, moved], -1))
    for t in range(5):
        upto = weights[: t + 1, None] / weights[: t + 1].sum()
        scaled = (t + 1) ** 0.5 * (upto * seen[:, : t + 1]).sum(1)
        assert torch.allclose(video[:, t], glance[:, : t + 1].mean(1) + scaled, atol=1e-6)
    assert torch.equal(evidence.last, centres[:, -1])


def test_evidence_sees_how_the_patch_moved() -> None:
    aggregator = Aggregator(4)
    torch.nn.init.normal_(aggregator.track[2].linear.weight)
    focus, there = torch.zeros(1, 3, 4), torch.tensor([[[0.1, 0.5], [0.4, 0.5], [0.7, 0.5]]])
    start = Evidence.start(1, 4, focus)
    with torch.no_grad():
        forth = aggregator(start, focus=focus, centres=there)[1][:, -1]
        back = aggregator(start, focus=focus, centres=there.flip(1))[1][:, -1]
    assert (forth - back).abs().max() > 1e-4


def test_policy_points_at_its_heat() -> None:
    policy = Policy(1, hidden=1, room=0.5)
    with torch.no_grad():  # a heat map that is the input itself, sharpened
        for p in policy.parameters():
            p.zero_()
        policy.squeeze[0].weight.fill_(1.0)  # the norm
        policy.squeeze[1].weight.fill_(1.0)
        policy.heat.weight[0, 0] = 50.0
        maps = torch.zeros(1, 1, 1, 8, 8)
        maps[0, 0, 0, 2, 5] = 1.0
        centres, _ = policy(maps, None)
    place = torch.tensor([2.5 / 8, 5.5 / 8])
    assert torch.allclose(centres[0, 0], (place - 0.5) / 0.5 + 0.5, atol=1e-4)


def test_exit_is_the_first_step_that_is_sure() -> None:
    logits = torch.log(torch.tensor([[[0.5, 0.5], [0.8, 0.2], [0.9, 0.1]], [[0.5, 0.5], [0.6, 0.4], [0.6, 0.4]]]))
    rule = ExitRule((1.0, 1.0, 1.0), (0.7, 0.7, 0.7))
    assert rule.exits(logits).tolist() == [1, 2]
    assert rule.at(0.85).exits(logits).tolist() == [2, 2]
    assert rule.at(0.5).exits(logits).tolist() == [0, 0]
    assert ExitRule.never(3).exits(logits).tolist() == [2, 2]
    assert ExitRule((1.0, 3.0, 3.0), (0.7,) * 3).exits(logits).tolist() == [2, 2]  # cooler confidence, later exit


@pytest.mark.parametrize("confidence", [0.0, -1.0, 1.5, float("nan")])
def test_confidence_outside_its_range_is_refused(confidence: float) -> None:
    with pytest.raises(ConfigError, match="expected above 0 and at most 1"):
        ExitRule.never(3).at(confidence)


@settings(deadline=None)
@given(st.lists(st.floats(0.05, 1.0), min_size=2, max_size=6))
def test_a_higher_confidence_never_exits_earlier(values: list[float]) -> None:
    logits = torch.randn(20, len(values), 4, generator=torch.Generator().manual_seed(0)) * 2
    rule = ExitRule.never(len(values))
    low, high = min(values), max(values)
    assert bool((rule.at(low).exits(logits) <= rule.at(high).exits(logits)).all())


@pytest.mark.parametrize("name", ["mobilenetv2_100", "tf_efficientnet_lite0", "resnet18"])
def test_folded_batch_norms_leave_the_numbers(name: str) -> None:
    torch.manual_seed(0)
    backbone = Backbone(name, stride=32).eval()
    for module in backbone.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
    quick = folded(backbone)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in quick.modules())
    assert any(isinstance(module, torch.nn.BatchNorm2d) for module in backbone.modules())
    convs = [m for m in quick.modules() if isinstance(m, torch.nn.Conv2d)]
    assert all(c.weight.is_contiguous(memory_format=torch.channels_last) for c in convs)
    frames = torch.randn(2, 3, 3, 64, 64)
    with torch.no_grad():
        for plain, fast in zip(backbone(frames)[:3], quick(frames)[:3], strict=True):
            torch.testing.assert_close(fast, plain, rtol=1e-3, atol=1e-4 * float(plain.abs().max()))


def test_frozen_stages_train_as_they_would_unfolded() -> None:
    torch.manual_seed(0)
    backbone = Backbone("mobilenetv2_100", stride=16, frozen=2).train()
    frames = torch.randn(2, 2, 3, 48, 48)
    pooled = backbone(frames)[2]
    stages = [backbone.stem, *backbone.stages]
    backbone._run_parts = lambda: stages  # type: ignore[method-assign]
    torch.testing.assert_close(pooled, backbone(frames)[2], rtol=1e-3, atol=1e-4)


def test_the_crop_with_gradient_is_the_crop_and_leads_to_the_target() -> None:
    rows = torch.arange(32.0).view(1, 1, 32, 1).expand(2, 3, 32, 32)
    centres = torch.tensor([[0.3, 0.6], [0.9, 0.1]], requires_grad=True)
    patches = crop_with_gradient(rows, centres, size=8)
    torch.testing.assert_close(patches, crop_patches(rows, centres, size=8))
    patches.mean((1, 2, 3)).sum().backward()
    # One unit of the centre is 24 pixels, and each pixel down is one brighter; sideways nothing changes.
    torch.testing.assert_close(centres.grad, torch.tensor([[24.0, 0.0], [24.0, 0.0]]))


def test_a_centre_outside_feels_the_way_back_in() -> None:
    rows = torch.arange(32.0).view(1, 1, 32, 1).expand(1, 3, 32, 32)
    centres = torch.tensor([[-0.4, 1.7]], requires_grad=True)
    crop_with_gradient(rows, centres, size=8).mean().backward()
    assert float(centres.grad[0, 0]) == pytest.approx(24.0)  # type: ignore[index]
