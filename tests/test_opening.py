"""How a checkpoint is opened: ready to run, with the answers of the model as it was saved."""

from __future__ import annotations

from pathlib import Path

import torch

from gfnet_video.checkpoint import load
from gfnet_video.engines.opening import open_engine
from gfnet_video.engines.torch_engine import TorchEngine


@torch.inference_mode()
def test_a_checkpoint_is_opened_without_batch_norms_and_says_the_same(checkpoint: Path) -> None:
    engine, saved = open_engine(checkpoint), load(checkpoint)
    assert isinstance(engine, TorchEngine)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in engine.model.modules())
    clips = torch.randn(2, saved.config.frames, 3, saved.config.frame_side, saved.config.frame_side)
    plain, quick = saved(clips), engine.model(clips)
    torch.testing.assert_close(quick.step_logits, plain.step_logits, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(quick.centres, plain.centres, rtol=1e-3, atol=1e-4)
    assert engine.about == TorchEngine(saved).about
