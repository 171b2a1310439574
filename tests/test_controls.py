"""Patches that no policy chose: the middle, random places, the truth; and that they reach every look that is taken."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from torch import Tensor

import gfnet_video as gf
from gfnet_video.checkpoint import Card, Recogniser
from gfnet_video.config import Config, StageConfig, TrainConfig
from gfnet_video.datasets.clips import Clips, View, open_clips
from gfnet_video.datasets.manifest import Manifest
from gfnet_video.datasets.truth import true_places
from gfnet_video.engines.macs import Looked, count_macs, looked
from gfnet_video.errors import ConfigError, DataError, VideoError
from gfnet_video.evaluation.evaluate import evaluate
from gfnet_video.evaluation.metrics import step_logits_of
from gfnet_video.inference.batch import run_batch
from gfnet_video.model import GFNet, parted
from gfnet_video.nn.controls import random_centres
from gfnet_video.nn.exit_rule import ExitRule
from gfnet_video.nn.patches import crop_patches
from gfnet_video.training import step
from gfnet_video.training.trainer import train
from gfnet_video.video.augment import Recipe
from tests import models

LENGTH, DOT = 12, 8  # frames of a clip; side of its bright dot in frames of models.SIDE
CONTROLS = ("centre", "random", "oracle")
ORDERS: dict[str, dict[str, object]] = {
    "interleaved": {},
    "glance_first": {"order": "glance_first"},
    "shared, own frames": {"order": "glance_first", "patch": "shared", "focus_frames": 4},
    "both": {"order": "glance_first", "patch": "shared", "temporal": "both"},
}


def walked(model: GFNet, frames: Tensor, glanced: Tensor | None, centres: Tensor | None, chunk: int) -> Tensor:
    given = None if glanced is None else glanced.unbind(1)
    steps = model.walk(frames.unbind(1), glance_frames=given, chunk=chunk, centres=centres)
    return torch.stack([step.logits for step in steps], 1)


def alike(found: Tensor, expected: Tensor) -> bool:
    """Equal but for rounding."""
    return torch.allclose(found, expected, atol=2e-4 * float(expected.abs().max()))


def some_leave_at_once(step_logits: Tensor) -> ExitRule:
    """A rule under which half of the clips stop after the first step, and the others later."""
    first = (step_logits[:, 0] / 20).softmax(-1).amax(-1).sort().values
    threshold = float(first[len(first) // 2 - 1 : len(first) // 2 + 1].mean())
    return ExitRule((20.0,) * step_logits.shape[1], (threshold,) * step_logits.shape[1])


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("where", CONTROLS)
def test_all_ways_to_run_look_at_the_same_places(where: str, order: str) -> None:
    """An oracle's are forced; the others' come from the model itself. No place is rounded, so float32 will do."""
    model = models.model(where=where, **ORDERS[order])
    frames, glanced = parted(models.frames(2, models.FRAMES + model.config.focus_frames), model.config)
    centres = torch.rand(2, model.config.looks, 2) if where == "oracle" else None
    with torch.inference_mode():
        whole = model(frames, glance_frames=glanced, centres=centres)
        elsewhere = model(frames, glance_frames=glanced, centres=torch.rand(2, model.config.looks, 2))
    assert not torch.allclose(whole.logits, elsewhere.logits, atol=1e-3)  # or the places would be looked at nowhere
    for chunk in (1, 4):
        assert alike(walked(model, frames, glanced, centres, chunk), whole.step_logits)
    rule = some_leave_at_once(whole.step_logits)
    for rows in ([0, 1], [1, 0]):  # whichever leaves, the other keeps its own places
        given = [None if x is None else x[rows] for x in (glanced, centres)]
        exits, steps = (
            run_batch(model, frames[rows], rule, glance_frames=given[0], centres=given[1]),
            whole.step_logits[rows],
        )
        assert torch.equal(exits.steps, rule.exits(steps)) and len(set(exits.steps.tolist())) > 1
        assert alike(exits.logits, steps[torch.arange(2), exits.steps])
    if where == "centre":
        assert bool((whole.centres == 0.5).all())


@pytest.mark.parametrize("order", ORDERS)
def test_forced_patches_reach_a_policys_model_too(order: str) -> None:
    """The same weights and places, with and without a policy: the controls differ in nothing else."""
    model = models.model(**ORDERS[order])
    oracle = GFNet(replace(model.config, where="oracle")).eval()
    oracle.load_state_dict({k: v for k, v in model.state_dict().items() if not k.startswith("policy.")})
    frames, glanced = parted(models.frames(2, models.FRAMES + model.config.focus_frames), model.config)
    centres, rule = torch.rand(2, model.config.looks, 2), ExitRule.never(model.steps)
    found = [run_batch(m, frames, rule, glance_frames=glanced, centres=centres).logits for m in (model, oracle)]
    assert torch.equal(*found)
    assert torch.equal(walked(model, frames, glanced, centres, 9), walked(oracle, frames, glanced, centres, 9))


@pytest.mark.parametrize("order", ["interleaved", "glance_first"])
@pytest.mark.parametrize("where", CONTROLS)
def test_a_control_pays_for_glance_and_focus_alone(where: str, order: str) -> None:
    model, policy = (models.model(where=w, **ORDERS[order]) for w in (where, "policy"))
    macs, dear = count_macs(model), count_macs(policy)
    assert macs.locate == 0 < dear.locate
    assert (macs.glance, macs.focus, macs.aggregate) == (dear.glance, dear.focus, dear.aggregate)
    last = looked(model.config, model.steps - 1)
    assert last == Looked(models.FRAMES, 0, models.FRAMES)
    assert macs.of(last) == pytest.approx(models.FRAMES * (macs.glance + macs.focus + macs.aggregate))
    assert not any(name.startswith("policy") for name in model.state_dict())


def test_random_places_depend_on_clip_and_look_alone_and_are_everywhere() -> None:
    first = random_centres("a clip", range(8))
    assert torch.equal(random_centres("a clip", range(3, 8)), first[3:])
    assert not torch.equal(random_centres("another", range(8)), first)
    many = torch.cat([random_centres(str(n), range(4)) for n in range(500)])
    assert many.min() >= 0 and many.max() <= 1 and len(many.unique(dim=0)) == 2000
    for axis in range(2):
        assert many[:, axis].histc(5, 0, 1).min() > 0.16 * 2000


def test_a_nameless_stream_at_random_goes_on_without_end_and_rows_keep_their_place() -> None:
    model, clip = models.model(where="random"), models.frames(1, 9)
    steps = list(model.stream(clip.unbind(1)))
    assert torch.equal(torch.stack([s.centre[0] for s in steps if s.centre is not None]), random_centres("", range(9)))


# -- clips of a bright dot, and the truth of where it is ------------------------------------------------------------


def encode_dot(path: Path, places: np.ndarray) -> None:
    """A grey clip with a bright dot at places (n,2) as parts of the frame."""
    with av.open(str(path), "w", format="webm") as container:
        stream = container.add_stream("libvpx-vp9", rate=12, options={"deadline": "realtime", "crf": "10", "b": "0"})
        stream.width = stream.height = models.SIDE
        stream.pix_fmt = "yuv420p"
        for place in places:
            top, left = np.round(place * models.SIDE - DOT / 2).astype(int)
            picture = np.full((models.SIDE, models.SIDE, 3), 60, np.uint8)
            picture[top : top + DOT, left : left + DOT] = 240
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


@pytest.fixture(scope="module")
def dots(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Six clips in which a dot goes from place to place, and their truth, listed in another order."""
    root, rng = tmp_path_factory.mktemp("dots"), np.random.default_rng(0)
    (root / "labels").mkdir()
    cells = np.arange(12, models.SIDE - 11, 4)
    places = rng.choice(cells, (6, LENGTH, 2)) / models.SIDE
    ids = [f"clip{n}" for n in range(6)]
    for name, track in zip(ids, places, strict=True):
        encode_dot(root / f"{name}.webm", track)
    np.savez(root / "labels" / "truth.npz", id=np.array(ids[::-1]), mover=places[::-1].astype(np.float32))
    return Manifest.of("train", "abcde", root, ids, [f"{name}.webm" for name in ids], [0, 1, 2, 3, 4, 0])


