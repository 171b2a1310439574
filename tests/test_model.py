"""One model, however it is run: at once, frame by frame, in chunks, in batches that shrink and grow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from gfnet_video.engines.macs import looked
from gfnet_video.errors import ConfigError
from gfnet_video.inference.batch import run_batch
from gfnet_video.model import GFNet, parted
from gfnet_video.nn.exit_rule import ExitRule
from gfnet_video.nn.state import State
from gfnet_video.records import Looks
from tests import models

TOLERANCE = {torch.float64: 1e-9, torch.float32: 2e-4}


def streamed(model: GFNet, clip: Tensor, chunk: int, centres: Tensor | None = None) -> Looks:
    """The clip run `chunk` frames at a time, with the whole clip's centres forced where given."""
    state, logits, found = State(), [], []
    with torch.inference_mode():
        for start in range(0, clip.shape[1], chunk):
            part = slice(start, start + chunk)
            forced = None if centres is None else centres[:, part]
            state, now, where = model.step(clip[:, part], state, forced)
            logits.append(now)
            if where is not None:
                found.append(where)
    steps = torch.cat(logits, 1)
    return Looks(steps[:, -1], steps, torch.cat(found, 1) if found else clip.new_zeros(len(clip), 0, 2))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("family", models.FAMILIES)
def test_all_at_once_is_frame_by_frame_is_chunks(family: str, dtype: torch.dtype) -> None:
    model, clip = models.model(family, dtype), models.frames(dtype=dtype)
    with torch.inference_mode():
        whole = model(clip)
    assert whole.step_logits.std() > 1e-3  # or equality would say nothing
    for chunk in (1, 2, 4):
        free = streamed(model, clip, chunk)
        assert torch.allclose(free.centres, whole.centres, atol=TOLERANCE[dtype])
        # A centre that rounding moved over a pixel's edge changes the patch: compare logits under the same centres.
        forced = streamed(model, clip, chunk, whole.centres)
        scale = whole.step_logits.abs().max()
        assert torch.allclose(forced.step_logits, whole.step_logits, atol=float(TOLERANCE[dtype] * scale))


def test_stream_yields_the_steps_of_forward() -> None:
    model, clip = models.model(dtype=torch.float64), models.frames(1, dtype=torch.float64)
    whole = model(clip)
    for chunk in (1, 4):
        steps = list(model.stream(clip.unbind(1), chunk=chunk))
        assert [s.index for s in steps] == list(range(models.FRAMES))
        assert torch.allclose(torch.stack([s.logits for s in steps], 1), whole.step_logits, atol=1e-9)


@pytest.mark.parametrize("family", ["mobilenetv2_050", "resnet18"])
def test_interleaved_and_glance_first_end_alike(family: str) -> None:
    model, clip = models.model(family, torch.float64), models.frames(dtype=torch.float64)
    first = GFNet(replace(model.config, order="glance_first")).double().eval()
    first.load_state_dict(model.state_dict())
    with torch.inference_mode():
        a, b = model(clip), first(clip)
    assert a.step_logits.shape[1] == models.FRAMES and b.step_logits.shape[1] == models.FRAMES + 1
    assert torch.allclose(a.logits, b.logits, atol=1e-9)
    assert torch.allclose(a.centres, b.centres, atol=1e-9)
    steps = list(first.stream(clip.unbind(1), chunk=2))
    assert torch.allclose(torch.stack([s.logits for s in steps], 1), b.step_logits, atol=1e-9)


@pytest.mark.parametrize("t", [1, 3])
def test_the_future_changes_nothing_before_it(t: int) -> None:
    model, clip = models.model(), models.frames()
    other = clip.clone()
    other[:, t:] = models.frames(seed=9)[:, t:]
    rule = ExitRule((1.0,) * models.FRAMES, (0.5,) * models.FRAMES)
    with torch.inference_mode():
        a, b = model(clip), model(other)
    assert torch.equal(a.step_logits[:, :t], b.step_logits[:, :t])
    assert torch.equal(a.centres[:, :t], b.centres[:, :t])
    assert not torch.equal(a.step_logits[:, t:], b.step_logits[:, t:])
    early = rule.exits(a.step_logits) < t
    assert torch.equal(rule.exits(a.step_logits)[early], rule.exits(b.step_logits)[early])


