"""What a new model takes of a trained one, as `train --init FOLDER` asks: every part that fits; the rest stays new."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from gfnet_video.checkpoint import Recogniser, load
from gfnet_video.config import LookConfig
from gfnet_video.errors import CheckpointError, printable
from gfnet_video.model import GFNet
from gfnet_video.parts import Look


@dataclass(frozen=True)
class Transfer:
    """Looks whose backbones were taken, and by name: parts taken, backbones left to `train.initial`, new parts."""

    name: str
    looks: tuple[str, ...]
    taken: tuple[str, ...]
    left: tuple[str, ...]
    new: tuple[str, ...]

    def __str__(self) -> str:
        parts = [f"begins from {printable(self.name)}: {', '.join(self.taken)}"]
        parts += [f"as train.initial says: {', '.join(self.left)}"] if self.left else []
        return "; ".join([*parts, f"new: {', '.join(self.new) or 'nothing'}"])


def looks_of(model: GFNet) -> dict[str, tuple[Look, LookConfig]]:
    """The looks that a model has, with their configs."""
    found = {"glance": (model.glance_net, model.config.glance)}
    if model.focus_net is not None and model.config.focus is not None:
        found["focus"] = model.focus_net, model.config.focus
    return found


def transfer(model: GFNet, name: str, classes: tuple[str, ...] | None = None) -> Transfer:
    """Fill the parts of `model` that the checkpoint `name` (folder, bundled, hf-hub:) fits, and say which.

    A look takes the backbone of its own kind, else that of the other: a static TSM becomes the focus. Heads and what
    reads them are taken where the classes are the same; classes: the names of the new ones, None: compare how many.
    Raises CheckpointError where it cannot be read or no backbone fits.
    """
    source = load(name)
    same = source.card.classes == classes if classes else source.config.classes == model.config.classes
    donors = {part: _donor(source, model, part) for part in looks_of(model)}
    if not any(donors.values()):
        raise CheckpointError(_misfit(model, source, name))
    found = {f"{part} head": same and _take_head(model, source, part, donor) for part, donor in donors.items()}
    sees = donors["glance"] == "glance" and _alike(model, source)
    whole = sees and all(found.values()) and all(part == donor for part, donor in donors.items())
    found |= {part: _take_part(model, source, part) for part, fits in (("policy", sees), ("aggregator", whole)) if fits}
    told = [part for part in ("policy", "aggregator") if (held := getattr(model, part)) and held.state_dict()]
    words = [f"{part} backbone" + (f" (from its {d})" if d != part else "") for part, d in donors.items() if d]
    parts = [part for part in found if part.endswith("head")] + told
    new = [part for part in parts if not found.get(part)]
    return Transfer(
        name,
        looks=tuple(part for part, donor in donors.items() if donor),
        taken=(*words, *(part for part in parts if found.get(part))),
        left=tuple(f"{part} backbone" for part, donor in donors.items() if not donor),
        new=(*new[:-1], f"{new[-1]} (other classes)") if new and not same else tuple(new),
    )


def _donor(source: Recogniser, model: GFNet, part: str) -> str:
    """Which of the checkpoint's looks filled the backbone of this one; "" where none fits."""
    look, wanted = looks_of(model)[part]
    held = looks_of(source)
    for other in (part, *(name for name in held if name != part)):
        # By name too: the tensors of a ResNet-50 are in a ResNet-101, in their shapes.
        named = other in held and held[other][1].backbone == wanted.backbone
        if named and _take(look.backbone, held[other][0].backbone):
            return other
    return ""


def _take_head(model: GFNet, source: Recogniser, part: str, donor: str) -> bool:
    """A head reads what its backbone's stride and pooling make; under others it is new."""
    if not donor:
        return False
    (look, mine), (held, theirs) = looks_of(model)[part], looks_of(source)[donor]
    alike = (mine.stride, mine.pool) == (theirs.stride, theirs.pool) and model.config.factors == source.config.factors
    return alike and _take(look.classifier, held.classifier)


def _take_part(model: GFNet, source: Recogniser, part: str) -> bool:
    mine, theirs = getattr(model, part), getattr(source, part)
    return type(mine) is type(theirs) and mine is not None and _take(mine, theirs)


def _alike(model: GFNet, source: Recogniser) -> bool:
    """Whether policy and aggregator mean the same: the orders in which they read, and the room that patches have."""
    words = ("policy", "policy_sees", "patch", "aggregator")
    return model.room == source.room and all(getattr(model.config, w) == getattr(source.config, w) for w in words)


def _take(mine: nn.Module, theirs: nn.Module) -> bool:
    """Copy the tensors of `theirs` where each of `mine` is there in its shape; a backbone cut earlier takes fewer."""
    held, wanted = theirs.state_dict(), mine.state_dict()
    if any(k not in held or held[k].shape != v.shape for k, v in wanted.items()):
        return False
    mine.load_state_dict({k: held[k] for k in wanted}, strict=True)
    return True


def _misfit(model: GFNet, source: Recogniser, name: str) -> str:
    mine, theirs = (", ".join(f"{p} {c.backbone}" for p, (_, c) in looks_of(m).items()) for m in (model, source))
    return (
        f"{printable(name)}: no backbone fits: it has {theirs}, to stride {source.config.glance.stride}; this config "
        f"has {mine}, to stride {model.config.glance.stride}; take another with --config, or make a look's the same: "
        f"--set model.glance.backbone={source.config.glance.backbone}"
    )
