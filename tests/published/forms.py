"""Files in the form that projects publish, made of seeded weights: the recipe that the golden logits were made by."""

from __future__ import annotations

import argparse
import json
import zlib
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

GOLDEN = Path(__file__).parent / "golden"


def golden(name: str) -> dict[str, Any]:
    """One golden file."""
    held: dict[str, Any] = json.loads((GOLDEN / f"{name}.json").read_text())
    return held


def seeded(key: str, shape: tuple[int, ...], seed: int, bn_weight: float) -> np.ndarray:
    """The value of a tensor, from its name."""
    rng = np.random.Generator(np.random.PCG64([seed, zlib.crc32(key.encode())]))
    z = rng.standard_normal(shape).astype(np.float32)
    leaf = key.rsplit(".", 1)[-1]
    if leaf == "running_var":
        return 1 + 0.1 * np.abs(z)
    if leaf == "running_mean":
        return np.float32(0.02) * z
    if leaf == "num_batches_tracked":
        return np.zeros(shape, np.int64)
    if len(shape) == 1:
        return np.float32(bn_weight) + np.float32(0.05) * z if leaf == "weight" else np.float32(0.02) * z
    return z * np.float32(np.sqrt(2.0 / np.prod(shape[1:])))


def weights(listed: list[Any], seed: int, bn_weight: float) -> OrderedDict[str, Tensor]:
    """A state dict of the names and shapes listed."""
    made = ((k, torch.from_numpy(np.asarray(seeded(k, tuple(shape), seed, bn_weight)))) for k, shape, _ in listed)
    return OrderedDict(made)


def clip(seed: int, shape: list[int]) -> Tensor:
    """7x7 noise, enlarged by repetition."""
    h, w = shape[-2:]
    rng = np.random.Generator(np.random.PCG64([seed, 99]))
    z = rng.standard_normal((*shape[:-2], 7, 7)).astype(np.float32)
    return torch.from_numpy(z[..., (np.arange(h) * 7 // h)[:, None], (np.arange(w) * 7 // w)[None, :]].copy())


def extras() -> dict[str, Any]:
    """What training scripts leave beside the weights."""
    return {
        "epoch": 50,
        "best_prec1": torch.tensor(47.2),
        "best_acc": np.float64(0.5),
        "args": argparse.Namespace(dataset="something", lr=0.01, gpus=[0, 1], suffix=None, seed=np.int64(1)),
        "optimizer": {"state": {0: {"momentum_buffer": torch.zeros(3)}}, "param_groups": [{"lr": 0.01, "params": [0]}]},
    }


def write(path: Path, content: object, *, old: bool = False) -> Path:
    """As torch.save writes it; old: as before torch 1.6."""
    torch.save(content, path, _use_new_zipfile_serialization=not old)
    return path


def tsm(path: Path, name: str, **kind: bool) -> Path:
    """A training script's file of one of TSM's networks."""
    held = golden(name)
    state = weights(held["state_dict"], held["seed"], held["bn_weight"])
    return write(path, {"arch": held["arch"], "state_dict": state, **extras()}, **kind)
