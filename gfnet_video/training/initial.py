"""Where first weights come from: published ones of a timm network, or another of our checkpoints."""

from __future__ import annotations

from pathlib import Path

from gfnet_video.checkpoint import find, list_models, load_weights
from gfnet_video.config import TrainConfig
from gfnet_video.config.words import CLIP_NETWORKS
from gfnet_video.errors import CheckpointError, ConfigError
from gfnet_video.model import GFNet
from gfnet_video.nn.backbone import load_backbone
from gfnet_video.parts import Look
from gfnet_video.training.transfer import Transfer, looks_of, transfer
from gfnet_video.weights import SOURCES, Weights, backbone_weights, file_weights, is_timm_name, named, untagged


def initialise(model: GFNet, config: TrainConfig, classes: tuple[str, ...] | None = None) -> Transfer | None:
    """Fill what fits from the checkpoint `config.initial_model`; then the other looks from their own checkpoints
    (`initial_glance`, `initial_focus`: static networks, also bundled ones; a file of that backbone's weights, or none),
    and the backbones without one as `config.initial` says: none | timm | package | a timm name, perhaps with its tag |
    a file.

    classes: names of the new model's. Returns what became of `initial_model`, None without one.
    Raises ConfigError or CheckpointError naming what was missing and what to do.
    """
    found = transfer(model, config.initial_model, classes) if config.initial_model else None
    done = found.looks if found else ()
    rest = {part: look for part, look in looks_of(model).items() if part not in done}
    own = {"glance": config.initial_glance, "focus": config.initial_focus}
    plain = {part: wanted.backbone for part, (_, wanted) in rest.items() if not own[part]}
    if not plain:
        _check_unused(config)
    sources = _sources(plain, config.initial) if plain else {}
    for part, (look, wanted) in rest.items():
        source = own[part] or sources[part]
        if own[part] and source != "none" and not Path(source).is_file():
            _from_checkpoint(look, find(source) if source in list_models() else Path(source), part)
        elif source != "none":
            load_backbone(look.backbone, _weights(wanted.backbone, source, part), source=source)
    return found


def _check_unused(config: TrainConfig) -> None:
    """Raise ConfigError where `initial` names something, but every look begins elsewhere."""
    if config.initial not in SOURCES:
        own = ("initial_model", "initial_glance", "initial_focus")
        given = ", ".join(f"train.{name}={source}" for name in own if (source := getattr(config, name)))
        raise ConfigError(
            f"initial is {config.initial!r}, but nothing would be taken from there: all looks begin from {given}; "
            "name a checkpoint's folder that exists, or leave these out: --set train.initial_focus="
        )


def _weights(name: str, source: str, part: str) -> Weights:
    """A backbone's weights under its publisher's names. Raises ConfigError where the source has none of it."""
    if name not in CLIP_NETWORKS:
        return named(name, backbone_weights(name, source))
    if not Path(source).is_file():
        raise ConfigError(
            f"{part}.backbone is {name} and begins from {source}, which has no weights of it; expected a file as "
            f"pytorchvideo publishes it (X3D_S.pyth): --set train.initial_{part}=FILE; or random weights: "
            f"--set train.initial_{part}=none"
        )
    return file_weights(Path(source))


def _sources(backbones: dict[str, str], initial: str) -> dict[str, str]:
    """Where each look's backbone begins; a timm name is meant for the looks that have it, and a file beside a network
    of whole clips for that: the others take timm's own.

    Raises ConfigError where no look has the network of that name.
    """
    clipwise = [part for part, name in backbones.items() if name in CLIP_NETWORKS]
    if clipwise and Path(initial).is_file():
        return {part: initial if part in clipwise else "timm" for part in backbones}
    if not is_timm_name(initial):
        return dict.fromkeys(backbones, initial)
    network = untagged(initial)
    if network not in map(untagged, backbones.values()):
        found = ", ".join(f"{part} {name}" for part, name in backbones.items())
        raise ConfigError(
            f"initial is {initial}, but no look that wants weights has that backbone ({found}); take one of them, or "
            f"--set model.glance.backbone={network}"
        )
    return {part: initial if untagged(name) == network else "timm" for part, name in backbones.items()}


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
