"""Which engine runs an exported model in which precision.

The graphs are written in float32 or int8. bfloat16 is no other graph: openvino computes the glance and the focus of a
float32 folder in it, where the processor can. onnxruntime has no arithmetic in bfloat16 on processors: such a
convolution does not load (NOT_IMPLEMENTED, onnxruntime 1.32). The torch engine has no switch for it.
"""

from __future__ import annotations

from collections.abc import Sequence

from gfnet_video.engines.processor import BF16, has_bf16
from gfnet_video.engines.sessions import EXTRAS, installed
from gfnet_video.errors import ConfigError, DependencyError, unknown

WRITTEN = ("float32", "int8")  # of graphs
NAMES = {"float32": "float32", "bf16": "bfloat16", "int8": "int8"}  # what is asked for -> what About calls it
ASKED = (*NAMES, "auto")
Pair = tuple[str, str]  # an engine, and a precision by the name that About has


def check_asked(precision: str | None) -> None:
    """Raise ConfigError for a word that is no precision; None is whatever the model is in."""
    if precision is not None and precision not in ASKED:
        raise ConfigError(unknown("precision", precision, ASKED))


def of_checkpoint(precision: str | None, name: object) -> None:
    """Raise ConfigError where a checkpoint, which torch runs in float32, is asked for in another precision."""
    if precision in ("bf16", "int8"):
        how = "--to onnx DIR --precision int8 --clips FOLDER" if precision == "int8" else "--to openvino DIR"
        raise ConfigError(
            f"a checkpoint runs in float32, not in {precision}; write `gfnet-video export {name} {how}`, and name DIR "
            "as the model"
        )


def pairs(engines: Sequence[str], written: str, precision: str | None, folder: object) -> list[Pair]:
    """The ways to run a folder's graphs, those as they are written first. engines: that could run it as it is.

    Raises ConfigError where none runs it in that precision, DependencyError where only one that is not installed does.
    """
    as_written = [(engine, written) for engine in engines]
    if precision is None or NAMES.get(precision) == written:
        return as_written
    able = [(engine, NAMES["bf16"]) for engine in engines if engine == "openvino" and written == "float32"]
    if precision == "auto":
        return as_written + (able if has_bf16() else [])
    if precision != "bf16" or written != "float32":
        better = "" if precision == "bf16" else f" --precision {precision}"
        raise ConfigError(f"{folder} holds {written} graphs, not {precision}; export the model anew{better}")
    return _bf16(able, engines)


def _bf16(able: list[Pair], engines: Sequence[str]) -> list[Pair]:
    if not has_bf16():
        raise ConfigError(
            f"this processor has neither {' nor '.join(BF16)}: bf16 would be imitated, and slower; take float32 or int8"
        )
    if not able and not installed("openvino"):
        raise DependencyError.of("openvino", EXTRAS["openvino"])
    if not able:
        raise ConfigError(f"{' and '.join(engines)} cannot compute in bf16 on a processor; take --engine openvino")
    return able
