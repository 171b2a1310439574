"""python -m tests.killed NAME SRC DST [CALL ...]: prepare with frames, dying at the given calls of progress.

Each CALL is a process of its own that ends without warning at its CALL-th report; the last one is left to finish.
Prints how many reports a whole run makes when no CALL is given.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from gfnet_video.datasets.catalog import dataset
from gfnet_video.datasets.extract import Style
from gfnet_video.datasets.prepare import Options, prepare

SHARES = {"dev": 0.2, "calibration": 0.2}


def run(name: str, source: Path, root: Path, last: int) -> int:
    """Prepare, and end this process at call `last` of progress, 0 for never; the number of calls."""
    calls = 0

    def progress(stage: str, done: int, total: int) -> None:
        nonlocal calls
        calls += 1
        if calls == last:
            os._exit(9)

    row = dataset(name)
    style = None if row.template else Style("something", 48, 80)
    prepare(row, source, root, Options(SHARES, workers=1, style=style), progress)
    return calls


def main() -> None:
    name, source, root = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    for last in map(int, sys.argv[4:]):
        child = os.fork()
        if not child:
            run(name, source, root, last)
            os._exit(0)
        os.waitpid(child, 0)
    print(run(name, source, root, 0))


if __name__ == "__main__":
    main()
