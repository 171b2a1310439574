"""GFNet's image checkpoints (blackfeather-wang/GFNet-Pytorch, arXiv 2010.05300)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gfnet_video.config import LookConfig, ModelConfig
from gfnet_video.errors import CheckpointError, printable, unknown
from gfnet_video.model import GFNet
from gfnet_video.nn.exit_rule import NEVER, ExitRule
from gfnet_video.published import names
from gfnet_video.published.fitting import tensors_of
from gfnet_video.published.source import Asked, Held, Published, Source
from gfnet_video.published.tsm import classes_of

PARTS = ("model_prime_state_dict", "model_state_dict", "policy", "fc")
EVEN = 19  # of the 39 rows of stored thresholds, the one for which as many images leave at each step: q = 1


@dataclass(frozen=True)
class Net:
    """A row of the project's configurations. head: of its own classifier; crop: share of the short side that is kept.

    aggregator: gru_steps (after the glance alone, what that says itself: gru_steps_own_first), or a cascade.
    """

    backbone: str
    head: str
    aggregator: str
    policy: str
    hidden: int
    resize: str = "bicubic"
    side: int = 224
    crop: float = 0.875
    rename: names.Rename = names.same


def _dense(name: str) -> Net:
    return Net(name, "classifier", "gru_steps", "gfnet", 1024, "bilinear")


def _regnet(name: str) -> Net:
    return Net(name, "fc", "gru_steps_own_first", "gfnet_conv", 256, "bilinear", rename=names.pycls_regnet)


def _mobile(name: str, side: int = 224, crop: float = 0.875) -> Net:
    return Net(name, "classifier", "cascade", "gfnet_conv", 256, side=side, crop=crop)


NETS = {
    "resnet50": Net("resnet50", "fc", "gru_steps", "gfnet", 1024),
    **{name: _dense(name) for name in ("densenet121", "densenet169", "densenet201")},
    "regnety_600m": _regnet("regnety_006"),
    "regnety_800m": _regnet("regnety_008"),
    "regnety_1.6g": _regnet("regnety_016"),
    **{name: _mobile(name) for name in ("mobilenetv3_large_100", "mobilenetv3_large_125")},
    "efficientnet_b2": _mobile("efficientnet_b2", 260),
    "efficientnet_b3": _mobile("efficientnet_b3", 300, 0.904),
}


def read(held: Held, _: Asked, where: str) -> Published:
    """All of it is in the file: the network's name, the patch's side, and as many costs as there are steps."""
    if (name := str(held.get("model_name"))) not in NETS:
        raise CheckpointError(f"{printable(where)}: " + unknown("model_name", printable(name), NETS))
    net, patch, steps = NETS[name], held.get("patch_size"), _steps(held, where)
    if not isinstance(patch, int) or not 0 < patch <= net.side:
        raise CheckpointError(f"{printable(where)}: patch_size is {patch!r}; expected pixels, 1 to {net.side}")
    tensors = {f"{part}.{k}": v for part in PARTS for k, v in tensors_of(held[part], f"{where}: {part}").items()}
    config = ModelConfig(
        classes=classes_of(tensors, f"{PARTS[0]}.{net.head}", where),
        frames=1,
        frame_side=net.side,
        short_side=int(net.side / net.crop),
        glance=LookConfig(net.backbone, patch, shift=False),
        focus=LookConfig(net.backbone, patch, shift=False),
        order="glance_first",
        policy_sees="latest",
        looks_per_frame=steps - 1,
        aggregator=net.aggregator,
        policy=net.policy,
        policy_hidden=net.hidden,
        resize=net.resize,
    )
    rows = _thresholds(held.get("dynamic_threshold"), steps, where)
    told = {} if rows is None else {"thresholds": _which(len(rows)), "all_thresholds": rows}
    rule = None if rows is None else _rule(rows[min(EVEN, len(rows) - 1)])
    return Published(config, tensors, lambda model: _names(model, net), lambda name: _spare(name, steps), rule, told)


def _steps(held: Held, where: str) -> int:
    flops = held.get("flops")
    if not isinstance(flops, list | tuple | Tensor) or len(flops) < 2:
        raise CheckpointError(
            f"{printable(where)}: flops is {printable(flops)}; expected the cost of each of 2 or more steps"
        )
    return len(flops)


def _names(model: GFNet, net: Net) -> dict[str, str]:
    found: dict[str, str] = {}
    for look, part in (("glance_net", PARTS[0]), ("focus_net", PARTS[1])):
        found |= names.look(model, look, net.rename, f"{part}.", f"{part}.{net.head}", wrapped=False)
    found |= names.actor_policy(model, "policy.")
    if net.aggregator != "cascade":
        return found | names.gru("aggregator.cell", "fc.rnn") | names.linear("aggregator.classifier", "fc.fc")
    for step in range(2, model.steps + 1):
        found |= names.linear(f"aggregator.classifiers.{step - 2}", f"fc.fc_{step}")
    return found


def _spare(name: str, steps: int) -> bool:
    """PPO's critic, and the cascade's classifiers of steps that the model was not trained for."""
    last = name.partition("fc.fc_")[2].partition(".")[0]
    return name.startswith("policy.critic.") or (name.startswith("fc.fc_") and last.isdigit() and int(last) > steps)


def _thresholds(stored: Any, steps: int, where: str) -> list[list[float]] | None:
    """Rows of thresholds (budgets, steps); None where the file has none, as before its owner measured them."""
    if stored is None:
        return None
    try:
        if len(stored) == 0:
            return None
        rows = torch.stack([torch.as_tensor(row, dtype=torch.float32) for row in stored])
    except (TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{printable(where)}: dynamic_threshold is no table of numbers: {error}") from error
    if rows.ndim != 2 or rows.shape[1] != steps or bool(rows.isnan().any()):
        raise CheckpointError(
            f"{printable(where)}: dynamic_threshold has shape {tuple(rows.shape)}; expected numbers (budgets, {steps})"
        )
    found: list[list[float]] = rows.tolist()
    return found if bool((rows != 0).any()) else None


def _which(count: int) -> str:
    even = ", with which as many images leave at each step" if count > EVEN else ""
    return f"row {min(EVEN + 1, count)} of {count} stored{even}; all of them stand in all_thresholds"


def _rule(row: list[float]) -> ExitRule:
    """A row as our rule: 1e8 there means never, and -1e8 that the last step always is the last."""
    thresholds = [min(max(value, 1e-6), NEVER) for value in row[:-1]]
    return ExitRule((1.0,) * len(row), (*thresholds, NEVER))


def _fits(held: Mapping[str, Any]) -> bool:
    return all(isinstance(held.get(part), dict) for part in PARTS)


GFNET = Source("gfnet", "GFNet for images, blackfeather-wang/GFNet-Pytorch", _fits, read)