def off_centre(patches: Tensor) -> Tensor:
    """How many pixels the middle of what is bright lies from a patch's own middle: patches (...,3,P,P) -> (...,2)."""
    bright = (patches.float().mean(-3) - patches.float().mean(-3).amin((-1, -2), keepdim=True)) ** 3
    bright = bright / bright.sum((-1, -2), keepdim=True)
    axis = torch.arange(patches.shape[-1]) + 0.5 - patches.shape[-1] / 2
    return torch.stack([(bright.sum(-1) * axis).sum(-1), (bright.sum(-2) * axis).sum(-1)], -1)


def patches_of(model: GFNet, frames: Tensor, centres: Tensor) -> Tensor:
    """What the focus would see (B,F,3,P,P)."""
    assert model.config.focus is not None
    cut = crop_patches(frames.flatten(0, 1), centres.flatten(0, 1), size=model.config.focus.side)
    return cut.unflatten(0, centres.shape[:2])


def inner(centres: Tensor) -> Tensor:
    """Which patches are whole around their place, not stopped by an edge."""
    return ((centres > 0) & (centres < 1)).all(-1)


@pytest.mark.parametrize("jitter", [False, True])
def test_the_truth_of_the_sampled_frames_is_where_the_dot_is(dots: Manifest, jitter: bool) -> None:
    model = models.model(where="oracle")
    clips = Clips(dots, models.FRAMES, models.SIDE, jitter=jitter, truth=true_places(dots))
    for clips.epoch in (0, 3):
        frames = torch.stack([clips.read(i) for i in range(len(dots))])
        centres = model.aim(torch.stack([clips.true_places(i) for i in range(len(dots))]))
        off = off_centre(patches_of(model, frames, centres))
        assert inner(centres).sum() > 12 and off[inner(centres)].abs().max() < 1.1  # whole pixels, and the codec


