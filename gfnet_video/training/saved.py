"""The state of a run, run/last.pt: what it takes to go on as if nothing had happened.

Randomness is not in it: every draw follows from the seed and the place.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from gfnet_video.errors import CheckpointError
from gfnet_video.files import whole
from gfnet_video.model import GFNet

KEYS = {"model", "optimiser", "place", "data"}


@dataclass(frozen=True)
class Place:
    """Where a run stands: stage, epoch in the stage, batch in the epoch; all 0-based, the next to do."""

    stage: int = 0
    epoch: int = 0
    batch: int = 0


def save_state(
    path: Path,
    model: GFNet,
    optimiser: torch.optim.Optimizer | None,
    place: Place,
    digest: str,
    lost: list[str] | None = None,
) -> None:
    """Write the state whole. digest: of the clips; lost: what was wrong with clips of the epoch so far."""
    held = optimiser.state_dict() if optimiser else None
    state = {"model": model.state_dict(), "optimiser": held, "place": vars(place), "data": digest, "lost": lost or []}
    with whole(path) as temporary:
        torch.save(state, temporary)


def load_state(path: Path, digest: str) -> dict[str, Any] | None:
    """The state, None where there is none. Raises CheckpointError for anything else and for other clips'."""
    if not path.is_file():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # weights_only refuses with many kinds
        raise CheckpointError(f"{path}: cannot be resumed from: {error}") from error
    if not isinstance(state, dict) or not state.keys() >= KEYS:
        raise CheckpointError(f"{path}: cannot be resumed from: it does not hold a run's state")
    if state["data"] != digest:
        raise CheckpointError(f"{path}: was trained on other clips than those now listed; name another run folder")
    return {"lost": []} | state


def sweep(path: Path) -> None:
    """Remove the halves of states that were being written when a run was killed."""
    for half in path.parent.glob(f".{path.name}.*"):
        half.unlink(missing_ok=True)
