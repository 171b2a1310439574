"""The shipped configurations: each loads, and the big ones cost what the papers count."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gfnet_video import configs
from gfnet_video.config import LookConfig, ModelConfig, dump_config, load_config
from gfnet_video.datasets.catalog import CATALOG
from gfnet_video.engines.macs import LookMacs, count_macs, looked
from gfnet_video.model import GFNet

FILES = sorted(Path(configs.__path__[0]).glob("*.yaml"))
NAMED = ("sthv1", "sthv2", "jester", "activitynet")


def costs(name: str) -> tuple[ModelConfig, LookMacs]:
    config = load_config(Path(configs.__path__[0]) / f"{name}.yaml").model
    with torch.device("meta"):
        return config, count_macs(GFNet(config).eval())


@pytest.mark.parametrize("file", FILES, ids=lambda p: p.stem)
def test_each_is_complete_and_fits_its_data_set(file: Path, tmp_path: Path) -> None:
    config = load_config(file)
    row = CATALOG[config.dataset]
    assert row.classes in (0, config.model.classes)
    (tmp_path / "again.yaml").write_text(dump_config(config))
    assert load_config(tmp_path / "again.yaml") == config


def test_every_data_set_has_a_tsm_and_a_gfnet_on_both_backbones() -> None:
    names = {f.stem for f in FILES}
    assert {f"{d}_{b}_{k}" for d in NAMED for b in ("mobilenetv2", "resnet50") for k in ("tsm", "gfnet")} <= names
    assert all(CATALOG[d].config in names for d in NAMED)


def test_no_two_share_a_run_folder() -> None:
    names = [load_config(f).name for f in FILES]
    assert len(set(names)) == len(names)


# GMACs a video: TSM on 8 frames of 224 (MobileNetV2 0.2999 and ResNet-50 4.087 a frame, classifier included), and
# AdaFocus' two sides of 18.5: a glance of 2.40 and 12 patches of 128 at 1.3353.
@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("sthv2_mobilenetv2_tsm", 2.39, 2.41),
        ("sthv1_resnet50_tsm", 32.6, 32.8),
        ("sthv2_resnet50_gfnet", 18.4, 18.8),
        ("jester_resnet50_gfnet", 18.4, 18.8),
        ("activitynet_resnet50_gfnet", 26.2, 27.2),
    ],
)
def test_cost_is_what_the_papers_count(name: str, low: float, high: float) -> None:
    config, macs = costs(name)
    assert low <= macs.of(looked(config, config.steps - 1)) <= high
    if name.endswith("gfnet"):
        assert macs.glance * config.frames == pytest.approx(0.2999 * config.frames, rel=0.01)
        assert macs.focus * config.looks == pytest.approx(1.3353 * config.looks, rel=0.01)


# GMACs a frame in Uni-AdaFocus' code. Its counts lie above ours by the same number at every side: that is of a head,
# and the convolutions cost exactly the same.
@pytest.mark.parametrize(
    ("backbone", "published"),
    [
        ("mobilenetv2_100", {224: 0.299956768}),
        ("resnet50", {96: 0.75143776, 128: 1.335314368, 160: 2.086012864, 192: 3.003533248}),
    ],
)
def test_a_frame_costs_what_was_published(backbone: str, published: dict[int, float]) -> None:
    apart = []
    for side, gmacs in published.items():
        with torch.device("meta"):
            model = GFNet(ModelConfig(174, 8, side, LookConfig(backbone, side), aggregator="sum")).eval()
        ours = count_macs(model).glance
        assert ours == pytest.approx(gmacs, rel=1e-3)
        apart.append(gmacs - ours)
    assert apart == pytest.approx([apart[0]] * len(apart), abs=1e-9)
