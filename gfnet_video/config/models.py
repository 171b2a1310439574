"""What a model is: its looks, how they go together, and what is said where they do not."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gfnet_video.config.looks import LookConfig
from gfnet_video.config.words import (
    AGGREGATORS,
    CROPPED,
    NORMS,
    ORDERS,
    PATCH,
    POLICIES,
    RESIZES,
    SAMPLERS,
    SEES,
    STEPWISE,
    TEMPORAL,
    WHERE,
    known,
    within,
)
from gfnet_video.errors import ConfigError


@dataclass(frozen=True)
class ModelConfig:
    """A GFNet; without `focus` it is a TSM at the glance's side.

    short_side: frames are scaled to it before the middle square of frame_side is cut; 0: to frame_side itself.
    frames: those of the glance, and of the focus too unless `focus_frames` says how many others of the clip it sees.
    sampler: "uniform" segments, a "dense" window, or uniform ones visited "coarse_to_fine", which no shift bears.
    temporal: shift "causal", or "both" ways, offline. patch: a centre "per_frame", or one "shared" by the clip, which
    is picked when the whole clip has been glanced at, as both-way shift always is.
    where: what says where the patches are: the "policy"; "cam", without one: where the class-activation map of the
    glance's answer peaks; or a control: the "centre" of the frame, "random" places, an "oracle", the data's own truth.
    looks_per_frame: focus looks at each frame, each of them a step.
    patch_sides: sides of the focus' patches that one model learns, a batch at a time; inference chooses (--patch-side),
    and takes the focus' own, which is among them, where it does not. Empty: that one alone.
    aggregator: "mean" of what the looks say with what the patches' track tells, a "gru" over their features, or the
    plain "sum" of both kinds' means, as AdaFocus has it and, without a focus, TSM. In image mode "gru_steps" over the
    looks, with the glance's own logits at first ("gru_steps_own_first"), or a "cascade": a classifier for each step.
    aggregator_hidden: width of a GRU's state; 0 for its own, 256 of "gru" and 1024, GFNet's, of "gru_steps".
    policy_sees: the "past", or with glance_first the whole "clip": it reads the maps from the last frame back to the
    first, so that the first frame's patch is picked by what has moved since. "latest" is image mode: one frame, looked
    at 1 + looks_per_frame times, and the policy reads the map of the look before: "gfnet" or "gfnet_conv", GFNet's own.
    What published checkpoints do otherwise: policy: "heat", ours, or theirs (nn/actor_policy.py), which read the last
    map alone. resize: the glance's, "antialias", or "bicubic" and "bilinear" with aligned corners, or "nearest".
    crop: patches at whole "pixels", or "between" them. policy_norm: the policy's batch norms use "stored" statistics,
    or those of the "batch": then a clip's patch depends on the clips beside it, and one alone uses the stored.
    """

    classes: int
    frames: int
    frame_side: int
    glance: LookConfig
    focus: LookConfig | None = None
    focus_frames: int = 0
    short_side: int = 0
    sampler: str = "uniform"
    order: str = "interleaved"
    temporal: str = "causal"
    patch: str = "per_frame"
    where: str = "policy"
    aggregator: str = "mean"
    aggregator_hidden: int = 0
    factors: tuple[int, ...] = ()
    shift_div: int = 8
    policy_hidden: int = 24
    policy_sees: str = "past"
    looks_per_frame: int = 1
    patch_sides: tuple[int, ...] = ()
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    policy: str = "heat"
    resize: str = "antialias"
    crop: str = "pixels"
    policy_norm: str = "stored"

    def __post_init__(self) -> None:
        _check(self)

    @property
    def image(self) -> bool:
        """Whether this is image mode: one frame, looked at again and again."""
        return self.policy_sees == "latest"

    @property
    def sides(self) -> tuple[int, ...]:
        """The sides that patches may have; none without a focus."""
        return () if self.focus is None else self.patch_sides or (self.focus.side,)

    @property
    def frame_by_frame(self) -> bool:
        """Whether a step is one look at the next frame, and so clips that are differently far can share it."""
        return self.temporal == "causal" and not self.glances_first and self.looks_per_frame == 1

    @property
    def chunked(self) -> bool:
        """Whether it is said how many frames are computed together; a whole clip, or a picture, leaves no choice."""
        return self.temporal == "causal" and not self.image

    @property
    def timeless(self) -> bool:
        """Whether a frame says the same whatever came before it, and evidence is a mean: repeats add nothing."""
        looks = [look for look in (self.glance, self.focus) if look is not None]
        still = self.where in ("cam", "centre") or self.focus is None
        alone = not any(look.shift or look.clipwise for look in looks)
        return still and self.aggregator == "sum" and self.patch == "per_frame" and alone

    @property
    def looks(self) -> int:
        """How many looks the focus takes; 0 without one."""
        return 0 if self.focus is None else self.focus_frames or self.frames * self.looks_per_frame

    @property
    def steps(self) -> int:
        """How many steps a whole clip takes: the focus looks, or without a focus the frames; glance_first one before
        them; `both` one for each pass."""
        if self.temporal == "both":
            return 1 + (self.focus is not None)
        return (self.looks or self.frames) + self.glances_first

    @property
    def resized_to(self) -> int:
        """The short side of a frame before the working frame is cut from its middle."""
        return self.short_side or self.frame_side

    def shrunk_to(self, shrink: bool) -> int:
        """What VideoReader is to shrink frames to; 0: they stay whole."""
        return self.resized_to if shrink else 0

    @property
    def glances_first(self) -> bool:
        """Whether the whole clip is glanced at before the first focus look."""
        return self.focus is not None and self.order == "glance_first"


def _check(model: ModelConfig) -> None:
    """All that must hold between the fields of a ModelConfig. Raises ConfigError."""
    for name in ("classes", "frames", "frame_side", "shift_div", "policy_hidden", "looks_per_frame"):
        within(name, getattr(model, name), 1)
    if len(model.mean) != 3 or len(model.std) != 3 or min(model.std) <= 0:
        raise ConfigError(f"mean is {model.mean}, std {model.std}; expected three numbers each, std above 0")
    within("focus_frames", model.focus_frames, 0)
    within("aggregator_hidden", model.aggregator_hidden, 0)
    if model.aggregator_hidden and not model.aggregator.startswith("gru"):
        raise ConfigError(
            f"aggregator_hidden is {model.aggregator_hidden}; aggregator {model.aggregator} has no GRU; leave it out"
        )
    if model.short_side and model.short_side < model.frame_side:
        raise ConfigError(f"short_side is {model.short_side}; expected 0 or at least frame_side ({model.frame_side})")
    words = {"order": ORDERS, "temporal": TEMPORAL, "patch": PATCH, "sampler": SAMPLERS}
    words |= {"where": WHERE, "aggregator": AGGREGATORS, "policy_sees": SEES}
    words |= {"policy": POLICIES, "resize": RESIZES, "crop": CROPPED, "policy_norm": NORMS}
    known(model, words)
    _check_image_mode(model)
    looks = [look for look in (model.glance, model.focus) if look is not None]
    if model.sampler == "coarse_to_fine" and any(look.shift for look in looks):
        raise ConfigError("sampler is coarse_to_fine, out of time's order; set shift: false in every look")
    if any(look.clipwise for look in looks):
        _check_clipwise(model)
    if model.focus is not None:
        _check_focus(model)
    elif model.where != "policy" or model.looks_per_frame > 1 or model.patch_sides:
        raise ConfigError(
            f"where is {model.where}, looks_per_frame {model.looks_per_frame} and patch_sides "
            f"{list(model.patch_sides)}, but without a focus there is no patch; leave them out"
        )
    for name, look in (("glance", model.glance), ("focus", model.focus)):
        if look is not None and not 0 < look.side <= model.frame_side:
            raise ConfigError(f"{name}.side is {look.side}; expected 1 to frame_side ({model.frame_side})")


def _check_focus(model: ModelConfig) -> None:
    """Which orders, shifts and patches go together."""
    assert model.focus is not None
    fitting = {side for side in model.patch_sides if replace(model.focus, side=side).side <= model.frame_side}
    if len(fitting) < len(model.patch_sides) or model.focus.side not in model.sides:
        raise ConfigError(
            f"patch_sides is {list(model.patch_sides)}; expected different sides from 1 to frame_side "
            f"({model.frame_side}), focus.side ({model.focus.side}) among them"
        )
    if model.patch == "shared" and model.order != "glance_first":
        raise ConfigError(f"patch is shared and order {model.order}; a shared patch is picked after all glances")
    if model.temporal == "both" and model.patch != "shared":
        raise ConfigError("temporal is both and patch per_frame; offline shift goes with a shared patch")
    if model.focus_frames and model.patch != "shared":
        raise ConfigError(f"focus_frames is {model.focus_frames}; a patch per_frame is cut from the glance's frames")
    if model.policy_sees == "clip" and (model.order != "glance_first" or model.patch == "shared"):
        raise ConfigError(
            f"policy_sees is clip, order {model.order} and patch {model.patch}; only a policy that picks a patch "
            "per_frame after all glances (glance_first) has the choice"
        )
    if model.policy.startswith("adafocus") and model.patch != "shared":
        raise ConfigError(f"policy is {model.policy} and patch {model.patch}; it picks one patch a clip: shared")
    if model.where == "cam" and (model.glance.pool != "mean" or model.factors or model.looks_per_frame > 1):
        raise ConfigError(
            f"where is cam, glance.pool {model.glance.pool}, factors {model.factors} and looks_per_frame "
            f"{model.looks_per_frame}; a class-activation map wants pool mean and no factors, and gives one look"
        )
    if model.looks_per_frame > 1 and model.patch == "shared":
        raise ConfigError(f"looks_per_frame is {model.looks_per_frame}; a shared patch is the same at each look")


def _check_clipwise(model: ModelConfig) -> None:
    """What goes with a network of whole clips."""
    names = ", ".join(look.backbone for look in (model.glance, model.focus) if look and look.clipwise)
    wanted = model.focus is None or (model.patch, model.order) == ("shared", "glance_first")
    if model.temporal != "both" or not wanted:
        raise ConfigError(
            f"backbone is {names}, temporal {model.temporal}, patch {model.patch} and order {model.order}; a network "
            "of whole clips goes with temporal both, and where there is a focus with patch shared, glance_first"
        )
    if model.sampler == "coarse_to_fine":
        raise ConfigError(
            f"sampler is coarse_to_fine and backbone {names}, which reads frames in time's order; take uniform"
        )
    if model.focus is not None and model.focus.clipwise and min(model.sides) < 32:
        raise ConfigError(f"patch_sides is {list(model.patch_sides)}; {model.focus.backbone} wants sides from 32 on")
    if model.glance.clipwise and (model.where == "cam" or model.policy != "heat"):
        raise ConfigError(
            f"glance.backbone is {model.glance.backbone}, where {model.where} and policy {model.policy}; the map of a "
            "network of whole clips suits policy heat and the controls: its features are made after pooling it"
        )


def _check_image_mode(model: ModelConfig) -> None:
    image = (model.frames, model.order, model.temporal, model.patch) == (1, "glance_first", "causal", "per_frame")
    if model.image and not (image and model.focus):
        raise ConfigError(
            f"policy_sees is latest (image mode), frames {model.frames}, order {model.order}, temporal "
            f"{model.temporal}, patch {model.patch}; expected frames 1, glance_first, causal, per_frame and a focus"
        )
    if not model.image and (model.policy.startswith("gfnet") or model.aggregator in STEPWISE):
        raise ConfigError(
            f"policy is {model.policy} and aggregator {model.aggregator}; in image mode alone (policy_sees: latest)"
        )
    if model.image and (model.aggregator not in STEPWISE or not model.policy.startswith("gfnet")):
        raise ConfigError(
            f"policy is {model.policy} and aggregator {model.aggregator}; image mode (policy_sees: latest) takes "
            f"policy gfnet or gfnet_conv, and aggregator {', '.join(STEPWISE)}"
        )
    nets = {(look.backbone, look.stride, look.pool) for look in (model.glance, model.focus) if look is not None}
    if model.image and len(nets) > 1:
        raise ConfigError(
            "in image mode policy and aggregator read the glance as they read a focus look, but backbone, stride "
            f"and pool are {' and '.join(str(net) for net in sorted(nets))}; give both looks the same"
        )