def test_a_cut_square_moves_the_places(dots: Manifest) -> None:
    config = models.config(where="oracle", short_side=80)
    clips = open_clips(dots, config, None)
    frames = torch.stack([clips.read(i) for i in range(len(dots))])
    centres = GFNet(config).aim(torch.stack([clips.true_places(i) for i in range(len(dots))]))
    whole = inner(centres)
    assert whole.sum() > 8
    assert off_centre(patches_of(GFNet(config), frames, centres))[whole].abs().max() < 1.1


def recogniser(**changes: object) -> Recogniser:
    model = models.model(**changes)
    config = Config("mini", model.config, TrainConfig(()))
    found = Recogniser(Card(config, tuple("abcde"), ExitRule.never(model.steps)))
    found.load_state_dict(model.state_dict())
    return found.eval()


@pytest.mark.parametrize("order", ["interleaved", "shared, own frames"])
@pytest.mark.parametrize("where", CONTROLS)
def test_evaluation_takes_the_controls_patches_whatever_the_batch(dots: Manifest, where: str, order: str) -> None:
    model = recogniser(where=where, **ORDERS[order])
    clips = open_clips(dots, model.config, None)
    one, many = (step_logits_of(model, clips, batch=b) for b in (1, 4))
    assert torch.equal(one.centres, many.centres) and alike(one.logits, many.logits)
    looks = model.config.looks
    for i in range(len(dots)):
        expected = {
            "centre": lambda i: torch.full((looks, 2), 0.5),
            "random": lambda i: random_centres(f"clip{i}", range(looks)),
            "oracle": lambda i: model.aim(clips.true_places(i)[None])[0].expand(looks, 2),
        }[where](i)
        expected = expected[-1:].expand(looks, 2) if model.config.patch == "shared" else expected
        assert torch.equal(one.centres[i], expected)
    found = evaluate(model, clips, some_leave_at_once(one.logits), batch=4)
    rows = torch.arange(len(dots))
    assert len(set(found.exits.tolist())) > 1
    assert alike(found.exit_logits, one.logits[rows, found.exits])


def test_shuffled_frames_take_their_places_along(dots: Manifest) -> None:
    model = recogniser(where="oracle")
    clips = open_clips(dots, model.config, None)
    plain, shuffled = (step_logits_of(model, clips, shuffle_frames=s).centres for s in (None, 0))
    assert not torch.equal(plain, shuffled)
    for a, b in zip(plain, shuffled, strict=True):
        assert sorted(map(tuple, a.tolist())) == sorted(map(tuple, b.tolist()))


def test_a_file_is_looked_at_in_the_places_that_evaluation_took(dots: Manifest) -> None:
    model = recogniser(where="random")
    found = gf.predict(model, dots.path(2))
    measured = step_logits_of(model, open_clips(dots, model.config, None))
    assert torch.allclose(torch.tensor(found.patches), measured.centres[2])
    middle = gf.predict(recogniser(where="centre"), dots.path(2))
    assert set(middle.patches) == {(0.5, 0.5)}


def test_an_oracle_knows_nothing_of_other_files(dots: Manifest, tree: Path) -> None:
    model = recogniser(where="oracle")
    with pytest.raises(ConfigError, match=r"model\.where is oracle: its patches follow the data's own truth"):
        gf.predict(model, dots.path(0))
    with pytest.raises(ConfigError, match="is oracle"):
        next(model.stream(models.frames(1).unbind(1)))
    with pytest.raises(DataError, match="these clips came without the truth"):
        step_logits_of(model, Clips(dots, models.FRAMES, models.SIDE))
    other = Manifest.of("test", "abcde", tree, ["100"], ["100.webm"], [0])
    with pytest.raises(DataError, match=r"truth\.npz: absent, but patches of an oracle"):
        open_clips(other, model.config, None)


