"""One process that calls a function, and may hang, crash or eat memory while it does."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from multiprocessing.connection import Connection
from typing import Any, Generic, TypeVar

import numpy as np

from gfnet_video.errors import ConfigError
from gfnet_video.video import _serve

Item = TypeVar("Item")
Result = TypeVar("Result")

START = 120.0  # seconds a process may take to start, on a machine that is busy


@dataclass(frozen=True)
class Limits:
    """What one video may cost.

    seconds: wall clock of decoding it; pixels: of one frame (default: 8K with room); frames: walked; bytes: of the
    file; memory: bytes a worker may take beyond what it starts with. Memory is held by RLIMIT_AS on Linux; macOS does
    not keep to that limit, and there `pixels` alone bounds it. Raises ConfigError for values that are not positive.
    """

    seconds: float = 60.0
    pixels: int = 8192 * 4608
    frames: int = 200_000
    bytes: int = 8 << 30
    memory: int = 4 << 30

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            if not 0 < value < float("inf"):
                raise ConfigError(f"the limit of {f.name} is {value}; expected a number above 0")


LIMITS = Limits()


@dataclass(frozen=True)
class Failure:
    """Why a call gave nothing. kind: time_out | crashed | too_big (memory) | raised; then `error` is what it raised."""

    kind: str
    reason: str
    error: Exception | None = None


class Worker(Generic[Item, Result]):
    """One process that calls `function`, started when it is first needed and replaced after it failed.

    `ask`, or `begin`, watch `pipe` and `finish`; one item at a time. Where `function` is a generator, `ask` gives the
    first value it yields, and `say` (or `request` and `finish`) sends it a value for the next; all of it together may
    take `limits.seconds`.
    """

    def __init__(self, function: Callable[[Item], Any], limits: Limits = LIMITS) -> None:
        self.function, self.limits = function, limits
        self.pipe: Connection | None = None
        self.deadline = 0.0
        self._left = limits.seconds
        self._starting = False
        self._process: Any = None

    def ask(self, item: Item) -> Result | Failure:
        """The result of one call, or the first value of a generator."""
        self.begin(item)
        return self.finish()

    def say(self, value: object) -> Result | Failure:
        """The next value of the generator that the latest item gave."""
        self.request(value)
        return self.finish()

    def request(self, value: object) -> None:
        """Ask for the next value and go on: watch `pipe` and `finish`, as after `begin`."""
        self._request(_serve.SAY, value)

    def begin(self, item: Item) -> None:
        """Hand over an item; its clock runs from when the process is there."""
        if self._process is None:
            self._start()
        self._left = self.limits.seconds
        self._request(_serve.CALL, item)

    def due(self) -> bool:
        """Is there a result to `finish`, or an ending, without waiting? Raises OSError where the process cannot start.

        The clock of an item begins here when the process was still starting.
        """
        assert self.pipe is not None
        if self._starting and self.pipe.poll(0):
            self._greet()
        return self.pipe.poll(0) or self.deadline <= time.monotonic()

    def finish(self) -> Result | Failure:
        """Wait for the result, at most until the deadline; what failed has ended its process."""
        try:
            verb, value = self._reply()
        except TimeoutError:
            self.close()
            return Failure("time_out", f"takes longer than {self.limits.seconds:g} s")
        except (EOFError, ConnectionError):
            return Failure("crashed", f"ends the process that decodes it ({self._ending()})")
        if verb == _serve.ANSWER:
            return value  # type: ignore[no-any-return]
        if verb == _serve.TOO_MUCH:
            return Failure("too_big", f"needs more than {self.limits.memory / (1 << 30):g} GiB of memory")
        return Failure("raised", f"{type(value).__name__}: {value}", value)

    def close(self) -> None:
        """End the process, whatever it does; nothing of it stays behind."""
        if self._process is None:
            return
        self._process.kill()
        self._process.join()
        self._process.close()
        assert self.pipe is not None
        self.pipe.close()
        self._process, self.pipe = None, None

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        arguments = (theirs, self.function, self.limits.memory)
        process = context.Process(target=_serve.serve, args=arguments, daemon=True, name="decoder")
        with _without_interrupts(), theirs:
            process.start()
        self._process = process
        self._starting = True

    def _greet(self) -> None:
        """Wait for the process to be there."""
        self._starting = False
        try:
            self._receive()
        except (EOFError, ConnectionError, TimeoutError) as error:
            hint = "a script that decodes in other processes needs `if __name__ == '__main__':` around its calls"
            raise OSError(f"a process for decoding did not start ({self._ending()}); {hint}") from error
        self.deadline = time.monotonic() + self._left

    def _request(self, verb: str, value: object) -> None:
        assert self.pipe is not None
        self.deadline = time.monotonic() + (START if self._starting else self._left)
        with contextlib.suppress(ConnectionError):  # it died meanwhile: `finish` will find out
            self.pipe.send((verb, value))

    def _reply(self) -> tuple[str, Any]:
        if self._starting:
            self._greet()
        reply = self._receive()
        self._left = self.deadline - time.monotonic()
        return reply

    def _receive(self) -> tuple[str, Any]:
        verb, value = self._readable().recv()
        return (_serve.ANSWER, self._pixels(value)) if verb == _serve.FRAME else (verb, value)

    def _pixels(self, shape: tuple[int, ...]) -> np.ndarray:
        pixels = np.empty(shape, np.uint8)
        rest = pixels.reshape(-1).data
        while rest:
            got = os.readv(self._readable().fileno(), [rest])
            if not got:
                raise EOFError
            rest = rest[got:]
        return pixels

    def _readable(self) -> Connection:
        assert self.pipe is not None
        if not self.pipe.poll(max(0.0, self.deadline - time.monotonic())):
            raise TimeoutError
        return self.pipe

    def _ending(self) -> str:
        """How the process ended, in words; ends it where it has not."""
        self._process.join(1.0)
        code = self._process.exitcode
        self.close()
        if code is None:
            return "it did not end by itself"
        return f"exit code {code}" if code >= 0 else signal.Signals(-code).name


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """A process started within never sees Ctrl-C: it is the parent that ends it, and nobody prints a traceback."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
