"""`gfnet-video bench`: the table and its JSON, what adds up and what is compared with what."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from gfnet_video.checkpoint import load
from gfnet_video.cli.infer import DEFAULT_MODEL
from gfnet_video.cli.main import run
from gfnet_video.cli.train import is_config
from gfnet_video.config import Config, LookConfig, ModelConfig, TrainConfig, dump_config
from gfnet_video.engines.engine import About, Engine
from gfnet_video.engines.macs import costs_of
from gfnet_video.engines.torch_engine import TorchEngine
from gfnet_video.errors import ConfigError
from gfnet_video.evaluation.bench import bench, contenders_of
from gfnet_video.evaluation.bench_models import Ways, on_engines
from gfnet_video.evaluation.bench_report import fastest
from gfnet_video.evaluation.bench_rivals import Peer, static_tsm, static_tsms, untrained
from gfnet_video.evaluation.bench_runs import PARTS, run_engine, run_seats
from gfnet_video.inference.runner import predict
from tests import models
from tests.clips import encode
from tests.engines.walks import recogniser


def test_all_take_turns_and_the_parts_add_up(
    checkpoint: Path, clip: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    other = encode(tmp_path / "other.mp4", 20)
    args = ["--model", checkpoint, "--engine", "torch", "--rounds", "1", "--chunk", "1", "--batch", "2", "--json"]
    args += ["--peer", "x3d_xs"]
    assert run(["bench", *map(str, (clip, other, *args)), "--confidence", "0.01"]) == 0
    out, err = capfd.readouterr()
    found = json.loads(out)
    rows = {(r["name"].rpartition(", ")[2], r["batch"]): r for r in found["contenders"]}
    statics = {"stride 16 max_mean", "stride 32 mean"}  # of the glance and of the focus, at the frame's side
    names = {"exits", "all looks", *statics, "X3D-XS (pytorchvideo)"}
    assert set(rows) == {(name, batch) for name in names for batch in (1, 2)} and len(found["contenders"]) == len(rows)
    for row in found["contenders"]:
        ms = row["ms"]
        assert set(ms) == {*PARTS, "total"}
        assert ms["decode"]["mean"] > 0 and sum(ms[p]["mean"] for p in PARTS) <= ms["total"]["mean"]
        assert ms["total"]["p50"] <= ms["total"]["p95"] and len(row["ms_rounds"]) == 1
        assert row["ratio"]["to"] == "static TSM mobilenetv2_050 at 64, stride 32 mean on torch" and row["gmacs"] > 0
    assert rows["X3D-XS (pytorchvideo)", 1]["frames"] == 4
    costs = costs_of(load(checkpoint))
    assert rows["exits", 1]["gmacs"] == pytest.approx(costs[0]) and rows["exits", 1]["frames"] == 1
    assert rows["all looks", 2]["gmacs"] == pytest.approx(costs[-1]) and rows["all looks", 2]["frames"] == 6
    baseline = next(r for r in found["contenders"] if r["kind"] == "static" and r["batch"] == 1)
    assert baseline["ratio"]["median"] == 1 and baseline["note"] == "random weights"
    ours = rows["all looks", 1]
    assert ours["ratio"]["median"] == pytest.approx(ours["ms_rounds"][0] / baseline["ms_rounds"][0])
    decoded = [r["ms"]["total"]["mean"] - r["ms"]["decode"]["mean"] for r in (ours, baseline)]
    assert ours["ratio"]["decoded"]["median"] == pytest.approx(decoded[0] / decoded[1])
    assert {"processor", "cores", "threads", "torch", "clips", "rounds"} <= set(found["setting"])
    assert "Measured, never worked out from GMACs" in err and "random weights" in err


def as_config(model: ModelConfig) -> Config:
    return Config("sthv2", model, TrainConfig(()), "new")


def test_a_config_is_timed_untrained_and_without_exits(
    clip: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "new.yaml"
    file.write_text(dump_config(as_config(models.config())))
    args = ["bench", str(clip), "--model", str(file), "--engine", "torch", "--rounds", "1", "--peer", "x3d_xs"]
    assert run([*args, "--chunk", "1", "--chunk", "2", "--json"]) == 0
    out, err = capfd.readouterr()
    rows = [r for r in json.loads(out)["contenders"] if r["kind"] == "untrained"]
    assert [(r["name"], r["chunk"]) for r in rows] == [("new, all looks", 1), ("new, all looks", 2)]
    assert {r["note"] for r in rows} == {"random weights"}
    assert all(r["frames"] == models.FRAMES and r["ratio"]["median"] > 0 for r in rows)
    assert "Fastest, one clip at a time: torch with chunk" in err and "calibrate" not in err
    assert run([*args, "--confidence", "0.9"]) == 2
    assert "untrained and has no exits" in capfd.readouterr().err


def test_a_shipped_config_is_known_by_name_but_a_folder_is_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert is_config("sthv2_mobilenetv2_gfnet") and is_config("none.yaml") and not is_config(DEFAULT_MODEL)
    (tmp_path / "sthv2_mobilenetv2_gfnet").mkdir()
    assert not is_config("sthv2_mobilenetv2_gfnet")


def test_a_model_without_chunks_is_timed_once(clip: Path) -> None:
    looks = {"temporal": "both", "patch": "shared", "order": "glance_first"}
    engine = TorchEngine(untrained(as_config(models.config(**looks))))
    found = contenders_of([(engine, "untrained")], None, [1], [1, 2, 4], [])
    assert [(c.name, c.chunk) for c in found] == [("new, all looks", 1)]
    assert found[0].run([clip]).frames == models.FRAMES


@pytest.mark.parametrize(
    "refused",
    [models.image(), models.config(glance=LookConfig("x3d_xs", 48, shift=False), focus=None, temporal="both")],
)
def test_what_cannot_be_exported_is_timed_on_torch_alone(refused: ModelConfig, clip: Path, tmp_path: Path) -> None:
    told: list[str] = []
    model = untrained(as_config(refused))
    engines = on_engines(model, tmp_path / "a", Ways((), 1, [clip], told.append, bf16=True))
    assert [engine.name for engine in engines] == ["torch"] and not (tmp_path / "a").exists()
    assert told[-1].startswith("new is timed on torch alone: ") and "torch" in told[-1].partition(": ")[2]
    with pytest.raises(ConfigError, match="torch"):
        on_engines(model, tmp_path / "b", Ways(("torch", "onnxruntime"), 1, [clip], told.append))


def test_a_run_ends_where_predict_does_and_side_by_side_with_the_last(checkpoint: Path, clip: Path) -> None:
    engine = TorchEngine(load(checkpoint))
    scores = predict(engine, clip, exits=False).step_scores
    rule = engine.about.rule.at(min(0.999, max(scores[1:3])))
    expected = next(i for i, s in enumerate(scores) if s >= rule.thresholds[0])
    one, two = run_engine(engine, rule, 1, [clip]), run_engine(engine, rule, 1, [clip, clip])
    assert one.frames == two.frames == expected + 1 < 6
    assert one.gmacs == two.gmacs == pytest.approx(costs_of(engine.model)[expected])
    assert (one.clips, two.clips) == (1, 2)


@pytest.mark.parametrize("order", ["interleaved", "glance_first"])
def test_seat_by_seat_each_clip_ends_where_predict_does(order: str, clip: Path, tmp_path: Path) -> None:
    paths = [clip, *(encode(tmp_path / f"{n}.mp4", n) for n in (9, 20, 33))]
    engine = TorchEngine(recogniser(models.config("resnet10t", order=order)))
    scores = sorted(s for path in paths for s in predict(engine, path, exits=False).step_scores)
    engine.model.card = replace(engine.model.card, rule=engine.about.rule.at(scores[3 * len(scores) // 4]))
    alone = [predict(engine, path) for path in paths]
    assert len({p.exit_step for p in alone}) > 1
    ran = run_seats(engine, engine.about.rule, 2, paths)
    assert ran.clips == len(paths) and {"decode", "preprocess", "glance", "focus"} <= set(ran.seconds)
    assert ran.gmacs == pytest.approx(sum(p.gmacs for p in alone) / len(alone))
    assert ran.frames == pytest.approx(sum(p.frames_decoded for p in alone) / len(alone))


def test_in_a_batch_exits_are_taken_seat_by_seat_where_clips_share_looks(checkpoint: Path, clip: Path) -> None:
    shared = {"temporal": "both", "patch": "shared", "order": "glance_first"}
    whole = untrained(as_config(models.config(**shared)))
    opened: list[tuple[Engine, str]] = [(TorchEngine(load(checkpoint)), "gfnet"), (TorchEngine(whole), "gfnet")]
    found = contenders_of(opened, None, [1, 2], [1, 2], [])
    seated = [(c.name.rpartition(", ")[0], c.batch, c.chunk) for c in found if c.seats]
    assert seated == [(opened[0][0].about.model, 2, 1)]
    assert [(c.name, c.batch) for c in found if c.name.startswith("new")] == [
        (f"new, {looks}", batch) for batch in (1, 2) for looks in ("exits", "all looks")
    ]
    (row,) = bench([c for c in found if c.seats], [clip] * 3, 1, lambda _: None)
    assert [[run.clips for run in runs] for runs in row.rounds] == [[9]]  # of two seats: so that others wait


def test_the_static_tsm_sees_whole_frames_with_the_same_backbone() -> None:
    config = models.config("resnet10t")
    assert config.focus is not None
    made = static_tsm(config, config.focus).config
    assert (made.glance.backbone, made.glance.side, made.glance.stride) == ("resnet10t", models.SIDE, 32)
    assert made.focus is None and made.glance.shift and made.frames == config.frames


def test_of_a_network_of_whole_clips_the_static_one_is_itself() -> None:
    whole = LookConfig("x3d_xs", 48, shift=False)
    config = models.config(focus=whole, temporal="both", patch="shared", order="glance_first", focus_frames=9)
    one, other = static_tsms(config)
    made = one.config
    assert (made.glance.backbone, made.glance.side, made.temporal) == ("x3d_xs", models.SIDE, "both")
    assert (made.focus, made.frames, made.steps) == (None, 9, 1) and other.config.frames == config.frames
    assert one.card.config.name == "static x3d_xs at 64, stride 32 mean"
    assert other.card.config.name == "static TSM mobilenetv2_050 at 64, stride 16 max_mean"


def test_peers_are_pytorchvideos_networks_on_what_they_are_published_on(clip: Path) -> None:
    """X3D-S on 13 frames of 182 pixels: 1.96 in SlowFast's model zoo."""
    peer = Peer("x3d_s", models.CLASSES)
    ran = peer.run([clip])
    assert ran.gmacs == peer.gmacs == pytest.approx(1.963, rel=1e-3)
    assert ran.frames == 13 and ran.seconds["network"] > 0
    with pytest.raises(ConfigError, match="unknown peer 'x3d_l'; did you mean 'x3d_"):
        Peer("x3d_l", models.CLASSES)


