"""Decord, read in sequence only.

After a seek Decord returns other frames than asked for on some files, and `skip_frames` seeks too: neither is used.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any

import numpy as np

from gfnet_video.video._pyav import Counters

_LOADING = Lock()


class DecordFailed(Exception):
    """Decord could not open or read the file."""


def in_sequence(path: str, indices: Sequence[int], counters: Counters) -> Iterator[np.ndarray]:
    """Frames (H,W,3) uint8 at non-decreasing `indices`; stops where decoding ends. Raises DecordFailed."""
    video = _open(path)
    at, frame = -1, None
    for index in indices:
        while at < index:
            frame = None if counters.closed else _next(video)
            if frame is None:
                return
            at += 1
            counters.frames += 1
        yield _array(frame)


def loaded() -> Any:
    """The module decord, loaded without CUDA: frames are decoded by the processor alone.

    decord2 3.4.0, where it sees the package `nvidia` that comes with PyTorch, loads every CUDA library into the
    process for all to see, libnvblas among them, which answers for the BLAS of whatever is loaded later: the first
    convolution of a torch imported after it ended with a segmentation fault. It also took 685 MB in place of 36.
    """
    if "decord" not in sys.modules:
        with _LOADING, _hidden("nvidia"):
            importlib.import_module("decord")
    return sys.modules["decord"]


@contextmanager
def _hidden(package: str) -> Iterator[None]:
    """Within, the package is one that is not installed."""
    held = sys.modules.get(package)
    sys.modules[package] = None  # type: ignore[assignment]  # what the import system takes for absent
    try:
        yield
    finally:
        del sys.modules[package]
        if held is not None:
            sys.modules[package] = held


def _open(path: str) -> Any:
    try:
        decord = loaded()
        decord.logging.set_level(decord.logging.QUIET)
        # An absolute path can never be taken for a protocol. One thread: no decoding ahead of what is asked.
        # fault_tol: where it cannot decode, Decord repeats the nearest frame; even one such frame is an error.
        return decord.VideoReader(os.path.abspath(path), ctx=decord.cpu(0), num_threads=1, fault_tol=1e-6)
    except Exception as error:  # Decord raises its own error, RuntimeError, AssertionError, UnicodeError, OSError
        raise DecordFailed(_sentence(error)) from error


def _next(video: Any) -> Any:
    try:
        return video.next()
    except StopIteration:
        return None
    except Exception as error:
        raise DecordFailed(_sentence(error)) from error


def _sentence(error: Exception) -> str:
    """The message without the place in Decord's own source that comes before it."""
    line = (str(error).splitlines() or [""])[0]
    return re.sub(r"^\[[\d:]+\] \S+:\d+: ", "", line).strip() or type(error).__name__


def _array(frame: Any) -> np.ndarray:
    """(H,W,3) uint8. Of some narrow videos Decord takes the padding of each row for further channels."""
    array: np.ndarray = frame.asnumpy() if hasattr(frame, "asnumpy") else np.array(frame)  # another bridge may be set
    if array.ndim != 3 or array.shape[2] != 3:
        raise DecordFailed(f"its frames come as {array.shape}, not (H,W,3)")
    return array
