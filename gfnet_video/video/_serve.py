"""The inside of a sandbox's process: answer one request after the other over a pipe, quietly and within memory."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import threading
from collections.abc import Callable, Generator
from multiprocessing.connection import Connection
from types import GeneratorType
from typing import Any

import numpy as np

READY, ANSWER, FRAME, RAISED, TOO_MUCH = "ready", "answer", "frame", "raised", "too much memory"
CALL, SAY = "call", "say"
Reply = tuple[str, Any]


def serve(pipe: Connection, function: Callable[[Any], Any], memory: int) -> None:
    """Until the pipe closes: (CALL, item) calls `function`; where that gives a generator, (SAY, value) goes on with it.

    Each request has one reply: ANSWER with the value, FRAME with a shape and then bytes of that many, RAISED with the
    exception, or TOO_MUCH.
    """
    _silence()
    _limit_memory(memory)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    talk: Generator[Any, Any, Any] | None = None
    with contextlib.suppress(EOFError, ConnectionError):
        pipe.send((READY, None))
        while True:
            verb, value = pipe.recv()
            reply, talk = _reply(function, talk, verb, value)
            _send(pipe, reply)


def _reply(
    function: Callable[[Any], Any], talk: Generator[Any, Any, Any] | None, verb: str, value: Any
) -> tuple[Reply, Generator[Any, Any, Any] | None]:
    try:
        if verb == CALL:
            if talk is not None:
                talk.close()
            given = function(value)
            if not isinstance(given, GeneratorType):
                return (ANSWER, given), None
            return (ANSWER, next(given)), given
        assert talk is not None, "nobody called"
        return (ANSWER, talk.send(value)), talk
    except MemoryError:
        return (TOO_MUCH, None), None
    except Exception as error:
        return (RAISED, _portable(error)), None


def _portable(error: Exception) -> Exception:
    """The error, or one in its words where it cannot be rebuilt from what pickle keeps of it (libav's cannot)."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _send(pipe: Connection, reply: Reply) -> None:
    """What cannot travel is told in words. Pixels go as they are: pickled they would be copied four times more."""
    try:
        if isinstance(reply[1], np.ndarray) and reply[1].dtype == np.uint8:
            pipe.send((FRAME, reply[1].shape))
            _write(pipe, np.ascontiguousarray(reply[1]))
        else:
            pipe.send(reply)
    except (EOFError, ConnectionError):
        raise
    except MemoryError:
        pipe.send((TOO_MUCH, None))
    except Exception as error:
        pipe.send((RAISED, TypeError(f"{type(reply[1]).__name__} cannot be sent to another process: {error}")))


def _write(pipe: Connection, pixels: np.ndarray) -> None:
    rest = pixels.reshape(-1).data
    while rest:
        rest = rest[os.write(pipe.fileno(), rest) :]


def _silence() -> None:
    """Decoders write to the file descriptors, past Python."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def _limit_memory(more: int) -> None:
    """Let this process map at most `more` bytes beyond what it has. Only Linux tells that and holds to it."""
    try:
        import resource

        with open("/proc/self/statm", encoding="ascii") as held:
            limit = int(held.read().split()[0]) * resource.getpagesize() + more
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        if hard == resource.RLIM_INFINITY or limit < hard:
            resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash leaves no picture of its memory on the disk
    except (ImportError, OSError, ValueError):
        return


def _end_with_parent() -> None:
    """A parent that was killed ends nothing itself, and a decoder that hangs never reads the pipe."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
