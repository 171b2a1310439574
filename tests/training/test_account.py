"""What a run says once it has its model: commands that can be typed as they stand."""

from __future__ import annotations

from pathlib import Path

from gfnet_video.cli.percent import percent
from gfnet_video.datasets.own import open_own
from gfnet_video.evaluation.calibration import Risk, check_enough
from gfnet_video.training.account import next_steps


def test_a_model_whose_exits_can_be_calibrated_comes_with_the_command_that_does(tmp_path: Path) -> None:
    for k in ("clap", "wave"):
        (tmp_path / k).mkdir()
        for n in range(160):
            (tmp_path / k / f"{n}x.mp4").touch()
    source = open_own(tmp_path)
    first, _, last = next_steps(source, Path("my runs/x"), 6)
    assert first == "$ gfnet-video infer VIDEO --model 'my runs/x/model'"
    command, _, asked = last.rpartition(" ")
    assert command == "$ gfnet-video calibrate 'my runs/x/model' 'my runs/x' --max-drop"
    drop = percent(None, None, asked)  # type: ignore[arg-type]
    check_enough(len(source.manifest("calibration")), Risk(drop))  # so many clips can prove it
    assert next_steps(source, Path("my runs/x"), 1) == [first]  # one look has no exits
