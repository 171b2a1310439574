"""Calls that hang, crash or eat memory cost their own item, and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gfnet_video.errors import ConfigError
from gfnet_video.video.sandbox import AHEAD, Failure, Limits, Worker, each
from tests.video.worker_calls import act, count_up, mark, slow

SHORT = Limits(seconds=1.0)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def gone(pid: int, seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < end:
        time.sleep(0.02)
    return not alive(pid)


def test_each_bad_call_costs_its_item_and_the_order_holds(capfd: pytest.CaptureFixture[str]) -> None:
    calls = [1, "hang", 2, "segfault", 3, "exit", "shout", "raise", "no pickle", 4]
    found = list(each(act, calls, workers=2, limits=SHORT))
    kinds = [f.kind if isinstance(f, Failure) else f for f in found]
    assert kinds == [2, "time_out", 4, "crashed", 6, "crashed", "shout", "raised", "raised", 8]
    reasons = [f.reason for f in found if isinstance(f, Failure)]
    assert reasons[:4] == [
        "takes longer than 1 s",
        "ends the process that decodes it (SIGSEGV)",
        "ends the process that decodes it (exit code 7)",
        "ValueError: as told",
    ]
    assert "cannot be sent to another process" in reasons[4]
    assert isinstance(found[7], Failure) and isinstance(found[7].error, ValueError)
    assert tuple(capfd.readouterr()) == ("", "")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps to RLIMIT_AS")
def test_memory_is_held_and_the_same_process_goes_on() -> None:
    found = list(each(act, ["pid", "eat", "pid"], workers=1, limits=Limits(memory=256 << 20)))
    assert isinstance(found[1], Failure) and found[1].kind == "too_big"
    assert found[1].reason == "needs more than 0.25 GiB of memory" and found[0] == found[2]
    assert list(each(act, ["eat"], workers=1, limits=Limits(memory=1 << 30))) == [3 << 27]


def test_a_process_that_is_alive_is_used_again_and_none_stays_behind() -> None:
    found = each(act, ["pid"] * 9, workers=2)
    pids = {next(found), next(found)}
    pids |= set(found)
    assert 1 <= len(pids) <= 2 and all(gone(int(p)) for p in pids)  # type: ignore[call-overload]


def test_closing_early_ends_what_still_runs(tmp_path: Path) -> None:
    found = each(mark, [None, tmp_path / "pid"], workers=2)
    assert next(found) == 0
    pid = written(tmp_path / "pid")
    found.close()  # type: ignore[attr-defined]
    assert gone(pid)


def written(file: Path, seconds: float = 60.0) -> int:
    """The number in a file, once it is there."""
    end = time.monotonic() + seconds
    while not (file.is_file() and file.read_text()):
        assert time.monotonic() < end, f"{file} never came"
        time.sleep(0.02)
    return int(file.read_text())


SCRIPT = """
import sys
from pathlib import Path
from gfnet_video.video.sandbox import each
from tests.video.worker_calls import mark
if __name__ == "__main__":
    list(each(mark, [Path(sys.argv[1])], workers=1))
"""


@pytest.mark.parametrize(("sent", "to_all"), [(signal.SIGINT, True), (signal.SIGTERM, False), (signal.SIGKILL, False)])
def test_however_the_parent_ends_its_processes_end(tmp_path: Path, sent: signal.Signals, to_all: bool) -> None:
    """Ctrl-C reaches the whole group; a kill only the parent."""
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, str(tmp_path / "script.py"), str(tmp_path / "pid")]
    root = str(Path(__file__).parents[2])
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, start_new_session=True, env={**os.environ, "PYTHONPATH": root}
    ) as process:
        pid = written(tmp_path / "pid")
        (os.killpg if to_all else os.kill)(process.pid, sent)
        process.wait(30)
        assert gone(pid)
        assert process.stderr is not None
        tracebacks = process.stderr.read().count("Traceback")
    assert tracebacks == (1 if sent == signal.SIGINT else 0)


def test_no_more_items_are_taken_than_needed() -> None:
    taken: list[int] = []

    def items() -> Iterator[float]:
        for n in range(1000):
            taken.append(n)
            yield 0.0

    found = each(slow, items(), workers=2)
    for n in range(40):
        next(found)
        assert len(taken) <= n + 1 + 2 * AHEAD
    found.close()  # type: ignore[attr-defined]


def test_items_behind_a_slow_one_wait_in_bounds() -> None:
    taken: list[float] = []
    found = each(slow, (taken.append(s) or s for s in [1.0] + [0.0] * 100), workers=2)  # type: ignore[func-returns-value]
    assert next(found) == 1.0 and len(taken) <= 2 * AHEAD  # unbounded, the other worker would have taken all
    assert list(found) == [0.0] * 100


def test_a_conversation_has_one_clock() -> None:
    worker = Worker[int, int](count_up, Limits(seconds=2.0))
    try:
        assert [worker.ask(5), worker.say(2), worker.say(3)] == [5, 7, 10]
        assert worker.ask(1) == 1 and worker.say(1) == 2  # a new item ends the conversation before
        failed = worker.say(0)
        assert isinstance(failed, Failure) and failed.kind == "time_out"
        assert worker.ask(4) == 4
    finally:
        worker.close()


def test_a_process_that_cannot_start_is_no_fault_of_the_items(tmp_path: Path) -> None:
    (tmp_path / "unguarded.py").write_text(SCRIPT.replace('if __name__ == "__main__":', "if True:"))
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, str(tmp_path / "unguarded.py"), str(tmp_path / "pid")],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": root},
        check=False,
    )
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("OSError: a process for decoding did not start (exit code 1)") and "__name__" in last


@pytest.mark.parametrize("name", ["seconds", "pixels", "frames", "bytes", "memory"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_limits_are_checked_at_birth(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"the limit of {name} is {value}"):
        Limits(**{name: value})  # type: ignore[arg-type]


def test_no_worker_is_no_pool() -> None:
    with pytest.raises(ConfigError, match="0 workers"):
        each(act, [1], workers=0)


def test_what_a_worker_imports_is_light() -> None:
    code = "import sys, gfnet_video.video.probe; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "av" in loaded and not loaded & {"torch", "torchvision", "decord", "timm", "rich", "click"}
