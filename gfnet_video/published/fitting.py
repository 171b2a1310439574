"""Filling a model of ours with published tensors: every tensor accounted for, or an error that names it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gfnet_video.errors import CheckpointError, printable

COUNTER = "num_batches_tracked"  # of batch norms: plays no part in evaluation; torch before 0.4.1 did not write it


def tensors_of(held: Any, where: str) -> dict[str, Tensor]:
    """A published state dict without the `module.` of DataParallel. Raises CheckpointError where it is none."""
    if not isinstance(held, dict) or not all(isinstance(v, Tensor) for v in held.values()):
        raise CheckpointError(f"{where} is no mapping of names to tensors; expected a state dict")
    before = "module." if held and all(str(name).startswith("module.") for name in held) else ""
    return {str(name).removeprefix(before): value.detach() for name, value in held.items()}


def fill(
    model: nn.Module,
    names: Mapping[str, str],
    tensors: Mapping[str, Tensor],
    *,
    spare: Callable[[str], bool],
    where: str,
) -> list[str]:
    """Load `tensors` into `model`; names: ours -> published, each of ours once.

    spare: which published ones no inference needs. Returns those that were left out. Raises CheckpointError listing
    what is missing, misshapen and unexpected.
    """
    wanted = model.state_dict()
    asked = {name: names[name] for name in wanted}
    lost = {ours for ours, theirs in asked.items() if theirs not in tensors}
    missing = [name for name in lost if not name.endswith(COUNTER)]
    lines = [f"missing {asked[k]} {tuple(wanted[k].shape)}" for k in sorted(missing)]
    lines += [
        f"misshapen {theirs}: file {tuple(tensors[theirs].shape)}, expected {tuple(wanted[ours].shape)}"
        for ours, theirs in asked.items()
        if ours not in lost and tensors[theirs].shape != wanted[ours].shape
    ]
    others = sorted(set(tensors) - set(asked.values()))
    lines += [f"unexpected {name} {tuple(tensors[name].shape)}" for name in others if not spare(name)]
    if lines:
        shown = "\n  ".join(lines[:20] + ([f"... and {len(lines) - 20} more"] if len(lines) > 20 else []))
        raise CheckpointError(
            f"{printable(where)}: its tensors do not fit {printable(type(model).__name__)}:\n  {shown}"
        )
    filled = {k: torch.zeros_like(wanted[k]) if k in lost else tensors[asked[k]] for k in wanted}
    model.load_state_dict({k: v.to(wanted[k].dtype) for k, v in filled.items()}, strict=True)
    return others
