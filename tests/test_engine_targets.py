"""What `tools/engine_targets.py` makes of times: seconds a clip, what is the networks', and which targets are met."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from gfnet_video.checkpoint import load
from gfnet_video.engines.torch_engine import TorchEngine
from gfnet_video.evaluation.bench import Scores
from gfnet_video.evaluation.bench_runs import Run
from tests.clips import encode
from tools.bare_graphs import other
from tools.engine_targets import beside_its_looks, in_memory, networks, row, seconds


def test_networks_are_what_is_neither_decoding_nor_preprocessing() -> None:
    held = {"decode": 1.0, "preprocess": 0.5, "glance": 2.0, "focus": 4.0, "total": 9.0}
    slow = held | {"total": 11.0}
    work = other("nothing", lambda _: None)
    score = Scores(work, ((Run(2, held, 0.0, 8), Run(2, slow, 0.0, 8)), (Run(2, held, 0.0, 8),) * 2), None)
    assert seconds(score, "glance", "focus", "locate").tolist() == [3.0, 3.0]
    assert networks(score).tolist() == [4.25, 3.75]


@pytest.mark.parametrize(("wanted", "met"), [(">= 2", True), (">= 2.1", False), ("<= 2", True), ("<= 1.9", False)])
def test_a_target_is_met_by_the_median(wanted: str, met: bool) -> None:
    found = row("a", "what", wanted, np.array([1.0, 2.0, 9.0]))
    assert (found["measured"], found["least"], found["most"], found["met"]) == (2.0, 1.0, 9.0, met)


def test_what_is_no_model_works_so_often_a_clip() -> None:
    seen: list[Path] = []
    ran = other("work", seen.append, 3).run([Path("a"), Path("b")])
    assert seen == [Path("a")] * 3 + [Path("b")] * 3 and ran.clips == 2 and ran.seconds["total"] > 0


def test_what_is_in_memory_is_read_once(checkpoint: Path, tmp_path: Path) -> None:
    clip = encode(tmp_path / "clip.mp4", 20)
    work = in_memory(TorchEngine(load(checkpoint)))
    work.run([clip])
    clip.unlink()
    ran = work.run([clip])
    assert ran.clips == 1 and 0 < ran.seconds["glance"] + ran.seconds["focus"] < ran.seconds["total"]
    assert "decode" not in ran.seconds


def test_the_exit_loop_takes_longer_than_its_looks(checkpoint: Path, tmp_path: Path) -> None:
    total, looks = beside_its_looks(load(checkpoint), [encode(tmp_path / "clip.mp4", 20)], 2)
    assert total.shape == looks.shape == (2,) and (looks > 0).all() and (total > looks).all()


@pytest.mark.skipif(find_spec("openvino") is None, reason="openvino is not installed")
def test_a_bare_graph_leaves_alone_what_its_session_was_given(tmp_path: Path) -> None:
    """In a process of its own: openvino is never loaded into that of the tests."""
    code = (
        "import sys, numpy as np, openvino as ov; from openvino import opset13 as op; from pathlib import Path\n"
        "from gfnet_video.engines.sessions import OpenvinoSession; from tools.bare_graphs import bare\n"
        "x = op.parameter(ov.PartialShape([-1, 64]), np.float32, name='x'); x.output(0).set_names({'x'})\n"
        "y = op.matmul(x, op.constant(np.eye(64, dtype=np.float32)), False, False); y.output(0).set_names({'y'})\n"
        "xml = Path(sys.argv[1]); ov.save_model(ov.Model([y], [x], 'm'), str(xml), compress_to_fp16=False)\n"
        "session = OpenvinoSession(xml.read_bytes(), xml.with_suffix('.bin').read_bytes(), 1)\n"
        "for rows in (1, 8):\n"
        "    session({'x': np.full((rows, 64), 2, np.float32)}); bare(session, rows)(Path())\n"
        "    assert (session.held[0] == 2).all(), rows\n"
    )
    words = [sys.executable, "-c", code, str(tmp_path / "m.xml")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
