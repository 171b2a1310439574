"""How published numbers are measured: which views of a clip are looked at, and their logits' mean."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from gfnet_video.checkpoint import Recogniser
from gfnet_video.datasets.clips import View, open_clips
from gfnet_video.datasets.manifest import Manifest
from gfnet_video.engines.macs import count_macs, looked
from gfnet_video.evaluation.metrics import accuracy, mean_average_precision, step_logits_of, truth_of
from gfnet_video.nn.device import device_of
from gfnet_video.nn.folding import folded

# TSM's two: one clip and the centre crop; two clips and three squares along the longer side, at full resolution.
PROTOCOLS = {
    "centre": (View(),),
    "full": tuple(View(clip, (place, place)) for clip in (0, 1) for place in (0.0, 0.5, 1.0)),
}


def at_full_resolution(model: Recogniser) -> Recogniser:
    """The same weights on frames of the whole short side: what was cut at `frame_side` is no longer cut."""
    config = model.config
    side = config.resized_to
    glance = replace(config.glance, side=round(config.glance.side * side / config.frame_side))
    wider = replace(config, frame_side=side, short_side=0, glance=glance)
    found = Recogniser(replace(model.card, config=replace(model.card.config, model=wider)))
    found.load_state_dict(model.state_dict())
    return found.to(device_of(model)).eval()


def evaluate_views(
    model: Recogniser, manifest: Manifest, protocol: str, *, cache: Path | None = None, batch: int = 16
) -> dict[str, Any]:
    """Accuracy with all looks taken in every view of `protocol`, a row of PROTOCOLS; logits are averaged over views.

    A clip that fails in one view has failed. gmacs: of all views of a video.
    """
    views = PROTOCOLS[protocol]
    model = folded(at_full_resolution(model) if protocol == "full" else model)
    logits, failed = torch.zeros(len(manifest), model.config.classes), dict[int, str]()
    for view in views:
        found = step_logits_of(model, open_clips(manifest, model.config, cache, view=view), batch=batch)
        logits += found.logits[:, -1] / len(views)
        failed |= found.failed
    labels = torch.from_numpy(manifest.labels)
    one = count_macs(model).of(looked(model.config, model.steps - 1))
    return {
        "protocol": protocol,
        "views": len(views),
        "clips": len(manifest),
        "failed": len(failed),
        "top1": accuracy(logits, labels),
        "top5": accuracy(logits, labels, top=5),
        "map": mean_average_precision(logits.softmax(-1), truth_of(manifest)),
        "gmacs": one * len(views),
        "frame_side": model.config.frame_side,
        "failures": {manifest.id(i): reason for i, reason in failed.items()},
    }
