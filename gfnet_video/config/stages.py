"""One row of the training table, and what must hold in it."""

from __future__ import annotations

from dataclasses import dataclass

from gfnet_video.config.words import LEARNERS, OPTIMISERS, PARTS, PATCHES, REWARDS, SCHEDULES, known, within
from gfnet_video.errors import ConfigError, unknown


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
    of ppo "increment" over the step before, or "contrastive", over a random patch; of proposals "activation", how much
    of the answer comes from there when the focus sees whole frames; of all others, and of proposals too, each patch
    "alone". updates: of ppo from each batch. policy_dropout: the share of channels that the policy does without in each
    frame, while it learns from proposals.
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
    policy_dropout: float = 0.0

    def __post_init__(self) -> None:
        known(self, {"patches": PATCHES})
        within("epochs", self.epochs, 1)
        within("batch", self.batch, 1)
        within("lr", self.lr, 0)
        within("warmup", self.warmup, 0, 1)
        within("sigma", min(self.sigma), 1e-6)
        within("auxiliary", self.auxiliary, 0)
        within("backbone_scale", self.backbone_scale, 0)
        within("policy_scale", self.policy_scale, 1e-6)
        within("updates", self.updates, 1)
        within("policy_dropout", self.policy_dropout, 0, 0.9)
        known(self, {"optimiser": OPTIMISERS, "schedule": SCHEDULES, "learner": LEARNERS, "reward": REWARDS})
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
        if self.policy_dropout and self.learner != "proposals":
            raise ConfigError(
                f"stage {self.name!r} has policy_dropout {self.policy_dropout} and learner {self.learner}; only a "
                "policy that learns from proposals takes it"
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
