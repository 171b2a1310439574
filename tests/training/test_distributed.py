"""Several processes train as one would: the same gradients, draws, counts and answers; a lost one ends all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from gfnet_video.checkpoint import load
from gfnet_video.errors import ConfigError
from gfnet_video.training.distributed import Ranks, device_for, ranks_of, std_of
from tests.cli.test_train import SMALL
from tests.training.ranks import IMAGE, STAGES

ROOT = Path(__file__).parents[2]
QUIET = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What every scenario of tests/training/ranks.py gave; none may hang."""
    folder = tmp_path_factory.mktemp("ranks")
    command = [sys.executable, "-m", "tests.training.ranks", str(folder)]
    subprocess.run(command, cwd=ROOT, env=os.environ | QUIET, check=True, timeout=240)
    return folder


def read(results: Path, scenario: str, world: int = 2, rank: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = torch.load(results / f"{scenario}_{world}_{rank}.pt", weights_only=True)
    return found


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


@pytest.mark.parametrize(
    "kind", [*(f"per_frame {s.name}" for s in STAGES), "shared policy", *(f"image {s.name}" for s in IMAGE)]
)
def test_two_processes_give_one_processs_gradients(results: Path, kind: str) -> None:
    """Of three clips parted two to one, augmented, with dropout and class weights; in double precision."""
    one, first, second = (read(results, "gradients", world, rank)[kind] for world, rank in ((1, 0), (2, 0), (2, 1)))
    assert same(first[0], second[0]) and one[0].keys() == first[0].keys() and len(one[0]) >= 9
    for name, gradient in one[0].items():
        assert torch.allclose(first[0][name], gradient, rtol=1e-9, atol=1e-9 * float(gradient.abs().max())), name
    assert first[1] == second[1] == pytest.approx(one[1])


def test_a_still_comes_from_the_whole_batch(results: Path) -> None:
    """To the bit; the first clip of all has a frame of the last, which another process holds."""
    one, first, second = (read(results, "stills", world, rank) for world, rank in ((1, 0), (2, 0), (2, 1)))
    assert torch.equal(torch.cat([first["mixed"], second["mixed"]]), one["mixed"])
    assert not torch.equal(one["mixed"][0], one["plain"][0])


def test_two_processes_train_as_one(results: Path) -> None:
    one, two = read(results, "whole", 1), read(results, "whole")
    assert same(two["weights"], read(results, "whole", 2, 1)["weights"])
    assert all(torch.allclose(two["weights"][k], v, atol=1e-5) for k, v in one["weights"].items())
    for mine, theirs in zip(one["reports"], two["reports"], strict=True):
        assert theirs[:2] + theirs[4:] == mine[:2] + mine[4:]
        assert theirs[2] == pytest.approx(mine[2], rel=1e-4)
        assert theirs[3] == (None if mine[3] is None else pytest.approx(mine[3], rel=1e-4))
    assert {words for report in two["reports"] for words in report[5]} == {"3.webm: is broken"}


def test_one_process_goes_on_where_two_were_killed(results: Path) -> None:
    whole, rest = read(results, "whole"), read(results, "resumed", 1)
    assert all(torch.allclose(whole["weights"][k], v, atol=1e-5) for k, v in rest["weights"].items())
    assert [r[:2] + r[4:] for r in rest["reports"]] == [r[:2] + r[4:] for r in whole["reports"][5:]]


def test_statistics_that_move_end_as_process_0_has_them(results: Path) -> None:
    first, second = read(results, "moving")["weights"], read(results, "moving", 2, 1)["weights"]
    assert same(first, second)
    assert any(bool(v) for k, v in first.items() if k.endswith("num_batches_tracked"))


def test_every_clip_is_measured_once(results: Path) -> None:
    one, two = read(results, "measuring", 1), read(results, "measuring")
    assert same({"x": two["logits"].nan_to_num()}, {"x": read(results, "measuring", 2, 1)["logits"].nan_to_num()})
    for name in ("logits", "centres", "labels"):
        assert torch.allclose(one[name], two[name], atol=1e-4, equal_nan=True)
    assert one["failed"] == two["failed"] == {2: "is broken", 5: "is broken"}


def test_bad_clips_are_counted_over_all_processes(results: Path) -> None:
    told = [read(results, "too_bad", world, rank) for world, rank in ((1, 0), (2, 0), (2, 1))]
    assert told[0] == told[1] == told[2] and told[0]["error"] == "DataError"
    assert "2 of 12 training clips cannot be read" in told[0]["words"]


@pytest.mark.parametrize(
    ("scenario", "error", "words"),
    [
        ("dying", "ProcessError", "process 0 has lost another one"),
        ("alone", "ProcessError", "process 0 of 2 cannot form a group with the others at localhost:"),
        ("odd", "ConfigError", "a batch of 5, which 2 processes cannot part evenly; --set train.stages.0.batch=4"),
        ("strange", "ConfigError", "processes [1] do not see the same config, clips and state"),
        ("synchronised", "ConfigError", "torch synchronises batch norms on GPUs alone"),
    ],
)
def test_what_cannot_go_on_ends_with_words(results: Path, scenario: str, error: str, words: str) -> None:
    told = read(results, scenario)
    assert told["error"] == error and words in told["words"]


def test_without_a_group_a_deviation_is_ones_own() -> None:
    values = torch.randn(3, 4)
    assert torch.equal(std_of(values), values.std())


def test_the_environment_tells_the_place() -> None:
    assert ranks_of({}) == Ranks() and Ranks().first
    assert ranks_of({"RANK": "1", "WORLD_SIZE": "4", "LOCAL_RANK": "0"}) == Ranks(1, 4, 0)
    assert [Ranks(rank, 3).part(6) for rank in range(3)] == [slice(0, 2), slice(2, 4), slice(4, 6)]
    for wrong in ({"WORLD_SIZE": "2"}, {"RANK": "2", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}):
        with pytest.raises(ConfigError, match="start the processes by torchrun"):
            ranks_of(wrong)
    assert device_for("cpu", Ranks(1, 2, 1)).type == "cpu"
    with pytest.raises(ConfigError, match="one GPU for each"):
        device_for("cuda:0", Ranks(1, 2, 1))


def test_torchrun_trains_from_files_to_a_model(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(SMALL))
    train = ["train", "--dataset", "sthv2", "--config", "small.yaml", "--data", str(tree), "--device", "cpu"]
    start = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "gfnet_video"]
    command = [sys.executable, *start, *train]
    done = subprocess.run(command, cwd=tmp_path, env=os.environ | QUIET, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("model written to") == 1
    model = load(tmp_path / "runs/small/model", verify=True)
    rows = [json.loads(line) for line in (tmp_path / "runs/small/log.jsonl").read_text().splitlines()]
    assert [row["stage"] for row in rows] == ["warm-up", "policy"]
    assert rows[-1]["dev_top1"] == model.card.results["dev"]["top1"]
