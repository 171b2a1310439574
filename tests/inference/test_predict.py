"""One video through the exit loop: what it computes is `forward`, and what it saves is really saved."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import gfnet_video as gf
from gfnet_video.checkpoint import Card, Recogniser
from gfnet_video.config import Config, TrainConfig
from gfnet_video.datasets.clips import open_clips
from gfnet_video.datasets.manifest import Manifest
from gfnet_video.engines.macs import Looked, count_macs
from gfnet_video.engines.torch_engine import TorchEngine
from gfnet_video.errors import ConfigError, VideoError
from gfnet_video.inference import runner
from gfnet_video.inference.batch import run_batch
from gfnet_video.inference.many import predict_many
from gfnet_video.inference.overlay import draw
from gfnet_video.inference.runner import Options
from gfnet_video.nn.exit_rule import ExitRule
from gfnet_video.records import Prediction
from gfnet_video.video.reader import VideoReader
from gfnet_video.video.samplers import uniform_indices
from gfnet_video.video.transforms import normalise
from tests import models
from tests.clips import encode


def whole(model: gf.GFNet, path: Path) -> torch.Tensor:
    """The sampled clip, all at once (1,T,3,H,W)."""
    return torch.stack(list(gf.frames(model, path)), 1)  # type: ignore[arg-type]


def test_predict_is_forward_under_the_rule_is_the_batch(checkpoint: Path, clip: Path) -> None:
    model = gf.load(checkpoint)
    frames = whole(model, clip)
    with torch.inference_mode():
        looks = model(frames)
    never = model.card.rule
    scores = torch.stack([never.probabilities(looks.step_logits[:, s], s).max() for s in range(models.FRAMES)])
    seen = set()
    for confidence in scores.tolist():
        rule = never.at(confidence - 1e-6)
        found = gf.predict(model, clip, confidence=confidence - 1e-6)
        step = int(rule.exits(looks.step_logits)[0])
        batch = run_batch(model, frames, rule)
        assert found.exit_step - 1 == step == int(batch.steps[0])
        assert found.score == pytest.approx(float(scores[step]), abs=1e-5)
        assert torch.allclose(batch.logits, looks.step_logits[:, step], atol=1e-4)
        assert torch.allclose(torch.tensor(found.patches), looks.centres[0, : step + 1], atol=1e-5)
        assert found.label == model.card.classes[int(looks.step_logits[0, step].argmax())]
        seen.add(step)
    assert len(seen) > 1  # the thresholds did choose different steps


def test_what_an_exit_saves_is_neither_decoded_nor_computed(
    checkpoint: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[VideoReader] = []

    class Watched(VideoReader):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            opened.append(self)

    monkeypatch.setattr(runner, "VideoReader", Watched)
    model = gf.load(checkpoint)
    engine = TorchEngine(model)  # counting its costs runs every look once
    ran = {"glance": 0, "focus": 0}
    model.glance_net.register_forward_hook(lambda *_: ran.update(glance=ran["glance"] + 1))
    assert model.focus_net is not None
    model.focus_net.register_forward_hook(lambda *_: ran.update(focus=ran["focus"] + 1))
    soon = gf.predict(engine, clip, options=Options(confidence=0.01, reader="pyav"))
    assert ran == {"glance": 1, "focus": 1} and soon.exit_step == 1
    late = gf.predict(engine, clip, options=Options(exits=False, reader="pyav"))
    assert ran == {"glance": 7, "focus": 7} and late.exit_step == 6
    few, all_ = (video.packets_decoded for video in opened)
    assert few <= uniform_indices(36, 6)[0] + 2 < all_ <= 36  # up to the first frame, and the decoder's delay


@pytest.mark.parametrize(("chunk", "computed"), [(1, 1), (2, 2), (4, 4), (9, 6)])
def test_a_chunk_is_computed_whole_and_counted_so(checkpoint: Path, clip: Path, chunk: int, computed: int) -> None:
    model, macs = gf.load(checkpoint), count_macs(gf.load(checkpoint))
    found = gf.predict(model, clip, options=Options(confidence=0.01, chunk=chunk))
    assert (found.exit_step, len(found.patches), found.frames_decoded) == (1, 1, computed)
    assert len(found.frame_indices) == computed and found.gmacs == pytest.approx(
        macs.of(Looked(computed, computed, computed))
    )


def test_clips_shorter_than_the_model_repeat_frames(checkpoint: Path, tmp_path: Path) -> None:
    found = gf.predict(gf.load(checkpoint), encode(tmp_path / "short.mp4", 3))
    assert found.frame_indices == (0, 0, 1, 1, 2, 2)


def test_one_frame_is_enough(checkpoint: Path, tmp_path: Path) -> None:
    assert gf.predict(gf.load(checkpoint), encode(tmp_path / "one.mp4", 1)).frame_indices == (0,) * 6


def test_a_confidence_that_is_none_is_refused(checkpoint: Path, clip: Path) -> None:
    with pytest.raises(ConfigError, match="confidence is 0"):
        gf.predict(gf.load(checkpoint), clip, confidence=0.0)


def test_macs_are_those_of_the_networks(checkpoint: Path, clip: Path) -> None:
    """GMACs counted by torch's own counter over the same looks."""
    model = gf.load(checkpoint)
    found = gf.predict(model, clip)
    with models.counted() as counter:
        model(whole(model, clip))
    assert found.gmacs == pytest.approx(counter.get_total_flops() / 2e9, rel=0.02)


def test_a_folder_of_pictures_is_a_video(checkpoint: Path, tmp_path: Path) -> None:
    from PIL import Image

    from gfnet_video.inference.files import find_videos
    from tests.clips import paint

    for clip in ("a", "b/c"):
        (tmp_path / clip).mkdir(parents=True)
        for n in range(1, 13):
            Image.fromarray(paint(n)).save(tmp_path / clip / f"{n:05d}.jpg", quality=95)
    assert find_videos([str(tmp_path)]) == [tmp_path / "a", tmp_path / "b" / "c"]
    model = gf.load(checkpoint)
    found = gf.predict(model, tmp_path / "a")
    assert found.frame_indices == tuple(uniform_indices(12, 6))
    again = list(predict_many(model, find_videos([str(tmp_path)]), Options()))
    assert [p.step_scores for p in again if isinstance(p, Prediction)] == [found.step_scores] * 2
    (tmp_path / "a" / "00004.jpg").unlink()
    with pytest.raises(VideoError, match=r"00004\.jpg: no such frame"):
        gf.predict(model, tmp_path / "a")


def test_frames_are_visited_coarse_to_fine_and_decoded_only_when_visited(clip: Path, tmp_path: Path) -> None:
    still = replace(models.config().glance, shift=False)
    config = models.config(glance=still, focus=replace(still, side=32), sampler="coarse_to_fine")
    card = Card(Config("sthv2", config, TrainConfig(())), tuple("abcde"), ExitRule.never(models.FRAMES))
    model = Recogniser(card).eval()
    order = [15, 3, 33, 9, 21, 27]  # of the middles of six segments of six frames
    found = gf.predict(model, clip)
    assert list(found.frame_indices) == order
    names = [clip.name]
    read = open_clips(Manifest.of("test", "abcde", clip.parent, names, names, [0]), config, None).read(0)
    assert torch.equal(normalise(read, config.mean, config.std), whole(model, clip)[0])
    assert gf.predict(model, clip, confidence=0.01).frame_indices == (15,)
    draw(model, [found], tmp_path / "looked.png")
    with pytest.raises(ConfigError, match="out of time's order; set shift: false in every look"):
        models.config(sampler="coarse_to_fine")
