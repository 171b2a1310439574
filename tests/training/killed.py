"""python -m tests.training.killed WHOLE BROKEN KILLS SEED ARG ...: `gfnet-video train ARG ...` once and killed.

The run WHOLE is left alone. BROKEN is killed (SIGKILL) up to KILLS times at random lines of the code that trains and
saves, after which it goes on with --resume. All are forked, so that torch is imported once. Prints where it was killed.
"""

from __future__ import annotations

import os
import random
import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType

import torch

import gfnet_video.training.session  # noqa: F401  (before the fork)
from gfnet_video.cli.main import run
from gfnet_video.training import trainer

WATCHED = ("trainer.py", "saved.py", "session.py", "files.py", "checkpoint.py", "optim.py", "losses.py")


class Killer:
    """A tracer that counts the lines run in watched files, and ends this process at number `at`, noting where.

    A line's n-th turn counts 1/n, or loops over hundreds of tensors would outweigh all the rest.
    """

    def __init__(self, at: float, note: Path) -> None:
        self.count, self.at, self.note = 0.0, at, note
        self.turns: Counter[tuple[str, int]] = Counter()

    def __call__(self, frame: FrameType, event: str, argument: object) -> Killer | None:
        code = frame.f_code
        home = os.path.basename(code.co_filename)
        if event == "call":
            writing = home == "serialization.py" and code.co_name == "_save"  # in torch.save, tensor after tensor
            return self if writing or home in WATCHED else None
        if event == "line":
            self.turns[home, frame.f_lineno] += 1
            self.count += 1 / self.turns[home, frame.f_lineno]
        if 0 < self.at <= self.count:
            self.note.write_text(f"{Path(home).stem}.{code.co_name}:{frame.f_lineno}")
            os.kill(os.getpid(), signal.SIGKILL)
        return self


def forked(args: list[str], at: float, note: Path) -> int:
    """Run the command in a child that dies at count `at`, 0 for never; the signal that ended it, 0 for none."""
    child = os.fork()
    if not child:
        killer = Killer(at, note)
        sys.settrace(killer)
        code = run(args)
        sys.settrace(None)
        note.write_text(str(killer.count))
        os._exit(code)
    status = os.waitpid(child, 0)[1]
    if not os.WIFSIGNALED(status) and os.WEXITSTATUS(status):
        sys.exit(f"train ended with {os.WEXITSTATUS(status)}")
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def main() -> None:
    torch.set_num_threads(1)
    trainer.SAVE_EVERY = 0.0  # after every batch
    whole, broken, kills, seed = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    command, note = ["train", *sys.argv[5:], "--run"], whole.with_suffix(".note")
    assert forked([*command, str(whole)], 0, note) == 0
    count, dice = float(note.read_text()), random.Random(seed)
    for _ in range(kills):
        if forked([*command, str(broken), "--resume"], dice.uniform(1, 2 * count / kills), note) == signal.SIGKILL:
            print(note.read_text())
    assert forked([*command, str(broken), "--resume"], 0, note) == 0


if __name__ == "__main__":
    main()
