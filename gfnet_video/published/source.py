"""What a kind of published checkpoint has to say for itself, so that a model of ours can be made of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from gfnet_video.config import ModelConfig
from gfnet_video.model import GFNet
from gfnet_video.nn.exit_rule import ExitRule

Held = Mapping[str, Any]


@dataclass(frozen=True)
class Asked:
    """What a user said of a file that does not tell it itself; 0 or empty: nothing.

    patch: its side; frames: of the glance; norms: what the policy's batch norms normalise by.
    """

    patch: int = 0
    frames: int = 0
    norms: str = ""


@dataclass(frozen=True)
class Published:
    """A file's content, understood: the config of our model and the tensors by their published names.

    names: of a model of that config, ours -> published. spare: of published ones, those that no inference needs.
    rule: stored exits, None without any; told: more that the card should say.
    """

    config: ModelConfig
    tensors: dict[str, Tensor]
    names: Callable[[GFNet], dict[str, str]]
    spare: Callable[[str], bool]
    rule: ExitRule | None = None
    told: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Source:
    """A kind of checkpoint. project: who publishes it; fits: whether a file's content is of this kind.

    takes: which fields of Asked mean something to it.
    """

    name: str
    project: str
    fits: Callable[[Held], bool]
    read: Callable[[Held, Asked, str], Published]
    takes: tuple[str, ...] = ()
