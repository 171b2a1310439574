"""AdaFocus's checkpoints for Something-Something: V1 (arXiv 2105.03245), and V2 on TSM (arXiv 2112.14238)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gfnet_video.config import LookConfig, ModelConfig
from gfnet_video.errors import CheckpointError, ConfigError, printable
from gfnet_video.model import GFNet
from gfnet_video.published import names
from gfnet_video.published.fitting import tensors_of
from gfnet_video.published.source import Asked, Held, Published, Source
from gfnet_video.published.tsm import SHORT_SIDE, SIDE, backbone_of, classes_of

PARTS = ("glancer", "focuser", "fc", "policy")
PATCHES = (144, 160, 176)  # of the published ones; V2 has 128 too
MAP = 1280  # channels of the last map of the glance's MobileNetV2


def read_v1(held: Held, asked: Asked, where: str) -> Published:
    """MobileNetV2 glances at the clip, ResNet-50 at one patch of all frames; their mean logits are added.

    The file tells neither the patch's side nor the focus frames: one and a half times those of the glance, as its
    recipe has it.

    The published class keeps its policy apart from its other modules, so that `eval()` on it leaves the policy's batch
    norms in training: several clips are normalised by each other, and the golden logits are so. Its evaluation script
    calls `eval()` on the policy too. As the class, unless asked for "stored" norms; a clip alone has no choice.
    """
    tensors = {f"{part}.{k}": v for part in PARTS for k, v in tensors_of(held[part], f"{where}: {part}").items()}
    frames = _frames(tensors, "policy.state_encoder.0.weight", where)
    classes = classes_of(tensors, "fc", where)
    config = _config(classes, _patch(asked, PATCHES, where), frames, "resnet50", "adafocus", "pixels")
    config = replace(config, policy_norm=asked.norms or "batch")
    return Published(config, tensors, _names_v1, lambda name: name.startswith("policy.critic."))


def read_v2(held: Held, asked: Asked, where: str) -> Published:
    """The same walk with a patch between pixels; of the second classifiers, which only train, nothing is taken."""
    tensors = tensors_of(held["state_dict"], f"{printable(where)}: state_dict")
    frames = _frames(tensors, "policy_stn.0.weight", where)
    focus = backbone_of(tensors, "local_CNN.base_model.", where)
    classes = classes_of(tensors, "global_CNN.new_fc", where)
    config = _config(classes, _patch(asked, (128, *PATCHES), where), frames, focus, "adafocus_v2", "between")
    return Published(config, tensors, _names_v2, lambda name: ".new_new_fc." in name)


def _patch(asked: Asked, known: tuple[int, ...], where: str) -> int:
    """Raises ConfigError where nobody said it: any side runs, and only the one it learned with runs well."""
    if not asked.patch:
        shown = f"{', '.join(map(str, known[:-1]))} or {known[-1]}"
        raise ConfigError(f"{printable(where)}: does not hold the side of its patch; say it: --patch {shown}")
    if asked.patch > SIDE:
        raise ConfigError(f"--patch is {asked.patch}; expected 1 to {SIDE}, published: {', '.join(map(str, known))}")
    return asked.patch


def _frames(tensors: Held, name: str, where: str) -> int:
    """How many glance frames the policy reads, from the channels of its first convolution."""
    weight = tensors.get(name)
    if weight is None or weight.ndim != 4 or weight.shape[1] % MAP:
        found = "nothing" if weight is None else f"shape {tuple(weight.shape)}"
        raise CheckpointError(f"{printable(where)}: missing {name} (64, frames * {MAP}, 1, 1); found {found}")
    return int(weight.shape[1]) // MAP


def _config(classes: int, patch: int, frames: int, focus: str, policy: str, crop: str) -> ModelConfig:
    return ModelConfig(
        classes=classes,
        frames=frames,
        frame_side=SIDE,
        short_side=SHORT_SIDE,
        glance=LookConfig("mobilenetv2_100", SIDE),
        focus=LookConfig(focus, patch),
        focus_frames=frames * 3 // 2,
        order="glance_first",
        temporal="both",
        patch="shared",
        aggregator="sum",
        policy=policy,
        policy_hidden=1024,
        resize="nearest",
        crop=crop,
    )


def _names_v1(model: GFNet) -> dict[str, str]:
    glance = names.look(model, "glance_net", names.mobilenet_v2, "glancer.net.", "glancer.net.classifier", wrapped=True)
    focus = names.look(model, "focus_net", names.numbered_resnet, "focuser.net.base_model.", "fc", wrapped=True)
    return glance | focus | names.actor_policy(model, "policy.")


def _names_v2(model: GFNet) -> dict[str, str]:
    glance = names.look(
        model, "glance_net", names.mobilenet_v2, "global_CNN.base_model.", "global_CNN.new_fc", wrapped=True
    )
    focus = names.look(model, "focus_net", names.same, "local_CNN.base_model.", "local_CNN.new_fc", wrapped=True)
    assert model.policy is not None
    encoder = (name for name in model.policy.state_dict() if name.startswith("encoder."))
    policy = {f"policy.{name}": f"policy_stn.{name.removeprefix('encoder.')}" for name in encoder}
    return glance | focus | policy | names.linear("policy.actor", "policy_stn.10")


def _fits_v2(held: Mapping[str, Any]) -> bool:
    inside = held.get("state_dict")
    return isinstance(inside, dict) and any("policy_stn." in str(name) for name in inside)


V1 = Source(
    "adafocus",
    "AdaFocus for Something-Something, blackfeather-wang/AdaFocus",
    lambda held: all(isinstance(held.get(part), dict) for part in PARTS),
    read_v1,
    ("patch", "norms"),
)
V2 = Source("adafocus-v2", "AdaFocus V2 on TSM, LeapLabTHU/AdaFocusV2", _fits_v2, read_v2, ("patch",))