def test_a_peer_nobody_knows_is_a_usage_error(clip: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", str(clip), "--peer", "slow_r5"]) == 2
    assert "'slow_r5' is not one of 'x3d_xs', 'x3d_s', 'x3d_m', 'slow_r50'" in capfd.readouterr().err


def test_contenders_in_less_precision_are_told_apart(checkpoint: Path) -> None:
    class Other(TorchEngine):
        @property
        def about(self) -> About:
            return replace(super().about, precision="int8")

    model = load(checkpoint)
    both: list[tuple[Engine, str]] = [(TorchEngine(model), "gfnet"), (Other(model), "gfnet")]
    names = [c.name for c in contenders_of(both, None, [1], [1], [])]
    assert [n.rpartition(", ")[0].removeprefix(model.card.config.name) for n in names[:4]] == ["", "", " int8", " int8"]


def test_a_confidence_is_each_models_own(checkpoint: Path, clip: Path) -> None:
    """Of models with other numbers of steps."""
    longer = untrained(as_config(models.config(frames=models.FRAMES + 2)))
    both: list[tuple[Engine, str]] = [(TorchEngine(load(checkpoint)), "gfnet"), (TorchEngine(longer), "gfnet")]
    first, second = (c for c in contenders_of(both, 1.0, [1], [1], []) if c.name.endswith("exits"))
    assert first.run([clip]).frames <= models.FRAMES and second.run([clip]).frames == models.FRAMES + 2


def test_bf16_without_openvino_is_a_usage_error(clip: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", str(clip), "--engine", "torch", "--bf16"]) == 2
    assert "bf16 is computed by openvino, but the engines are torch" in capfd.readouterr().err


def test_an_engine_nobody_knows_is_a_usage_error(clip: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", str(clip), "--engine", "onnxruntme"]) == 2
    assert "did you mean 'onnxruntime'?" in capfd.readouterr().err


def test_a_clip_that_is_none_is_named(checkpoint: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", str(tmp_path / "none.mp4"), "--model", str(checkpoint), "--engine", "torch"]) == 1
    assert "none.mp4: no such file" in capfd.readouterr().err


def test_the_fastest_is_named_where_several_models_were_timed() -> None:
    def row(name: str, engine: str, ms: float) -> dict[str, object]:
        total = {"total": {"p50": ms}}
        return {"name": f"{name}, exits", "kind": "gfnet", "batch": 1, "engine": engine, "chunk": 2, "ms": total}

    one, other = row("one", "torch", 3.0), row("other", "openvino", 2.0)
    assert fastest([one, other]).startswith("Fastest, one clip at a time: other, exits on openvino with chunk 2;")
    assert fastest([one]).startswith("Fastest, one clip at a time: torch with chunk 2;")
