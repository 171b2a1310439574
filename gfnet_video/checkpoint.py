"""A checkpoint is a folder that describes itself: config.json and model.safetensors, and nothing pickled."""

from __future__ import annotations

import fnmatch
import json
import os
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as serialised
from torch import Tensor

from gfnet_video import hub, in1k
from gfnet_video.config import Config
from gfnet_video.errors import CheckpointError, ConfigError, unknown
from gfnet_video.files import write_text
from gfnet_video.model import GFNet
from gfnet_video.nn.exit_rule import ExitRule
from gfnet_video.records import Parting
from gfnet_video.strict import from_dict, to_dict

BUNDLED = Path(__file__).parent / "bundled" / "models"
CLIPS = BUNDLED.parent / "clips"  # held-out clips that come with them
FORMAT = 1


@dataclass(frozen=True)
class Card:
    """What a model says of itself. `valid_for` is where its thresholds hold; `selftest` proves the file is whole."""

    config: Config
    classes: tuple[str, ...]
    rule: ExitRule
    valid_for: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)

    @property
    def interval(self) -> float:
        """Seconds between the frames of a training clip; 0 in checkpoints from before that was noted."""
        held = self.provenance.get("interval", 0.0)
        return float(held) if isinstance(held, int | float) and 0 < held < float("inf") else 0.0

    @property
    def parting(self) -> Parting:
        """Of the clips that it was trained on."""
        return Parting(self.config.train.seed, str(self.provenance.get("train_digest", "")))


class Recogniser(GFNet):
    """A GFNet that knows its card: class names, preprocessing, thresholds, where it comes from."""

    def __init__(self, card: Card) -> None:
        super().__init__(card.config.model)
        self.card = card

    @classmethod
    def from_pretrained(cls, name: str | Path) -> Recogniser:
        """`load`, under the name that users of the Hub know."""
        return load(name)

    def save_pretrained(self, folder: str | Path, *, licence: str = "") -> None:
        """Write the checkpoint and a README.md that introduces it; licence: of the weights, such as apache-2.0."""
        folder = Path(folder)
        save(folder, self, self.card)
        write_text(folder / hub.PAGE, hub.page(_read_json(folder / "config.json"), licence=licence))

    def push_to_hub(self, repo: str, *, licence: str = "", private: bool = False, token: str | None = None) -> str:
        """Send what `save_pretrained` writes to the Hub as `repo`, org/name; returns its address there."""
        with tempfile.TemporaryDirectory() as folder:
            self.save_pretrained(folder, licence=licence)
            return hub.sent(Path(folder), repo, private=private, token=token)


def save(folder: Path, model: GFNet, card: Card, *, half: bool = False) -> None:
    """Write the checkpoint; each file appears whole or not at all. half: float16, self-tested as rounded.

    Raises CheckpointError where a weight is not finite, as float16 of a large one is not.
    """
    if len(card.classes) != card.config.model.classes:
        raise ConfigError(f"{len(card.classes)} class names for {card.config.model.classes} classes")
    weights = {k: _stored(v, half) for k, v in model.state_dict().items()}
    if lines := _not_finite(weights):
        raise CheckpointError(f"{folder}: not written, for tensors are not finite: {', '.join(lines[:5])}")
    rounded = Recogniser(card)
    rounded.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in weights.items()})
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        # safetensors' own save_file would leave a file that nobody else may read.
        (Path(scratch) / "model.safetensors").write_bytes(serialised(weights))
        (Path(scratch) / "config.json").write_text(json.dumps(_described(card, rounded), indent=1) + "\n")
        for name in ("model.safetensors", "config.json"):
            os.replace(Path(scratch) / name, folder / name)


def rewrite_card(folder: Path, card: Card) -> None:
    """Replace what a checkpoint says of itself, the weights and the self-test's logits staying as they are."""
    data = _read_json(folder / "config.json")
    changed = data | {"exit": asdict(card.rule), "valid_for": card.valid_for, "results": card.results}
    write_text(folder / "config.json", json.dumps(changed, indent=1) + "\n")


def _stored(value: Tensor, half: bool) -> Tensor:
    value = value.detach().cpu().contiguous()
    return value.half() if half and value.is_floating_point() else value


def _described(card: Card, model: GFNet) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "config": to_dict(card.config),
        "classes": list(card.classes),
        "exit": asdict(card.rule),
        "valid_for": card.valid_for,
        "provenance": card.provenance,
        "results": card.results,
        "selftest": {"seed": 0, "logits": self_test(model)},
    }


@torch.inference_mode()
def self_test(model: GFNet) -> list[float]:
    """Final logits (K) of a seeded clip of noise, patches forced to the middle: rounding cannot move them."""
    training = model.training
    side, frames, looks = model.config.frame_side, model.config.frames, model.config.looks
    clip = torch.randn(1, frames, 3, side, side, generator=torch.Generator().manual_seed(0))
    centres = None if model.focus_net is None else torch.full((1, looks, 2), 0.5)
    logits: list[float] = model.eval()(clip, centres=centres).logits[0].tolist()
    model.train(training)
    return logits