def test_a_truth_that_does_not_fit_is_refused(dots: Manifest, tmp_path: Path) -> None:
    truth = true_places(dots)
    with pytest.raises(VideoError, match="has 12 frames, but its truth 11"):
        Clips(dots, models.FRAMES, models.SIDE, truth=truth[:, :11]).read(0)
    with pytest.raises(ConfigError, match="places would not follow"):
        Clips(dots, models.FRAMES, models.SIDE, truth=truth, recipe=Recipe("multi_scale"))
    with pytest.raises(ConfigError, match="a view is off the centre"):
        Clips(dots, models.FRAMES, models.SIDE, truth=truth, view=View(0, (0.0, 0.0)))
    strange = Manifest.of("train", "abcde", dots.root, ["clip0", "stranger"], ["a", "b"], [0, 1])
    with pytest.raises(DataError, match=r"truth\.npz: lacks 1 of 2 clips, first stranger"):
        true_places(strange)
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "truth.npz").write_text("no zip")
    with pytest.raises(DataError, match=r"truth\.npz: cannot be read: .*make the data anew"):
        true_places(replace(dots, root=tmp_path))


# -- training -------------------------------------------------------------------------------------------------------


def config(where: str, patches: str, tracks: int = 1, **changes: object) -> Config:
    stages = (StageConfig("only", 1, 1e-3, patches=patches, batch=3, tracks=tracks),)
    return Config("mini", models.config(where=where, **changes), TrainConfig(stages, brightness=0.0))


Call = tuple[Tensor, Tensor]


def trained(config: Config, dots: Manifest, run: Path, monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """What the loss was given: frames (B,T,3,H,W) and centres (M,B,T,2) of each batch."""
    calls: list[Call] = []
    loss = step.supervised_loss

    def listening(model: GFNet, frames: Tensor, labels: Tensor, centres: Tensor, **rest: object) -> Tensor:
        calls.append((frames, centres))
        return loss(model, frames, labels, centres, **rest)  # type: ignore[arg-type]

    clips = Clips(
        dots,
        models.FRAMES,
        models.SIDE,
        jitter=True,
        focus_frames=config.model.focus_frames,
        truth=true_places(dots) if config.asks_oracle else None,
    )
    with monkeypatch.context() as patched:
        patched.setattr(step, "supervised_loss", listening)
        train(GFNet(config.model), clips, config, run)
    return calls


@pytest.mark.parametrize("order", ["interleaved", "glance_first", "shared, own frames"])
@pytest.mark.parametrize("where", ["oracle", "policy"])
def test_training_on_the_truth_sees_the_dot_after_augmentation(
    dots: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, order: str
) -> None:
    plain = config(where, "oracle", **ORDERS[order])
    how = replace(plain.train, translate=0.1, scale=0.2, degrees=15.0)
    calls = trained(replace(plain, train=how), dots, tmp_path, monkeypatch)
    assert len(calls) == 2
    for frames, centres in calls:
        assert centres.shape == (1, 3, plain.model.looks, 2)
        if plain.model.patch == "shared":  # the mean place of the clip
            assert torch.equal(centres[0], centres[0, :, :1].expand(-1, 4, -1))
            continue
        whole = inner(centres[0])
        off = off_centre(patches_of(models.model(), frames, centres[0]))[whole]
        assert whole.sum() >= 4 and off.abs().max() < 1.5


def test_training_in_the_middle_and_at_random(dots: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for _, centres in trained(config("centre", "centre"), dots, tmp_path / "a", monkeypatch):
        assert torch.equal(centres, torch.full((1, 3, 6, 2), 0.5))
    drawn = trained(config("random", "random", tracks=2), dots, tmp_path / "b", monkeypatch)
    smooth = trained(config("policy", "random", tracks=2), dots, tmp_path / "c", monkeypatch)
    for (_, jumps), (_, drifts) in zip(drawn, smooth, strict=True):
        assert jumps.shape == drifts.shape == (2, 3, 6, 2)
        assert drifts.diff(dim=2).abs().max() <= 0.8 / 6 + 1e-6 < jumps.diff(dim=2).abs().max()


def test_other_tracks_are_drawn_around_a_controls(
    dots: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _, centres in trained(config("centre", "centre", tracks=3), dots, tmp_path, monkeypatch):
        assert bool((centres[0] == 0.5).all()) and not bool((centres[1:] == 0.5).any())


@pytest.mark.parametrize("change", [{"flip": True}, {"randaugment": "n2m9"}, {"crops": "multi_scale", "cache": False}])
def test_what_would_move_the_object_is_refused_with_an_oracle(change: dict[str, object]) -> None:
    plain = config("oracle", "oracle")
    words = rf"follow translate, scale, degrees, stretch and shear alone; leave out train\.{next(iter(change))}"
    with pytest.raises(ConfigError, match=words):
        replace(plain, train=replace(plain.train, **change))  # type: ignore[arg-type]


def test_a_control_without_a_focus_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"where is random.* without a focus there is no patch"):
        models.config(focus=None, where="random")
