"""What an engine can be compared with: the loop around one of its graphs, and matrix products, in a bench's turns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from torch import nn

from gfnet_video.engines.sessions import OpenvinoSession
from gfnet_video.evaluation.bench_runs import Contender, Run

WIDE, DEEP = 2048, 4  # so many matrices in a row, beside which converting what comes in weighs little


def other(name: str, work: Callable[[Path], object], times: int = 1) -> Contender:
    """What is no model but takes its turn with each clip, so many times."""

    def run(paths: Sequence[Path]) -> Run:
        began = perf_counter()
        for path in paths:
            for _ in range(times):
                work(path)
        return Run(len(paths), {"total": perf_counter() - began}, 0.0, 0)

    return Contender(name, "other", name, 1, 1, run)


def products(folder: Path, threads: int) -> OpenvinoSession:
    """DEEP matrix products in bf16, one of the other, and nothing else: what the processor can do at most."""
    net = nn.Sequential(*(nn.Linear(WIDE, WIDE, bias=False) for _ in range(DEEP))).eval()
    program = torch.onnx.export(net, (torch.randn(WIDE, WIDE),), dynamo=True, verbose=False)
    assert program is not None
    program.save(str(folder / "peak.onnx"), external_data=False)
    return OpenvinoSession((folder / "peak.onnx").read_bytes(), b"", threads, "bfloat16")


def bare(session: OpenvinoSession, rows: int, frames: int = 1) -> Callable[[Path], object]:
    """A graph on the same arrays again and again, what it says left where it is."""
    shapes = tuple((rows, *(frames if n < 0 else n for n in shape)) for shape in session.takes.values())
    kinds = dict.fromkeys(session.carried, session.state) | {"pixels": np.dtype(np.uint8)}
    feeds = [np.zeros(s, kinds.get(n, np.dtype(np.float32))) for n, s in zip(session.takes, shapes, strict=True)]
    # Compiled anew, as the session does: where shapes are free, openvino 2026.4 copies what a request is given to where
    # another request of that model had its inputs, and the session's are freed by then.
    request = session.compiled(shapes if rows == 1 else None).create_infer_request()
    for name, value in zip(session.takes, feeds, strict=True):
        request.set_tensor(name, session.tensor(name, value))
    return lambda _: (request.infer(), feeds)  # a tensor does not keep its array
