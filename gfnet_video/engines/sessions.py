"""A graph that runs: named arrays in, named arrays out, by onnxruntime or openvino. This file owns both."""

from __future__ import annotations

import importlib
import io
import os
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from gfnet_video.errors import CheckpointError, ConfigError, DependencyError

HINTS = {"float32": "f32", "int8": "f32", "bfloat16": "bf16"}  # what openvino calls it; of int8 the float parts
FORMS = 2  # that openvino is compiled for besides one frame of one video and any number
Shape = tuple[int, ...]
EXTRAS = {"onnxruntime": "onnx", "openvino": "openvino"}  # package -> the extra that installs it


class Session(Protocol):
    """takes: the inputs' names and their shapes for each video; a pixel input's frames are free as well.

    state: what an input `x` is held in that an output `new_x` renews: a value to carry on, not to read.
    """

    takes: dict[str, Shape]
    state: np.dtype[Any]

    def __call__(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]: ...


class OnnxSession:
    """By onnxruntime on the CPU. threads: of one operation; its own operations run one after the other."""

    state = np.dtype(np.float32)

    def __init__(self, graph: bytes, threads: int) -> None:
        ort = _imported("onnxruntime")
        options = ort.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        # Idle threads of one graph must not spin beside those of the next, which run in turn.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        options.log_severity_level = 3
        self.session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self.takes = {i.name: tuple(i.shape[1:]) for i in self.session.get_inputs()}
        self.gives = [o.name for o in self.session.get_outputs()]

    def __call__(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        feeds = {name: np.ascontiguousarray(value) for name, value in feeds.items()}
        return dict(zip(self.gives, self.session.run(self.gives, feeds), strict=True))


class OpenvinoSession:
    """By openvino on the CPU, from its own form (xml and bin) or from ONNX (bin empty); precision: a key of HINTS.

    Compiled for one frame of one video, for each of the first FORMS other numbers of frames of one video that come, and
    once for all else: fixed shapes take a sixth to a quarter less time. Each holds the weights anew.

    In bf16 the state is bf16 too: openvino computes what leads to a float32 output in float32, back to the convolution
    before it, and would convert each shifted map to and fro.
    """

    def __init__(self, graph: bytes, weights: bytes, threads: int, precision: str = "float32") -> None:
        self.openvino, hint = _imported("openvino"), HINTS[precision]
        self.core = self.openvino.Core()
        read = self.core.read_model
        self.model = read(io.BytesIO(graph), io.BytesIO(weights)) if weights else read(graph)
        names = {i.any_name for i in self.model.inputs} & {o.any_name[4:] for o in self.model.outputs}
        self.carried = frozenset(names if hint == "bf16" else ())
        self.state: np.dtype[Any] = np.dtype(np.uint16 if self.carried else np.float32)
        if self.carried:
            self.model = self._carrying()
        self.how = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": hint}
        self.held = list[np.ndarray]()  # what the request's inputs lie in
        self.takes = {i.any_name: _sizes(i.partial_shape)[1:] for i in self.model.inputs}
        self.gives = [o.any_name for o in self.model.outputs]
        one = tuple(tuple(max(1, n) for n in _sizes(i.partial_shape)) for i in self.model.inputs)
        compiled = self.compiled(one)
        taken = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
        if taken != hint:  # where the processor cannot, openvino takes another and says nothing
            raise ConfigError(f"openvino computes in {taken} on this processor, not in {hint}")
        self.fixed = {one: compiled.create_infer_request()}

    def _carrying(self) -> Any:
        """The model with its state in bf16, in and out."""
        changed, bf16 = self.openvino.preprocess.PrePostProcessor(self.model), self.openvino.Type.bf16
        for name in self.carried:
            changed.input(name).tensor().set_element_type(bf16)
            changed.output(f"new_{name}").tensor().set_element_type(bf16)
        return changed.build()

    def compiled(self, shapes: tuple[Shape, ...] | None = None) -> Any:
        """The model for inputs of these shapes, in the order of `takes`; None for any."""
        model = self.model.clone()
        if shapes is not None:
            model.reshape(dict(zip(self.takes, shapes, strict=True)))
        return self.core.compile_model(model, "CPU", self.how)

    @cached_property
    def many(self) -> Any:
        """The request for any number of videos and frames."""
        return self.compiled().create_infer_request()

    def request(self, shapes: tuple[Shape, ...]) -> Any:
        """The one for inputs of these shapes."""
        if shapes not in self.fixed and len(self.fixed) <= FORMS and all(shape[0] == 1 for shape in shapes):
            self.fixed[shapes] = self.compiled(shapes).create_infer_request()
        return self.fixed.get(shapes) or self.many

    def tensor(self, name: str, value: np.ndarray) -> Any:
        """An array where it lies, as an input."""
        if name in self.carried:
            return self.openvino.Tensor(value, list(value.shape), self.openvino.Type.bf16)
        return self.openvino.Tensor(value, shared_memory=True)

    def __call__(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.held = [np.require(feeds[name], requirements=["C", "W"]) for name in self.takes]
        request = self.request(tuple(value.shape for value in self.held))
        for i, (name, value) in enumerate(zip(self.takes, self.held, strict=True)):
            request.set_input_tensor(i, self.tensor(name, value))  # by its name it takes three times as long
        found = dict(zip(self.gives, request.infer(share_outputs=True).to_tuple(), strict=True))
        return {n: np.array(v.view(self.state) if n[4:] in self.carried else v) for n, v in found.items()}


def _sizes(shape: Any) -> tuple[int, ...]:
    """A shape's dimensions; a free one as -1."""
    return tuple(d.get_length() if d.is_static else -1 for d in shape)


def open_session(
    engine: str, graph: bytes, weights: bytes, *, threads: int, where: str, precision: str = "float32"
) -> Session:
    """Raises DependencyError where the engine is not installed, ConfigError where the processor has not the precision,
    CheckpointError where it cannot run the graph."""
    try:
        if engine == "onnxruntime":
            return OnnxSession(graph, threads)
        return OpenvinoSession(graph, weights, threads, precision)
    except (DependencyError, ConfigError):
        raise
    except Exception as error:  # each engine raises kinds of its own
        words = (str(error).strip().splitlines() or [""])[0]
        raise CheckpointError(
            f"{where}: {engine} cannot run it ({type(error).__name__}: {words}); export anew"
        ) from error


def save_openvino(onnx: bytes, path: Path) -> None:
    """An ONNX graph in openvino's own form, `path` (xml) and its weights beside it, in float32."""
    openvino = _imported("openvino")
    openvino.save_model(openvino.Core().read_model(onnx), str(path), compress_to_fp16=False)


def installed(engine: str) -> bool:
    """Whether an engine's package is there, without loading it."""
    return engine == "torch" or find_spec(engine) is not None


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _imported(package: str) -> Any:
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise DependencyError.of(package, EXTRAS[package]) from error