def test_the_past_reaches_every_later_frame() -> None:
    model, clip = models.model(), models.frames()
    other = clip.clone()
    other[:, 0] += 1
    with torch.inference_mode():
        seen, changed = model.glance(clip)[0].logits, model.glance(other)[0].logits
    assert all(not torch.equal(seen[:, t], changed[:, t]) for t in range(3))


def test_leaving_the_stream_runs_no_further_look_and_pulls_no_further_frame() -> None:
    model, clip = models.model(), models.frames(1)
    ran = {"glance": 0, "focus": 0}
    model.glance_net.register_forward_hook(lambda *_: ran.__setitem__("glance", ran["glance"] + 1))
    assert model.focus_net is not None
    model.focus_net.register_forward_hook(lambda *_: ran.__setitem__("focus", ran["focus"] + 1))
    pulled = []

    def source() -> Iterator[Tensor]:
        for i, frame in enumerate(clip.unbind(1)):
            pulled.append(i)
            yield frame

    for step in model.stream(source()):
        if step.index == 2:
            break
    assert pulled == [0, 1, 2]
    assert ran == {"glance": 3, "focus": 3}


def test_rows_that_leave_and_join_are_as_if_alone() -> None:
    model, clip = models.model(dtype=torch.float64), models.frames(3, dtype=torch.float64)
    late = models.frames(1, dtype=torch.float64, seed=5)
    alone = streamed(model, clip, 1)
    late_alone = streamed(model, late, 1)
    with torch.inference_mode():
        state, _, _ = model.step(clip[:, :2], State())
        state = state.select(torch.tensor([2, -1, 0]))  # 1 leaves, a fresh clip joins, the rest change places
        mixed = torch.stack([clip[2, 2:4], late[0, :2], clip[0, 2:4]])
        state, logits, centres = model.step(mixed, state)
    assert centres is not None
    for row, (whole, first) in enumerate(
        [(alone.step_logits[2], 2), (late_alone.step_logits[0], 0), (alone.step_logits[0], 2)]
    ):
        assert torch.allclose(logits[row], whole[first : first + 2], atol=1e-9)


# What a configuration can be beside interleaved and causal, and how many steps it takes.
OTHERS: dict[str, tuple[dict[str, object], int]] = {
    "glance_first": ({"order": "glance_first"}, models.FRAMES + 1),
    "sees the clip": ({"order": "glance_first", "policy_sees": "clip"}, models.FRAMES + 1),
    "shared": ({"order": "glance_first", "patch": "shared"}, models.FRAMES + 1),
    "shared, own frames": ({"order": "glance_first", "patch": "shared", "focus_frames": 4}, 5),
    "both": ({"order": "glance_first", "patch": "shared", "temporal": "both"}, 2),
    "both, own frames": ({"order": "glance_first", "patch": "shared", "temporal": "both", "focus_frames": 9}, 2),
    "static both": ({"focus": None, "temporal": "both"}, 1),
    "static causal": ({"focus": None}, models.FRAMES),
}


def clips_for(model: GFNet, batch: int) -> tuple[Tensor, Tensor | None]:
    """frames and glance_frames for a model, float64."""
    count = models.FRAMES + model.config.focus_frames
    return parted(models.frames(batch, count, dtype=torch.float64), model.config)


@pytest.mark.parametrize("name", OTHERS)
def test_walking_is_forward_in_every_configuration(name: str) -> None:
    changes, steps = OTHERS[name]
    model = models.model(dtype=torch.float64, **changes)
    frames, glanced = clips_for(model, 2)
    with torch.inference_mode():
        whole = model(frames, glance_frames=glanced)
    assert model.steps == steps == whole.step_logits.shape[1]
    looks = 0 if model.focus_net is None else steps - 1
    assert whole.centres.shape == (2, looks, 2)
    for chunk in (1, 4):
        given = None if glanced is None else glanced.unbind(1)
        taken = list(model.walk(frames.unbind(1), glance_frames=given, chunk=chunk))
        assert [s.index for s in taken] == list(range(steps))
        assert torch.allclose(torch.stack([s.logits for s in taken], 1), whole.step_logits, atol=1e-9)
        for step in taken[1:]:
            if step.centre is not None and looks:
                assert torch.allclose(step.centre, whole.centres[:, step.index - 1], atol=1e-9)


