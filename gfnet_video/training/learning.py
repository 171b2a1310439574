"""What a stage of training updates, and by what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gfnet_video.config import StageConfig
from gfnet_video.model import GFNet
from gfnet_video.nn.device import device_of
from gfnet_video.training.distributed import sum_gradients
from gfnet_video.training.optim import clip, make_optimiser
from gfnet_video.training.ppo import Critic


@dataclass(frozen=True)
class Learning:
    """critic: of a stage that learns by PPO; it is no part of the model and goes when the stage ends."""

    model: GFNet
    critic: Critic | None
    optimiser: torch.optim.Optimizer

    def step(self, loss: Tensor, clip_grad: float) -> None:
        """One update by the sum of all processes' losses, the norm of its gradient clipped."""
        parameters = (*self.model.parameters(), *(self.critic.parameters() if self.critic else ()))
        self.optimiser.zero_grad()
        loss.backward()
        sum_gradients(parameters)
        clip(parameters, clip_grad)
        self.optimiser.step()

    def state(self) -> dict[str, Any]:
        """What a resumed stage needs beside the model's weights."""
        critic = self.critic.state_dict() if self.critic else None
        return {"optimiser": self.optimiser.state_dict(), "critic": critic}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned."""
        self.optimiser.load_state_dict(state["optimiser"])
        if self.critic:
            self.critic.load_state_dict(state["critic"])


def start_learning(model: GFNet, stage: StageConfig, weight_decay: float, seed: int) -> Learning:
    """What learns at the start of a stage whose parts are open; seed: of a critic's first weights."""
    critic = None
    if stage.learner == "ppo":
        torch.manual_seed(seed)
        critic = Critic(model.config.policy_hidden).to(device_of(model))
    return Learning(model, critic, make_optimiser(model, stage, weight_decay, critic))