def find(name: str | Path) -> Path:
    """The folder of a bundled model's name, or the folder itself. Raises CheckpointError."""
    for folder in (Path(name), BUNDLED / str(name)):
        if (folder / "config.json").is_file():
            return folder
    if (Path(name) / "export.json").is_file():
        raise CheckpointError(f"{name}: is an exported model; name the checkpoint that it was made of")
    if Path(name).is_dir():
        inner = Path(name) / "model"
        hint = f"; did you mean {inner}?" if (inner / "config.json").is_file() else ""
        raise CheckpointError(f"{name}: holds no config.json; expected a checkpoint folder{hint}")
    if str(name) == in1k.NAME:
        raise CheckpointError(f"{name}: is built when loaded and has no folder; write one by save_pretrained(FOLDER)")
    if len(Path(name).parts) > 1:
        known = f"a bundled name ({', '.join(list_models())}), or from the Hub hf-hub:org/name"
        raise CheckpointError(f"{name}: no such folder; expected a checkpoint folder, {known}")
    raise CheckpointError(unknown("model", name, list_models()))


def is_bundled(name: str | Path) -> bool:
    """Whether a name, or a folder, is that of a model which came with the package."""
    folder = Path(name) if Path(name).exists() else BUNDLED / str(name)
    return folder.is_dir() and folder.resolve().parent == BUNDLED.resolve()


def list_models(pattern: str = "*") -> list[str]:
    """The names of the bundled models that fit a pattern such as `*mini*`, as timm's function of this name.

    That of ImageNet is among them where the package of its weights is installed (the extra [pretrained]).
    """
    names = [p.parent.name for p in BUNDLED.glob("*/config.json")] + [in1k.NAME] * in1k.installed()
    return fnmatch.filter(sorted(names), pattern)


def _of_imagenet() -> Recogniser:
    config = in1k.config()
    rule = in1k.rule(config.model.steps)
    model = Recogniser(Card(config, in1k.class_names(), rule, {"calibrated": False}, dict(in1k.PROVENANCE)))
    in1k.fill(model)
    return model.eval()


def load(name: str | Path, *, verify: bool = False) -> Recogniser:
    """Load a model in eval mode from a name of `list_models`, a folder, or the Hugging Face Hub: `hf-hub:org/name`.

    verify: also run the self-test. Raises CheckpointError for a folder that is absent, broken or does not fit, naming
    every missing, unexpected and misshapen tensor.
    """
    if str(name) == in1k.NAME and not Path(name).exists():
        return _of_imagenet()
    folder = hub.fetched(str(name)) if hub.on_hub(name) else find(name)
    data = _read_json(folder / "config.json")
    card = _card(data, folder)
    model = Recogniser(card)
    if len(card.rule.thresholds) != model.steps:
        raise CheckpointError(f"{folder}/config.json: {len(card.rule.thresholds)} thresholds for {model.steps} steps")
    _fill(model, load_weights(folder), folder)
    model.eval()
    if verify:
        check_self_test(model, data["selftest"]["logits"], folder)
    return model


def check_self_test(model: GFNet, expected: list[float], folder: Path) -> None:
    """Raise CheckpointError where the seeded clip's logits are further than 1e-3 from the stored ones."""
    apart = max(abs(a - b) for a, b in zip(self_test(model), expected, strict=True))
    if not apart < 1e-3 * max(1.0, max(map(abs, expected))):
        raise CheckpointError(
            f"{folder}: self-test logits differ by {apart:.2g}; the file or the installation is damaged"
        )


def load_weights(folder: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint folder, floats as float32."""
    path = folder / "model.safetensors"
    try:
        held = load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: cannot be read: {error}") from error
    return {k: v.float() if v.is_floating_point() else v for k, v in held.items()}


def _fill(model: GFNet, weights: dict[str, Tensor], folder: Path) -> None:
    wanted = model.state_dict()
    lines = [f"missing {k} {tuple(v.shape)}" for k, v in wanted.items() if k not in weights]
    lines += [f"unexpected {k} {tuple(v.shape)}" for k, v in weights.items() if k not in wanted]
    lines += [f"not finite: {k}" for k in _not_finite(weights)]
    lines += [
        f"misshapen {k}: file {tuple(weights[k].shape)}, model {tuple(v.shape)}"
        for k, v in wanted.items()
        if k in weights and weights[k].shape != v.shape
    ]
    if lines:
        shown = "\n  ".join(lines[:20] + ([f"... and {len(lines) - 20} more"] if len(lines) > 20 else []))
        raise CheckpointError(f"{folder}: the tensors do not fit the config:\n  {shown}")
    model.load_state_dict(weights, strict=True)


def _not_finite(weights: dict[str, Tensor]) -> list[str]:
    return [k for k, v in weights.items() if v.is_floating_point() and not bool(v.isfinite().all())]


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: cannot be read as JSON: {error}") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise CheckpointError(f"{path}: expected a mapping with format {FORMAT}")
    return data


def _card(data: dict[str, Any], folder: Path) -> Card:
    try:
        config = from_dict(Config, data["config"], "config")
        names, exit_ = data["classes"], from_dict(ExitRule, data["exit"], "exit")
        known = {k: data[k] for k in ("valid_for", "provenance", "results")}
    except (KeyError, ConfigError) as error:
        raise CheckpointError(f"{folder}/config.json: {error}") from error
    if not isinstance(names, list) or not all(isinstance(n, str) for n in names):
        raise CheckpointError(f"{folder}/config.json: classes is not a list of names")
    if wrong := [k for k, v in known.items() if not isinstance(v, dict)]:
        raise CheckpointError(f"{folder}/config.json: {wrong[0]} is not a mapping")
    if len(names) != config.model.classes:
        raise CheckpointError(f"{folder}/config.json: {len(names)} class names for {config.model.classes} classes")
    return Card(config, tuple(names), exit_, **known)
