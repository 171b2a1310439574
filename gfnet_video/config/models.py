"""What a model is: its looks, and how they go together."""

from __future__ import annotations

from dataclasses import dataclass

from gfnet_video.config.model_rules import check_model
from gfnet_video.config.words import CLIP_NETWORKS, within
from gfnet_video.errors import ConfigError


@dataclass(frozen=True)
class LookConfig:
    """One look's network: timm name, input side in pixels, stride of its last map, pooling, frozen stages.

    shift: temporal shift on; off, every frame is read alone (a patch that follows an object hides its motion).
    One of CLIP_NETWORKS (pytorchvideo's X3D and Slow-R50) reads the frames of a clip together, and shifts nothing:
    shift off, stride 32, pool mean, side 32 at least, any number of frames; model.mean 0.45 and std 0.225 are theirs.
    """

    backbone: str
    side: int
    stride: int = 32
    pool: str = "mean"
    frozen: int = 0
    dropout: float = 0.0
    shift: bool = True

    def __post_init__(self) -> None:
        within("side", self.side, 1)
        within("frozen", self.frozen, 0)
        within("dropout", self.dropout, 0, 0.99)
        if self.clipwise and (self.shift, self.stride, self.pool) != (False, 32, "mean"):
            raise ConfigError(
                f"backbone is {self.backbone}, shift {str(self.shift).lower()}, stride {self.stride} and pool "
                f"{self.pool}; a network of whole clips has shift: false (it mixes frames itself), stride 32, pool mean"
            )
        if self.clipwise and self.side < 32:
            raise ConfigError(f"backbone is {self.backbone} and side {self.side}; expected a side of 32 at least")

    @property
    def clipwise(self) -> bool:
        """Whether this network reads a clip as a whole, and not frame by frame."""
        return self.backbone in CLIP_NETWORKS


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
        check_model(self)

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
    def glances_first(self) -> bool:
        """Whether the whole clip is glanced at before the first focus look."""
        return self.focus is not None and self.order == "glance_first"
