"""A float32 graph as one of int8, its ranges from what runs through it on real clips (post-training, static).

Weights have a scale for each output channel, what flows between operations one for all, as in Jacob et al., CVPR 2018
(arXiv 1712.05877). The graph keeps its form, with pairs of operations that quantise and dequantise in it (QDQ), which
onnxruntime and openvino both fuse into int8 arithmetic; its inputs and outputs, and so the state, stay float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from gfnet_video.engines.exported import Exported
from gfnet_video.engines.sessions import EXTRAS, Session
from gfnet_video.errors import DependencyError

Feeds = dict[str, np.ndarray]


class Kept:
    """A session that keeps what it is fed."""

    def __init__(self, inner: Session) -> None:
        self.inner, self.takes, self.state = inner, inner.takes, inner.state
        self.feeds = list[Feeds]()

    def __call__(self, feeds: Feeds) -> Feeds:
        self.feeds.append({name: np.ascontiguousarray(value) for name, value in feeds.items()})
        return self.inner(feeds)


def fed(engine: Exported, graph: str, runs: Iterable[Callable[[Exported], Any]]) -> Iterator[Feeds]:
    """What one graph is fed while the engine does each of the runs: frames with the state before them, or patches where
    the model itself looks. No more than one run's is held."""
    for run in runs:
        kept = Kept(engine.looks[graph])
        run(Exported(engine.about, {**engine.looks, graph: kept}, engine.name))
        yield from kept.feeds


def quantise(graph: Path, feeds: Iterator[Mapping[str, np.ndarray]], to: Path) -> None:
    """Write the graph anew in int8. Raises DependencyError without onnxruntime."""
    try:
        from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ImportError as error:
        raise DependencyError.of("onnxruntime", EXTRAS["onnxruntime"]) from error
    with TemporaryDirectory() as scratch:
        ready = Path(scratch) / graph.name
        quant_pre_process(str(graph), str(ready), skip_symbolic_shape=True)
        quantize_static(
            str(ready),
            str(to),
            _reader(feeds),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            reduce_range=True,  # 7 bits: without VNNI, sums of two 8-bit products overflow
        )


def _reader(feeds: Iterator[Mapping[str, np.ndarray]]) -> Any:
    """The feeds as onnxruntime asks for them."""
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def get_next(self) -> dict[str, np.ndarray] | None:
            found = next(feeds, None)
            return None if found is None else dict(found)

    return Reader()
