"""One draw a clip: what happens to one frame happens to all; a mirror image has its mirror's name."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gfnet_video.config import TrainConfig
from gfnet_video.errors import ConfigError
from gfnet_video.video.augment import PLACES, SHAPES, Draw, Recipe, augmented, draw, mirrored, recipe_of, window
from gfnet_video.video.transforms import resize_crop

SIDE = 32
PAIRS = (("left", "right"), ("up the left side", "up the right side"))


def coordinates(frames: int = 3, height: int = 96, width: int = 128) -> np.ndarray:
    """(T,H,W,3): red is the column, green the row, blue the frame's number."""
    clip = np.zeros((frames, height, width, 3), np.uint8)
    clip[..., 0], clip[..., 1] = np.arange(width), np.arange(height)[:, None]
    clip[..., 2] = (np.arange(frames) * 50)[:, None, None]
    return clip


def draws(recipe: Recipe, count: int, label: int = 0) -> list[Draw]:
    return [draw(recipe, label, np.random.default_rng([7, i])) for i in range(count)]


def test_all_frames_of_a_clip_share_the_window() -> None:
    seen = set()
    for how in draws(Recipe("multi_scale", mirror=(0,)), 60):
        pixels = augmented(coordinates(), how, frame_side=SIDE)
        assert pixels.shape == (3, 3, SIDE, SIDE) and pixels.dtype == torch.uint8
        assert torch.equal(pixels[:, :2], pixels[:1, :2].expand(3, -1, -1, -1))  # the same places in every frame
        assert pixels[:, 2].flatten(1).float().mean(1).tolist() == [0, 50, 100]  # of another frame each
        seen.add(tuple(pixels[0, :2, 0, 0].tolist()))
    assert len(seen) > 20


def test_the_window_is_where_the_draw_says() -> None:
    for how in draws(Recipe("multi_scale"), 40):
        assert how.crop is not None
        top, left, h, w = window(96, 128, how.crop)
        red, green = augmented(coordinates(1), how, frame_side=SIDE)[0, :2].float()
        middle = slice(SIDE // 2 - 1, SIDE // 2 + 1)
        assert red[:, middle].mean() == pytest.approx(left + (w - 1) / 2, abs=1.0)
        assert green[middle].mean() == pytest.approx(top + (h - 1) / 2, abs=1.0)
        assert (red[0, -2] - red[0, 1]).item() == pytest.approx((SIDE - 3) * w / SIDE, abs=1.5)  # all of it, stretched
        assert (green[-2, 0] - green[1, 0]).item() == pytest.approx((SIDE - 3) * h / SIDE, abs=1.5)


def test_windows_are_tsms_and_lie_within_every_frame() -> None:
    assert len(SHAPES) == 10 and len(set(PLACES)) == 13
    assert {how.crop for how in draws(Recipe("multi_scale"), 3000)} == {(s, p) for s in SHAPES for p in PLACES}
    for height, width in ((96, 128), (240, 427), (7, 5), (1, 1), (3, 400)):
        for crop in ((s, p) for s in SHAPES for p in PLACES):
            top, left, h, w = window(height, width, crop)
            assert 0 <= top <= top + h <= height and 0 <= left <= left + w <= width and h >= 1 <= w
    assert window(240, 320, ((1.0, 1.0), (2, 2))) == (0, 40, 240, 240)
    assert window(240, 320, ((0.5, 0.5), (4, 4))) == (120, 200, 120, 120)


def test_without_crops_it_is_the_centre_square() -> None:
    how = Draw(None, False, None, 0)
    assert torch.equal(augmented(coordinates(), how, frame_side=SIDE), resize_crop(coordinates(), frame_side=SIDE))
    flipped = augmented(coordinates(), Draw(None, True, None, 0), frame_side=SIDE)
    assert torch.equal(flipped, resize_crop(coordinates(), frame_side=SIDE).flip(-1))


def test_mirror_images_are_found_by_name() -> None:
    assert mirrored(["left", "stop", "right"], PAIRS) == (2, 1, 0)
    assert mirrored(["right", "left", "stop"], PAIRS) == (1, 0, 2)
    assert mirrored(["left", "stop"], PAIRS) == (-1, 1)  # its mirror image has no name here
    assert mirrored(["a", "b"], ()) == (0, 1)  # a set without such classes
    with pytest.raises(ConfigError, match=r"none of the classes that mirror each other \(left, right, up the left"):
        mirrored(["Left", "Right"], PAIRS)


def test_half_of_the_clips_are_flipped_and_none_that_would_get_a_wrong_name() -> None:
    recipe = Recipe(mirror=mirrored(["left", "stop"], PAIRS))
    assert not any(how.flip for how in draws(recipe, 200, label=0))
    assert 70 < sum(how.flip for how in draws(recipe, 200, label=1)) < 130
    assert not any(how.flip for how in draws(Recipe(), 200))


def test_one_part_switched_on_leaves_the_others_dice() -> None:
    both = draws(Recipe("multi_scale", (0,), (2, 9)), 30)
    assert [how.crop for how in both] == [how.crop for how in draws(Recipe("multi_scale"), 30)]
    assert [how.flip for how in both] == [how.flip for how in draws(Recipe(mirror=(0,)), 30)]
    assert [how.seed for how in both] == [how.seed for how in draws(Recipe(), 30)]


def test_randaugment_changes_all_frames_alike_and_leaves_torchs_dice() -> None:
    still = np.repeat(np.random.default_rng(0).integers(0, 256, (1, SIDE, SIDE, 3), np.uint8), 3, 0)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    results = [augmented(still, how, frame_side=SIDE) for how in draws(Recipe(randaugment=(2, 9)), 40)]
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(pixels, pixels[:1].expand_as(pixels)) and pixels.dtype == torch.uint8 for pixels in results)
    assert len({pixels[0].numpy().tobytes() for pixels in results}) > 20
    again = [augmented(still, how, frame_side=SIDE) for how in draws(Recipe(randaugment=(2, 9)), 40)]
    assert all(torch.equal(a, b) for a, b in zip(results, again, strict=True))


def test_randaugment_never_flips() -> None:
    """Noise on the left half alone: no turn, shear or colour brings it to the right."""
    clip = np.full((1, 64, 64, 3), 128, np.uint8)
    clip[:, 16:48, 8:28] = np.random.default_rng(0).choice([0, 255], (1, 32, 20, 3)).astype(np.uint8)
    for how in draws(Recipe(randaugment=(2, 9)), 60):
        wild = augmented(clip, how, frame_side=64).float()[0, :, 16:48]
        assert wild[..., :32].std() > wild[..., 36:].std()


def test_the_recipe_of_a_config() -> None:
    how = TrainConfig((), crops="multi_scale", cache=False, flip=True, randaugment="n2m9")
    assert recipe_of(how, ["left", "right"], PAIRS) == Recipe("multi_scale", (1, 0), (2, 9))
    assert recipe_of(TrainConfig(()), ["left", "right"], PAIRS) == Recipe()  # off unless asked for


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"crops": "multiscale"}, "unknown crops 'multiscale'; did you mean 'multi_scale'"),
        ({"crops": "multi_scale"}, "the cache keeps only centre squares; set train.cache to false"),
        ({"randaugment": "2,9"}, "randaugment is '2,9'; expected operations and magnitude"),
        ({"randaugment": "n0m9"}, "expected operations"),
        ({"randaugment": "n2m31"}, "expected operations"),
        ({"saturation": -0.1}, "saturation is -0.1"),
    ],
)
def test_what_a_config_cannot_ask_for(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        TrainConfig((), **wrong)  # type: ignore[arg-type]
