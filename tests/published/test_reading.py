"""A pickle is read as plain data: what would execute something is refused with words, and executes nothing."""

from __future__ import annotations

import os
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gfnet_video.errors import CheckpointError
from gfnet_video.published.convert import convert
from gfnet_video.published.reading import read_pickle
from tests.published import forms


class Call:
    """Pickles as a call of a function by name."""

    def __init__(self, function: Any, *args: object) -> None:
        self.call = function, args

    def __reduce__(self) -> tuple[Any, tuple[object, ...]]:
        return self.call


def test_what_training_scripts_leave_is_read(tmp_path: Path) -> None:
    for old in (False, True):
        held = read_pickle(forms.write(tmp_path / f"{old}.pth", forms.extras(), old=old))
        assert held["args"].dataset == "something" and held["args"].seed == 1
        assert held["best_acc"] == 0.5 and type(held["best_acc"]) is float


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("protocol", [2, 4])
def test_a_call_inside_is_refused_and_not_made(old: bool, protocol: int, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    held = forms.golden("pub_tsm_mobilenetv2_8")
    state = forms.weights(held["state_dict"][:4], 2, 1.0)
    content = {"state_dict": state, **forms.extras(), "hook": Call(os.system, f"touch {trace}")}
    file = tmp_path / "bad.pth.tar"
    torch.save(content, file, _use_new_zipfile_serialization=not old, pickle_protocol=protocol)
    with pytest.raises(
        CheckpointError, match=r"bad.pth.tar: refused, nothing in it was executed: .*(posix.system|[Uu]nsupported)"
    ):
        convert(file, tmp_path / "model")
    assert not trace.exists() and not (tmp_path / "model").exists()
    pickle.loads(pickle.dumps(Call(os.system, f"touch {trace}")))  # the same call, where it is made
    assert trace.exists()


@pytest.mark.parametrize(
    "inside",
    [
        Call(eval, "1"),
        Call(getattr, {}, "clear"),
        Call(np.load, "a.npy", None, True),
        Call(np.dtype, "O"),
        np.zeros(2),
        np.array([None], object),
        Path("a"),
    ],
)
def test_what_is_not_on_the_list_is_refused(inside: object, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="refused, nothing in it was executed"):
        read_pickle(forms.write(tmp_path / "a.pth", {"state_dict": {}, "x": inside}))


@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning")
def test_other_files_are_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is no file"):
        read_pickle(tmp_path / "none.pth")
    (tmp_path / "a.pth").write_bytes(b"not a pickle")
    with pytest.raises(CheckpointError, match=r"a.pth: refused"):
        read_pickle(tmp_path / "a.pth")
    with tarfile.open(tmp_path / "b.pth.tar", "w") as tar:
        tar.add(tmp_path / "a.pth", "pickle")
    with pytest.raises(CheckpointError, match=r"is a tar archive, the form of torch before 0.1.10"):
        read_pickle(tmp_path / "b.pth.tar")
    with pytest.raises(CheckpointError, match="holds a list; expected a mapping"):
        read_pickle(forms.write(tmp_path / "c.pth", [1]))
    torch.jit.script(torch.nn.Linear(1, 1)).save(tmp_path / "d.pth")
    with pytest.raises(CheckpointError, match=r"d.pth: refused"):
        read_pickle(tmp_path / "d.pth")
