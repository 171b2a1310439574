"""Where networks run."""

from __future__ import annotations

import torch
from torch import nn

from gfnet_video.errors import ConfigError


def pick_device(name: str) -> torch.device:
    """auto: the first GPU, or the CPU where there is none; else what torch calls it: cpu, cuda, cuda:1.

    Raises ConfigError for a device that this installation of torch cannot use.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"device {name!r} cannot be used here: {str(error).splitlines()[0]}; use cpu or auto"
        ) from error
    return device


def device_of(model: nn.Module) -> torch.device:
    """Where the model's weights are."""
    return next(model.parameters()).device
