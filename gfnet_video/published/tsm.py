"""TSM's checkpoints (mit-han-lab/temporal-shift-module, arXiv 1811.08383): offline networks, and the online demo's."""

from __future__ import annotations

from gfnet_video.config import LookConfig, ModelConfig
from gfnet_video.errors import CheckpointError, printable
from gfnet_video.model import GFNet
from gfnet_video.published import names
from gfnet_video.published.fitting import tensors_of
from gfnet_video.published.source import Asked, Held, Published, Source

SIDE, SHORT_SIDE = 224, 256  # of its tests: short side 256, centre crop
RESNETS = {6: "resnet50", 23: "resnet101"}  # by the blocks of the third stage
HEADS = ("new_fc", "base_model.fc", "base_model.classifier")  # the last two where it was trained without dropout


def read_offline(held: Held, asked: Asked, where: str) -> Published:
    """`TSN(...)` with mean consensus: a whole clip, shifted both ways; without `.net` names a TSN, not shifted.

    The file does not tell how many frames a clip has: 8, or as asked.
    """
    tensors = tensors_of(held["state_dict"], f"{printable(where)}: state_dict")
    backbone = backbone_of(tensors, "base_model.", where)
    head = next((h for h in HEADS if f"{h}.weight" in tensors), HEADS[0])
    rename = names.mobilenet_v2 if backbone == "mobilenetv2_100" else names.same
    shifted = any(name.endswith(".net.weight") for name in tensors)
    config = _config(classes_of(tensors, head, where), backbone, asked, "both", shifted)
    return Published(config, tensors, lambda m: _names(m, rename, "base_model.", head, shifted), lambda _: False)


def read_online(held: Held, asked: Asked, where: str) -> Published:
    """The online demo's MobileNetV2: frame by frame, shifted from the past alone."""
    tensors = tensors_of(held.get("state_dict", held), f"{printable(where)}: its state dict")
    config = _config(classes_of(tensors, "classifier", where), "mobilenetv2_100", asked, "causal", True)
    before, head = "", "classifier"
    return Published(config, tensors, lambda m: _names(m, names.mobilenet_v2, before, head, False), lambda _: False)


def backbone_of(tensors: Held, before: str, where: str) -> str:
    """timm's name of the network whose tensors begin with `before`. Raises CheckpointError for another."""
    if any(name.startswith(f"{before}features.") for name in tensors):
        return "mobilenetv2_100"
    third = {name.split(".")[before.count(".") + 1] for name in tensors if name.startswith(f"{before}layer3.")}
    if len(third) not in RESNETS:
        raise CheckpointError(
            f"{printable(where)}: holds neither a MobileNetV2 nor a ResNet-50 or 101 (6 or 23 blocks in the third "
            f"stage, found {len(third)})"
        )
    return RESNETS[len(third)]


def classes_of(tensors: Held, head: str, where: str) -> int:
    """How many classes the linear layer `head` tells apart. Raises CheckpointError where it is absent or no matrix."""
    weight = tensors.get(f"{head}.weight")
    if weight is None or weight.ndim != 2:
        found = "nothing" if weight is None else f"shape {tuple(weight.shape)}"
        raise CheckpointError(
            f"{printable(where)}: missing {head}.weight (classes, width), the classifier; found {found}"
        )
    return len(weight)


def _config(classes: int, backbone: str, asked: Asked, temporal: str, shift: bool) -> ModelConfig:
    return ModelConfig(
        classes=classes,
        frames=asked.frames or 8,
        frame_side=SIDE,
        short_side=SHORT_SIDE,
        glance=LookConfig(backbone, SIDE, shift=shift),
        temporal=temporal,
        aggregator="sum",
    )


def _names(model: GFNet, rename: names.Rename, before: str, head: str, wrapped: bool) -> dict[str, str]:
    return names.look(model, "glance_net", rename, before, head, wrapped=wrapped)


def _holds(held: Held, *parts: str) -> bool:
    """Whether a name of the file's tensors begins with one of these, DataParallel's `module.` aside."""
    inside = held.get("state_dict", held)
    return isinstance(inside, dict) and any(str(name).removeprefix("module.").startswith(parts) for name in inside)


TSM = Source(
    "tsm",
    "TSM, mit-han-lab/temporal-shift-module",
    lambda held: "state_dict" in held and _holds(held, "base_model.", "new_fc."),
    read_offline,
    ("frames",),
)
ONLINE = Source(
    "tsm-online",
    "TSM's online demo, mit-han-lab/temporal-shift-module",
    lambda held: _holds(held, "features.") and _holds(held, "classifier."),
    read_online,
    ("frames",),
)
