"""Several focus looks at each frame: one step each, whichever way the model is run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

import gfnet_video as gf
from gfnet_video.checkpoint import Card, load, save
from gfnet_video.config import Config, StageConfig, TrainConfig
from gfnet_video.engines.macs import Looked, count_macs, looked
from gfnet_video.errors import ConfigError
from gfnet_video.inference.batch import run_batch
from gfnet_video.inference.overlay import draw
from gfnet_video.inference.runner import Options
from gfnet_video.model import GFNet
from gfnet_video.nn.controls import random_centres
from gfnet_video.nn.exit_rule import ExitRule
from gfnet_video.training import policy_gradient, trainer
from gfnet_video.training.losses import stepwise_loss, supervised_loss
from gfnet_video.training.policy_gradient import policy_loss
from gfnet_video.training.rewards import glance_at
from gfnet_video.training.step import random_tracks
from tests import models

FRAMES, LOOKS = 3, 2
ORDERS = ("interleaved", "glance_first")


def made(order: str = "interleaved", dtype: torch.dtype = torch.float32, **changes: object) -> GFNet:
    return models.model(dtype=dtype, **{"frames": FRAMES, "looks_per_frame": LOOKS, "order": order, **changes})


class Rows:
    """How many frames went through the networks of a model."""

    def __init__(self, model: GFNet) -> None:
        self.seen = {"glance_net": 0, "policy": 0, "focus_net": 0}
        for name in self.seen:
            getattr(model, name).register_forward_pre_hook(lambda _, given, name=name: self.add(name, given[0]))

    def add(self, name: str, given: Tensor) -> None:
        self.seen[name] += given.shape[:2].numel()

    def taken(self) -> Looked:
        found = Looked(*self.seen.values())
        self.seen = dict.fromkeys(self.seen, 0)
        return found


@pytest.mark.parametrize("aggregator", ["mean", "gru"])
@pytest.mark.parametrize("order", ORDERS)
def test_walking_and_executed_exits_are_forward(order: str, aggregator: str) -> None:
    model, clip = made(order, torch.float64, aggregator=aggregator), models.frames(2, FRAMES, torch.float64)
    first = int(order == "glance_first")
    with torch.inference_mode():
        whole = model(clip)
    assert model.steps == FRAMES * LOOKS + first == whole.step_logits.shape[1]
    assert whole.centres.shape == (2, FRAMES * LOOKS, 2) and whole.step_logits.std() > 1e-3
    rows = Rows(model)
    for chunk in (1, 2):
        for stop in (first, first + 1, model.steps - 1):  # within a frame's looks, after them, at the end
            steps = []
            for step in model.walk(clip.unbind(1), chunk=chunk):
                steps.append(step)
                if step.index == stop:
                    break
            assert [s.index for s in steps] == list(range(stop + 1))
            assert torch.allclose(torch.stack([s.logits for s in steps], 1), whole.step_logits[:, : stop + 1])
            centres = torch.stack([s.centre for s in steps if s.centre is not None], 1)
            assert torch.allclose(centres, whole.centres[:, : centres.shape[1]])
            taken, said = rows.taken(), looked(model.config, stop, chunk)
            assert taken == Looked(*(2 * n for n in (said.glances, said.located, said.focuses)))
    sure = (whole.step_logits[:, first] / 20).softmax(-1).amax(-1)
    rule = ExitRule((20.0,) * model.steps, (float(sure.mean()),) * model.steps)  # one clip leaves at its first look
    rule = replace(rule, thresholds=(2.0, *rule.thresholds[1:]) if first else rule.thresholds)
    for seats in (2, 1):
        exits = run_batch(model, clip, rule, seats=seats)
        assert torch.equal(exits.steps, rule.exits(whole.step_logits)) and first in exits.steps
        assert torch.allclose(exits.logits, whole.step_logits[torch.arange(2), exits.steps], atol=1e-9)
        said = [looked(model.config, int(s)) for s in exits.steps]
        taken = rows.taken()
        assert (taken.glances, taken.focuses) == (sum(s.glances for s in said), sum(s.focuses for s in said))


def test_both_orders_end_alike_and_forced_patches_reach_every_look() -> None:
    model, clip = made(dtype=torch.float64), models.frames(2, FRAMES, torch.float64)
    first = GFNet(replace(model.config, order="glance_first")).double().eval()
    first.load_state_dict(model.state_dict())
    centres, never = torch.rand(2, FRAMES * LOOKS, 2, dtype=torch.float64), ExitRule.never(9)
    with torch.inference_mode():
        assert torch.allclose(model(clip).logits, first(clip).logits, atol=1e-9)
        forced = model(clip, centres=centres).logits
    for other in (model, first):
        rule = replace(never, temperatures=(1.0,) * other.steps, thresholds=(2.0,) * other.steps)
        assert torch.allclose(run_batch(other, clip, rule, centres=centres).logits, forced, atol=1e-9)
        for chunk in (1, 2):
            steps = list(other.walk(clip.unbind(1), chunk=chunk, centres=centres))
            assert torch.allclose(steps[-1].logits, forced, atol=1e-9)


def test_two_looks_at_a_frame_are_looks_at_a_frame_that_is_shown_twice() -> None:
    """As far as the glance, which sees it once, has no memory."""
    still = replace(models.config().glance, shift=False)
    twice, clip = made(glance=still, dtype=torch.float64), models.frames(2, FRAMES, torch.float64)
    once = GFNet(replace(twice.config, frames=FRAMES * LOOKS, looks_per_frame=1)).double().eval()
    once.load_state_dict(twice.state_dict())
    with torch.inference_mode():
        a, b = twice(clip), once(clip.repeat_interleave(LOOKS, 1))
    assert torch.allclose(a.centres, b.centres, atol=1e-9)
    assert torch.allclose(a.step_logits[:, 1::LOOKS], b.step_logits[:, 1::LOOKS], atol=1e-9)  # a frame's last looks
    assert not torch.allclose(a.centres[:, ::LOOKS], a.centres[:, 1::LOOKS], atol=1e-6)  # the policy took a turn each


@pytest.mark.parametrize("where", ["policy", "random"])
@pytest.mark.parametrize("aggregator", ["mean", "gru"])
@pytest.mark.parametrize("order", ORDERS)
def test_macs_are_those_of_the_looks(order: str, aggregator: str, where: str) -> None:
    model = made(order, aggregator=aggregator, where=where)
    macs = count_macs(model)
    with models.counted() as counter:
        model(models.frames(1, FRAMES))
    spent = macs.of(looked(model.config, model.steps - 1))
    assert spent == pytest.approx(counter.get_total_flops() / 2e9, rel=1e-9)


def test_the_loss_is_of_all_looks() -> None:
    model, clip, labels = made(), models.frames(2, FRAMES), torch.tensor([0, 1])
    centres = torch.rand(3, 2, FRAMES * LOOKS, 2)
    with torch.no_grad():
        loss = supervised_loss(model, clip, labels, centres, auxiliary=0.0)
        steps = model(clip.repeat(3, 1, 1, 1, 1), centres=centres.flatten(0, 1)).step_logits
    assert torch.allclose(loss, stepwise_loss(steps, labels.repeat(3)), rtol=1e-4)


def test_each_look_of_a_frame_has_a_smooth_random_track_of_its_own() -> None:
    tracks = random_tracks(made(frames=8), 50, 1, torch.Generator().manual_seed(0))[:, 0].unflatten(1, (8, LOOKS))
    assert tracks.diff(dim=1).abs().max() <= 0.8 / 8 + 1e-6
    assert (tracks[:, :, 0] - tracks[:, :, 1]).abs().mean() > 0.2


def test_a_later_look_is_rewarded_for_what_it_adds(monkeypatch: pytest.MonkeyPatch) -> None:
    model, clip, labels = made(), models.frames(2, FRAMES), torch.tensor([0, 1])
    given: list[Tensor] = []
    standing = policy_gradient.leave_one_out
    monkeypatch.setattr(policy_gradient, "leave_one_out", lambda reward: given.append(reward) or standing(reward))
    drawn = torch.Generator().manual_seed(3)
    loss, _ = policy_loss(model, glance_at(model, clip, labels), sigma=0.2, tracks=2, generator=drawn)
    loss.backward()
    assert model.policy is not None and all(p.grad is not None for p in model.policy.parameters())
    noise = torch.randn(2, 2, FRAMES * LOOKS, 2, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        seen, _ = model.glance(clip)
        means, _ = model.policy(model.repeated(seen.map), None)
        centres = (means + 0.2 * noise).clamp(0, 1)
        for track in range(2):
            patch, _ = model.focus(model.repeated(clip), centres[track])
            for t in range(FRAMES):
                at = patch.logits[:, t * LOOKS : (t + 1) * LOOKS]
                for look in range(LOOKS):
                    scores = (seen.logits[:, : t + 1].mean(1) + at[:, : look + 1].mean(1)).log_softmax(-1)
                    expected = scores[torch.arange(2), labels]
                    assert torch.allclose(given[0][track, :, t * LOOKS + look], expected, atol=1e-3)


def test_all_stages_train(tmp_path: Path) -> None:
    from tests.training.test_trainer import NoiseClips

    stages = (
        StageConfig("warm-up", 1, 1e-3, patches="random", batch=4),
        StageConfig("policy", 1, 1e-3, patches="sampled", train=("policy",), batch=4, tracks=2),
        StageConfig("fine-tune", 1, 1e-3, patches="policy", batch=4),
        StageConfig("middle", 1, 1e-3, patches="centre", batch=4),
    )
    model = made(frames=models.FRAMES)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    trainer.train(model, NoiseClips(), Config("mini", model.config, TrainConfig(stages)), tmp_path)
    changed = {k.split(".")[0] for k in before if not torch.equal(before[k], model.state_dict()[k])}
    assert changed == {"glance_net", "focus_net", "policy", "aggregator"}


@pytest.mark.parametrize("order", ORDERS)
def test_a_checkpoint_recognises_a_file_and_its_picture_is_drawn(order: str, clip: Path, tmp_path: Path) -> None:
    model = made(order, where="random")
    card = Card(Config("mini", model.config, TrainConfig(())), tuple("abcde"), ExitRule.never(model.steps))
    save(tmp_path / "model", model, card)
    found = load(tmp_path / "model", verify=True)
    whole = gf.predict(found, clip)
    assert torch.allclose(torch.tensor(whole.patches), random_centres("clip", range(FRAMES * LOOKS)))
    assert (whole.frames_decoded, whole.steps) == (FRAMES, model.steps)
    soon = gf.predict(found, clip, options=Options(confidence=0.01))
    if order == "interleaved":  # one glance, one of the two looks
        assert (soon.exit_step, soon.frames_decoded, len(soon.patches)) == (1, 1, 1)
        assert soon.gmacs == pytest.approx(count_macs(found).of(Looked(1, 0, 1)))
    draw(found, [whole, soon], tmp_path / "looked.png")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"looks_per_frame": 0}, "looks_per_frame is 0; expected at least 1"),
        ({"looks_per_frame": 2, "focus": None}, "looks_per_frame 2.* but without a focus"),
        ({"looks_per_frame": 2, "patch": "shared", "order": "glance_first"}, "a shared patch is the same at each look"),
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        models.config(**changes)