@pytest.mark.parametrize("name", [n for n in OTHERS if "shared" in n or n.startswith("both")])
def test_a_shared_patch_is_one_for_the_clip(name: str) -> None:
    model = models.model(dtype=torch.float64, **OTHERS[name][0])
    frames, glanced = clips_for(model, 2)
    with torch.inference_mode():
        centres = model(frames, glance_frames=glanced).centres
        last = model.locate(model.glance(frames if glanced is None else glanced)[0].map)[0][:, -1:]
    assert torch.allclose(centres, last.expand_as(centres), atol=1e-9)


def test_a_policy_that_sees_the_clip_picks_the_first_patch_by_the_last_frame() -> None:
    clip = models.frames()
    other = clip.clone()
    other[:, -1] += 1
    for sees, same in (("past", True), ("clip", False)):
        model = models.model(order="glance_first", policy_sees=sees)
        with torch.inference_mode():
            first, changed = (model(x).centres[:, 0] for x in (clip, other))
        assert torch.equal(first, changed) is same


def test_both_ways_every_frame_reaches_every_other() -> None:
    model = models.model(focus=None, temporal="both")
    clip = models.frames()
    other = clip.clone()
    other[:, -1] += 1
    with torch.inference_mode():
        seen, changed = model.glance(clip)[0].logits, model.glance(other)[0].logits
    assert not torch.equal(seen[:, 2], changed[:, 2])


def test_a_stream_of_what_needs_the_future_is_refused() -> None:
    model = models.model(focus=None, temporal="both")
    with pytest.raises(ConfigError, match="each frame's look needs the frame after it; a stream needs causal"):
        next(model.stream(models.frames().unbind(1)))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"patch": "shared"}, "a shared patch is picked after all glances"),
        ({"temporal": "both", "order": "glance_first"}, "offline shift goes with a shared patch"),
        ({"policy_sees": "clip"}, "policy_sees is clip, order interleaved and patch per_frame"),
        ({"policy_sees": "clip", "order": "glance_first", "patch": "shared"}, "after all glances .* has the choice"),
        ({"focus_frames": 3}, "a patch per_frame is cut from the glance's frames"),
        ({"temporal": "past"}, "unknown temporal 'past'"),
    ],
)
def test_what_does_not_go_together_is_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        models.config(**changes)


@pytest.mark.parametrize(("batch", "seats"), [(1, None), (5, None), (7, 3)])
@pytest.mark.parametrize("name", ["interleaved", *OTHERS])
def test_executed_exits_are_the_rule_on_all_steps(name: str, batch: int, seats: int | None) -> None:
    """Also where clips wait for a seat and join others that are at later steps."""
    model = models.model(dtype=torch.float64, **OTHERS.get(name, ({}, 0))[0])
    frames, glanced = clips_for(model, batch)
    with torch.inference_mode():
        whole = model(frames, glance_frames=glanced)
    confidences = whole.step_logits[:, :-1].softmax(-1).amax(-1)
    median = float(confidences.median()) if confidences.numel() else 0.5
    rule = ExitRule((1.0,) * model.steps, (median,) * model.steps)
    seen: list[int] = []
    if model.focus_net is not None:
        model.focus_net.register_forward_pre_hook(lambda _, given: seen.append(given[0].shape[:2].numel()))
    exits = run_batch(model, frames, rule, glance_frames=glanced, seats=seats)
    assert torch.equal(exits.steps, rule.exits(whole.step_logits))
    expected = whole.step_logits[torch.arange(batch), exits.steps]
    assert torch.allclose(exits.logits, expected, atol=1e-9)
    focused = sum(looked(model.config, int(s)).focuses for s in exits.steps)
    assert sum(seen) == focused  # what left was not computed


def test_a_static_tsm_is_a_gfnet_without_focus() -> None:
    model = models.model(focus=None)
    looks = model(models.frames())
    assert looks.centres.shape == (2, 0, 2) and looks.step_logits.shape == (2, models.FRAMES, models.CLASSES)


def test_wrong_frames_are_refused_in_words() -> None:
    model = models.model()
    with pytest.raises(ConfigError, match=r"shape \(1, 2, 3, 32, 32\); expected \(B, T, 3, 64, 64\)"):
        model(torch.zeros(1, 2, 3, 32, 32))


def test_unknown_backbone_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'resnet50'"):
        models.model("resnet5")
