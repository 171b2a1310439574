"""Configuration: frozen dataclasses, strict YAML, one complete file per data set and backbone."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from pathlib import Path

from gfnet_video.errors import ConfigError, unknown
from gfnet_video.strict import as_yaml, from_dict, override, parse_yaml, to_dict

ORDERS = ("interleaved", "glance_first")
TEMPORAL = ("causal", "both")
PATCH = ("per_frame", "shared")
SAMPLERS = ("uniform", "dense", "coarse_to_fine")
STEPWISE = ("gru_steps", "gru_steps_own_first", "cascade")  # aggregators of image mode
AGGREGATORS = ("mean", "gru", "sum", *STEPWISE)
WHERE = ("policy", "cam", "centre", "random", "oracle")
PATCHES = ("none", "random", "sampled", "policy", "centre", "oracle")
CROPS = ("none", "multi_scale")
PARTS = ("glance", "focus", "policy", "aggregator")
OPTIMISERS = ("adamw", "sgd")
SCHEDULES = ("cosine", "steps")
BALANCES = ("none", "loss")
PRECISIONS = ("float32", "bf16")
SEES = ("past", "clip", "latest")
POLICIES = ("heat", "gfnet", "gfnet_conv", "adafocus", "adafocus_v2")
RESIZES = ("antialias", "bicubic", "bilinear", "nearest")
CROPPED = ("pixels", "between")
NORMS = ("stored", "batch")
CLIP_NETWORKS = ("x3d_xs", "x3d_s", "x3d_m", "slow_r50")  # nn/clip_backbone.py has them
# And the rewards that each can learn from; end to end, the loss itself tells and a reward is not asked.
LEARNERS = {
    "reinforce": ("alone",),
    "proposals": ("alone",),
    "ppo": ("increment", "contrastive"),
    "end_to_end": ("alone",),
}
REWARDS = ("alone", "increment", "contrastive")


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
        _within("side", self.side, 1)
        _within("frozen", self.frozen, 0)
        _within("dropout", self.dropout, 0, 0.99)
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
        for name in ("classes", "frames", "frame_side", "shift_div", "policy_hidden", "looks_per_frame"):
            _within(name, getattr(self, name), 1)
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise ConfigError(f"mean is {self.mean}, std {self.std}; expected three numbers each, std above 0")
        _within("focus_frames", self.focus_frames, 0)
        _within("aggregator_hidden", self.aggregator_hidden, 0)
        if self.aggregator_hidden and not self.aggregator.startswith("gru"):
            raise ConfigError(
                f"aggregator_hidden is {self.aggregator_hidden}; aggregator {self.aggregator} has no GRU; leave it out"
            )
        if self.short_side and self.short_side < self.frame_side:
            raise ConfigError(f"short_side is {self.short_side}; expected 0 or at least frame_side ({self.frame_side})")
        words = {"order": ORDERS, "temporal": TEMPORAL, "patch": PATCH, "sampler": SAMPLERS}
        words |= {"where": WHERE, "aggregator": AGGREGATORS, "policy_sees": SEES}
        words |= {"policy": POLICIES, "resize": RESIZES, "crop": CROPPED, "policy_norm": NORMS}
        for name, known in words.items():
            if getattr(self, name) not in known:
                raise ConfigError(unknown(name, getattr(self, name), known))
        self._check_image_mode()
        looks = [look for look in (self.glance, self.focus) if look is not None]
        if self.sampler == "coarse_to_fine" and any(look.shift for look in looks):
            raise ConfigError("sampler is coarse_to_fine, out of time's order; set shift: false in every look")
        if any(look.clipwise for look in looks):
            self._check_clipwise()
        if self.focus is not None:
            self._check_focus()
        elif self.where != "policy" or self.looks_per_frame > 1 or self.patch_sides:
            raise ConfigError(
                f"where is {self.where}, looks_per_frame {self.looks_per_frame} and patch_sides "
                f"{list(self.patch_sides)}, but without a focus there is no patch; leave them out"
            )
        for name, look in (("glance", self.glance), ("focus", self.focus)):
            if look is not None and not 0 < look.side <= self.frame_side:
                raise ConfigError(f"{name}.side is {look.side}; expected 1 to frame_side ({self.frame_side})")

    def _check_focus(self) -> None:
        """Which orders, shifts and patches go together."""
        assert self.focus is not None
        fitting = {side for side in self.patch_sides if replace(self.focus, side=side).side <= self.frame_side}
        if len(fitting) < len(self.patch_sides) or self.focus.side not in self.sides:
            raise ConfigError(
                f"patch_sides is {list(self.patch_sides)}; expected different sides from 1 to frame_side "
                f"({self.frame_side}), focus.side ({self.focus.side}) among them"
            )
        if self.patch == "shared" and self.order != "glance_first":
            raise ConfigError(f"patch is shared and order {self.order}; a shared patch is picked after all glances")
        if self.temporal == "both" and self.patch != "shared":
            raise ConfigError("temporal is both and patch per_frame; offline shift goes with a shared patch")
        if self.focus_frames and self.patch != "shared":
            raise ConfigError(f"focus_frames is {self.focus_frames}; a patch per_frame is cut from the glance's frames")
        if self.policy_sees == "clip" and (self.order != "glance_first" or self.patch == "shared"):
            raise ConfigError(
                f"policy_sees is clip, order {self.order} and patch {self.patch}; only a policy that picks a patch "
                "per_frame after all glances (glance_first) has the choice"
            )
        if self.policy.startswith("adafocus") and self.patch != "shared":
            raise ConfigError(f"policy is {self.policy} and patch {self.patch}; it picks one patch a clip: shared")
        if self.where == "cam" and (self.glance.pool != "mean" or self.factors or self.looks_per_frame > 1):
            raise ConfigError(
                f"where is cam, glance.pool {self.glance.pool}, factors {self.factors} and looks_per_frame "
                f"{self.looks_per_frame}; a class-activation map wants pool mean and no factors, and gives one look"
            )
        if self.looks_per_frame > 1 and self.patch == "shared":
            raise ConfigError(f"looks_per_frame is {self.looks_per_frame}; a shared patch is the same at each look")

    def _check_clipwise(self) -> None:
        """What goes with a network of whole clips."""
        names = ", ".join(look.backbone for look in (self.glance, self.focus) if look and look.clipwise)
        wanted = self.focus is None or (self.patch, self.order) == ("shared", "glance_first")
        if self.temporal != "both" or not wanted:
            raise ConfigError(
                f"backbone is {names}, temporal {self.temporal}, patch {self.patch} and order {self.order}; a network "
                "of whole clips goes with temporal both, and where there is a focus with patch shared, glance_first"
            )
        if self.sampler == "coarse_to_fine":
            raise ConfigError(
                f"sampler is coarse_to_fine and backbone {names}, which reads frames in time's order; take uniform"
            )
        if self.focus is not None and self.focus.clipwise and min(self.sides) < 32:
            raise ConfigError(f"patch_sides is {list(self.patch_sides)}; {self.focus.backbone} wants sides from 32 on")
        if self.glance.clipwise and (self.where == "cam" or self.policy != "heat"):
            raise ConfigError(
                f"glance.backbone is {self.glance.backbone}, where {self.where} and policy {self.policy}; the map of a "
                "network of whole clips suits policy heat and the controls: its features are made after pooling it"
            )

    def _check_image_mode(self) -> None:
        image = (self.frames, self.order, self.temporal, self.patch) == (1, "glance_first", "causal", "per_frame")
        if self.image and not (image and self.focus):
            raise ConfigError(
                f"policy_sees is latest (image mode), frames {self.frames}, order {self.order}, temporal "
                f"{self.temporal}, patch {self.patch}; expected frames 1, glance_first, causal, per_frame and a focus"
            )
        if not self.image and (self.policy.startswith("gfnet") or self.aggregator in STEPWISE):
            raise ConfigError(
                f"policy is {self.policy} and aggregator {self.aggregator}; in image mode alone (policy_sees: latest)"
            )
        if self.image and (self.aggregator not in STEPWISE or not self.policy.startswith("gfnet")):
            raise ConfigError(
                f"policy is {self.policy} and aggregator {self.aggregator}; image mode (policy_sees: latest) takes "
                f"policy gfnet or gfnet_conv, and aggregator {', '.join(STEPWISE)}"
            )
        nets = {(look.backbone, look.stride, look.pool) for look in (self.glance, self.focus) if look is not None}
        if self.image and len(nets) > 1:
            raise ConfigError(
                "in image mode policy and aggregator read the glance as they read a focus look, but backbone, stride "
                f"and pool are {' and '.join(str(net) for net in sorted(nets))}; give both looks the same"
            )

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


@dataclass(frozen=True)
class StageConfig:
    """One row of the training table.

    patches: none | random (smooth tracks; a place for each look where the model's own are random) | policy (its
    centres) | sampled (drawn around them: the policy learns) | centre (of the frame) | oracle (the data's truth).
    tracks: how many of those a clip gets at once; with policy, centre and oracle, all but the first are drawn around
    the centres.
    sigma: of the draw, in centres, at the stage's start and end. auxiliary: weight of each network's loss by itself.
    train: which parts take gradients, of glance, focus, policy, aggregator. lr: its peak; after `warmup`, a part of the
    stage, it falls as a cosine to zero, or in steps: to a tenth at two fifths and again at four fifths (TSM's).
    optimiser: adamw, or sgd with momentum 0.9 whose biases learn twice as fast (TSM's). backbone_scale: the backbones'
    learning rate relative to that of everything else; 0 freezes them. policy_scale: the policy's, in the same way.
    learner: how patches teach the policy. sampled ones by "reinforce", tracks against each other; by "proposals",
    tracks all over the frame; by "ppo", one track against a critic. Its own by "end_to_end", through the crop. In image
    mode, where a patch decides what the next is chosen by, "reinforce" and "ppo" alone. reward:
    of ppo "increment" over the step before, or "contrastive", over a random patch; else each patch "alone". updates: of
    ppo from each batch.
    """

    name: str
    epochs: int
    lr: float
    patches: str = "none"
    train: tuple[str, ...] = ("glance", "focus", "aggregator")
    batch: int = 24
    warmup: float = 0.1
    optimiser: str = "adamw"
    schedule: str = "cosine"
    backbone_scale: float = 1.0
    policy_scale: float = 1.0
    sigma: tuple[float, float] = (0.25, 0.1)
    tracks: int = 1
    auxiliary: float = 0.5
    learner: str = "reinforce"
    reward: str = "alone"
    updates: int = 1

    def __post_init__(self) -> None:
        if self.patches not in PATCHES:
            raise ConfigError(unknown("patches", self.patches, PATCHES))
        _within("epochs", self.epochs, 1)
        _within("batch", self.batch, 1)
        _within("lr", self.lr, 0)
        _within("warmup", self.warmup, 0, 1)
        _within("sigma", min(self.sigma), 1e-6)
        _within("auxiliary", self.auxiliary, 0)
        _within("backbone_scale", self.backbone_scale, 0)
        _within("policy_scale", self.policy_scale, 1e-6)
        _within("updates", self.updates, 1)
        choices = (("optimiser", OPTIMISERS), ("schedule", SCHEDULES), ("learner", LEARNERS), ("reward", REWARDS))
        for name, known in choices:
            if getattr(self, name) not in known:
                raise ConfigError(unknown(name, getattr(self, name), known))
        self._check_learner()
        for part in self.train:
            if part not in PARTS:
                raise ConfigError(unknown(f"part in stage {self.name!r}", part, PARTS))
        self._check_parts()

    def _check_learner(self) -> None:
        """Which patches, rewards, tracks and updates a learner takes."""
        ppo, sampled = self.learner == "ppo", self.patches == "sampled"
        if self.learner == "end_to_end" and (self.patches != "policy" or "policy" not in self.train):
            raise ConfigError(
                f"stage {self.name!r} has learner end_to_end, patches {self.patches} and trains {list(self.train)}; "
                "expected patches policy, and policy among what it trains"
            )
        if self.learner in ("ppo", "proposals") and not sampled:
            raise ConfigError(
                f"stage {self.name!r} has learner {self.learner} and patches {self.patches}; it needs sampled"
            )
        if self.reward not in LEARNERS[self.learner]:
            raise ConfigError(
                f"stage {self.name!r} has learner {self.learner} and reward {self.reward}; "
                f"expected reward {' or '.join(LEARNERS[self.learner])}"
            )
        if ppo and self.tracks != 1:
            raise ConfigError(f"stage {self.name!r} draws {self.tracks} tracks; ppo draws 1 and has a critic")
        if not ppo and self.updates != 1:
            raise ConfigError(f"stage {self.name!r} has {self.updates} updates a batch; {self.learner} takes 1")
        if self.tracks < (2 if sampled and not ppo else 1):
            raise ConfigError(f"stage {self.name!r} draws {self.tracks} tracks; sampled needs 2 to compare, others 1")

    def _check_parts(self) -> None:
        """What a stage trains must be what its patches give gradients to."""
        sampled, learns = self.patches == "sampled", "policy" in self.train
        if (sampled and self.train != ("policy",)) or (learns and not sampled and self.learner != "end_to_end"):
            raise ConfigError(
                f"stage {self.name!r} has patches {self.patches}, learner {self.learner} and trains "
                f"{list(self.train)}; the policy is trained alone by sampled patches, or by learner end_to_end"
            )
        fed = {"none": {"glance"}, "sampled": {"policy"}}.get(self.patches, {"glance", "focus"})
        if not fed & set(self.train):
            raise ConfigError(
                f"stage {self.name!r} has patches {self.patches} and trains {list(self.train)}; "
                f"expected {' or '.join(sorted(fed))} among them"
            )


@dataclass(frozen=True)
class TrainConfig:
    """How to train: the stages in order and what holds for all of them.

    First weights: initial_model, a checkpoint of which every part that fits is taken (--init); then initial_glance and
    initial_focus, static networks (or a weight FILE or none for that backbone); and the backbones without one from
    initial: none, timm (or a timm name), package, FILE, which beside a network of whole clips is meant for that.
    Augmentation, drawn once a clip: brightness and contrast up to a share, translate up to a share of the side,
    scale up to 1 + that or down to its inverse, a turn up to so many degrees, saturation up to a share.
    crops: none | multi_scale (TSM's, from the whole frame, so without cache). flip: mirror half of the clips, with the
    label of the mirror image where the data set names one. randaugment: operations and magnitude, such as n2m9.
    balance: none | loss (a clip's supervised loss weighs in inverse proportion to its class's clips).
    A stage's batch is that of all processes together (training/distributed.py); sync_batchnorm: batch norms that train
    see all of it, on GPUs alone. precision: float32 | bf16, of the backbones in training (autocast): meant for GPUs, on
    CPUs slower where convolutions are depthwise. compile: torch.compile the backbones in training; the first batches
    of each stage take minutes. What is measured and saved is plain float32 in any case.
    """

    stages: tuple[StageConfig, ...]
    seed: int = 0
    weight_decay: float = 0.01
    clip_grad: float = 5.0
    initial: str = "timm"
    initial_model: str = ""
    initial_glance: str = ""
    initial_focus: str = ""
    workers: int = 0
    cache: bool = True
    max_bad: float = 0.01
    brightness: float = 0.2
    translate: float = 0.0
    scale: float = 0.0
    degrees: float = 0.0
    saturation: float = 0.0
    crops: str = "none"
    flip: bool = False
    randaugment: str = ""
    balance: str = "none"
    precision: str = "float32"
    compile: bool = False
    sync_batchnorm: bool = False

    def __post_init__(self) -> None:
        for name, known in (("balance", BALANCES), ("precision", PRECISIONS)):
            if getattr(self, name) not in known:
                raise ConfigError(unknown(name, getattr(self, name), known))
        for name in ("seed", "weight_decay", "workers", "brightness", "saturation"):
            _within(name, getattr(self, name), 0)
        _within("clip_grad", self.clip_grad, 1e-6)
        _within("max_bad", self.max_bad, 0, 1)
        for name, most in (("translate", 1.0), ("scale", 1.0), ("degrees", 180.0)):
            _within(name, getattr(self, name), 0, most)
        if self.crops not in CROPS:
            raise ConfigError(unknown("crops", self.crops, CROPS))
        if self.crops != "none" and self.cache:
            raise ConfigError(
                f"crops is {self.crops}, but the cache keeps only centre squares; set train.cache to false"
            )
        if self.randaugment:
            randaugment_of(self.randaugment)


def randaugment_of(text: str) -> tuple[int, int]:
    """Operations and magnitude of RandAugment as `n2m9` writes them. Raises ConfigError.

    >>> randaugment_of("n2m9")
    (2, 9)
    """
    found = re.fullmatch(r"n(\d{1,2})m(\d{1,2})", text)
    if not found or int(found[1]) < 1 or int(found[2]) > 30:
        raise ConfigError(f"randaugment is {text!r}; expected operations and magnitude (0 to 30) such as n2m9")
    return int(found[1]), int(found[2])


@dataclass(frozen=True)
class Config:
    """A whole run: which data, which model, how it is trained."""

    dataset: str
    model: ModelConfig
    train: TrainConfig
    name: str = "gfnet_tsm"

    def __post_init__(self) -> None:
        if self.train.stages and self.model.policy.startswith("adafocus"):
            raise ConfigError(
                f"model.policy is {self.model.policy}, a published one, which is run and not trained; train heat, or "
                "in image mode (policy_sees: latest) gfnet or gfnet_conv"
            )
        for stage in self.train.stages:
            if self.model.image and stage.learner in ("proposals", "end_to_end"):
                raise ConfigError(
                    f"stage {stage.name!r} has learner {stage.learner}; in image mode each look's map is what the next "
                    "one is chosen by, and the policy learns by ppo or reinforce"
                )
            if self.model.focus is None and stage.patches != "none":
                raise ConfigError(f"stage {stage.name!r} has patches {stage.patches}; expected none without a focus")
            if self.model.where != "policy" and stage.patches in ("policy", "sampled"):
                raise ConfigError(
                    f"stage {stage.name!r} has patches {stage.patches}, but model.where is {self.model.where}: there "
                    "is no policy; expected centre, random, oracle or none"
                )
        moved = [f"train.{name}" for name in ("flip", "randaugment") if getattr(self.train, name)]
        moved += ["train.crops"] * (self.train.crops != "none")
        if self.asks_oracle and moved:
            raise ConfigError(
                f"patches of an oracle follow translate, scale and degrees alone; leave out {', '.join(moved)}"
            )

    @property
    def asks_oracle(self) -> bool:
        """Whether training needs to know where things really are."""
        return self.model.where == "oracle" or any(stage.patches == "oracle" for stage in self.train.stages)


def _within(name: str, value: float, low: float, high: float = math.inf) -> None:
    """Raise ConfigError unless low <= value <= high; a NaN is not."""
    if not low <= value <= high:
        above = f"at least {low}" if high == math.inf else f"{low} to {high}"
        raise ConfigError(f"{name} is {value}; expected {above}")


def load_config(path: Path, overrides: tuple[str, ...] = ()) -> Config:
    """Read a complete YAML file, apply `key.sub=value` overrides, check all of it. Raises ConfigError."""
    try:
        data = parse_yaml(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    for item in overrides:
        override(data, item)
    return from_dict(Config, data, path.name)


def dump_config(config: Config) -> str:
    """The config as YAML text that `load_config` reads back."""
    return as_yaml(to_dict(config))
