"""Run as a process of its own, named walks as arguments: export a small model of each and compare; one JSON on stdout.

Neither onnxruntime nor openvino is ever loaded into the process of the other tests.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import torch

from gfnet_video.checkpoint import Card, Recogniser
from gfnet_video.config import Config, ModelConfig, TrainConfig
from gfnet_video.inference.export import export
from gfnet_video.nn.exit_rule import ExitRule
from tests import models
from tests.clips import encode

OPEN = replace(models.config("resnet10t").glance, shift=False)
LONG = models.config().glance  # of so many blocks that a shape which grew with each would never be traced
NARROW = models.config("resnet26").focus  # of bottlenecks
WALKS: dict[str, dict[str, object]] = {
    "gru": {"aggregator": "gru", "looks_per_frame": 2, "short_side": 72},
    "both": {
        "order": "glance_first",
        "temporal": "both",
        "patch": "shared",
        "focus_frames": 4,
        "glance": LONG,
        "focus": NARROW,
    },
    "tsm": {"focus": None},
    "coarse_to_fine": {"sampler": "coarse_to_fine", "glance": OPEN, "focus": replace(OPEN, side=32), "where": "centre"},
}


def recogniser(config: ModelConfig) -> Recogniser:
    """The small model of the tests, as one that can be exported."""
    card = Card(Config("sthv2", config, TrainConfig(())), tuple("abcde"), ExitRule.never(config.steps))
    found = Recogniser(card).eval()
    found.load_state_dict(models.model("resnet10t", **{f: getattr(config, f) for f in config.__dict__}).state_dict())
    return found


def main(form: str, names: list[str]) -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        clips = [encode(Path(scratch) / f"{n}.mp4", n) for n in (20, 33)]
        said = {}
        for name in names:
            model = recogniser(models.config("resnet10t", **WALKS[name]))
            said[name] = export(model, Path(scratch) / name, form, clips)
    print(json.dumps(said))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:] or list(WALKS))
