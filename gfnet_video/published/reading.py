"""Reading a pickled checkpoint as plain data: what is not on a narrow list is refused, and nothing else is tried."""

from __future__ import annotations

import argparse
import tarfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.serialization import safe_globals

from gfnet_video.errors import CheckpointError, printable

NUMBERS = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1")


def read_pickle(path: Path) -> dict[str, Any]:
    """The mapping that a file written by `torch.save` holds: tensors, plain values, argparse.Namespace, numpy numbers.

    torch's own reader of plain data (weights_only) interprets the pickle; a name outside its list and ours stops it
    before anything is called. Raises CheckpointError naming the file and what it asked for.
    """
    if not path.is_file():
        raise CheckpointError(f"{printable(path)}: is no file; expected a checkpoint as its publisher wrote it")
    if tarfile.is_tarfile(path):  # before torch looks: up to 2.5 its reader of these executed pickles all the same
        raise CheckpointError(
            f"{printable(path)}: is a tar archive, the form of torch before 0.1.10, which is not read; load it in a "
            "place you trust and write it anew with torch.save(..., path)"
        )
    try:
        with safe_globals(list(ALLOWED)), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what it would warn of, it refuses
            held = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # it refuses with many kinds
        raise CheckpointError(
            f"{printable(path)}: refused, nothing in it was executed: {_gist(error)}; expected what torch.save "
            "writes of tensors, plain values, argparse.Namespace and numpy numbers alone"
        ) from error
    if not isinstance(held, dict):
        raise CheckpointError(f"{printable(path)}: holds a {type(held).__name__}; expected a mapping of names")
    return held


def _gist(error: BaseException) -> str:
    """What went wrong first, in one sentence: torch wraps it in advice on how to run the file all the same."""
    while error.__context__ is not None:
        error = error.__context__
    said = (str(error).strip() or type(error).__name__).splitlines()[0]
    return printable(said.partition(" was not an allowed global")[0].partition(" Please use ")[0])


class _Kind:
    """In the place of numpy.dtype: a number's type by name, and its byte order."""

    def __init__(self, name: str, align: bool = False, copy: bool = True) -> None:
        if name not in NUMBERS:
            raise CheckpointError(f"a numpy value of type {name!r}; expected one of {', '.join(NUMBERS)}")
        self.name, self.big = name, False

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.big = state[1] == ">"


def _number(kind: _Kind, data: bytes) -> float | int | bool:
    """In the place of numpy's scalar: one number from its bytes."""
    value: float | int | bool = np.frombuffer(data, (">" if kind.big else "<") + kind.name, count=1)[0].item()
    return value


def _number_of_old(kind: _Kind, data: bytes) -> float | int | bool:
    """The same, under the name that numpy had for it before 2.0."""
    return _number(kind, data)


def _encoded(text: str, encoding: str) -> bytes:
    """In the place of _codecs.encode: how a pickle of protocol 2 holds bytes, and no other encoding."""
    if encoding not in ("latin1", "latin-1"):
        raise CheckpointError(f"text in encoding {encoding!r}; expected latin1, which holds bytes")
    return text.encode("latin1")


def _named(stand_in: Any, name: str) -> Any:
    """A stand-in of ours under the name that pickles call: torch looks names up, and numpy's own are not handed out."""
    stand_in.__module__, _, stand_in.__name__ = name.rpartition(".")
    stand_in.__qualname__ = stand_in.__name__
    return stand_in


ALLOWED: tuple[Callable[..., Any], ...] = (
    argparse.Namespace,
    _named(_Kind, "numpy.dtype"),
    _named(_number, "numpy._core.multiarray.scalar"),
    _named(_number_of_old, "numpy.core.multiarray.scalar"),
    _named(_encoded, "_codecs.encode"),
)
