"""Carving: no group on two sides, no class left out, nothing that depends on the order of the clips."""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gfnet_video.datasets.splits import split_groups
from gfnet_video.errors import ConfigError

SHARES = {"train": 0.7, "dev": 0.15, "calibration": 0.1, "test": 0.05}
clip = st.tuples(st.integers(0, 5), st.integers(0, 12))
pile = st.lists(clip, min_size=1, max_size=120)


def carve(clips: list[tuple[int, str]], shares: dict[str, float] = SHARES, seed: int = 0) -> list[str]:
    return split_groups([label for label, _ in clips], [group for _, group in clips], shares, seed)


def enough(clips: list[tuple[int, str]]) -> bool:
    return len({group for _, group in clips}) >= len(SHARES)


@settings(max_examples=80, deadline=None)
@given(pile, st.integers(0, 3), st.randoms(use_true_random=False))
def test_groups_are_whole_and_order_has_no_say(clips: list[tuple[int, int]], seed: int, dice: object) -> None:
    mixed = [(label, f"g{group}") for label, group in clips]  # groups may hold several classes
    if not enough(mixed):
        with pytest.raises(ConfigError, match="cannot be parted"):
            carve(mixed)
        return
    splits = carve(mixed, seed=seed)
    sides = defaultdict(set)
    for (_, group), split in zip(mixed, splits, strict=True):
        sides[group].add(split)
    assert all(len(side) == 1 for side in sides.values()) and set(splits) <= set(SHARES)
    assert {label for (label, _), s in zip(mixed, splits, strict=True) if s == "train"} == {label for label, _ in mixed}
    shuffled = list(mixed)
    dice.shuffle(shuffled)  # type: ignore[attr-defined]
    of_group = {group: next(iter(side)) for group, side in sides.items()}
    assert carve(shuffled, seed=seed) == [of_group[group] for _, group in shuffled]


@settings(max_examples=80, deadline=None)
@given(pile, st.integers(0, 3))
def test_every_class_of_two_groups_is_in_train_and_dev(clips: list[tuple[int, int]], seed: int) -> None:
    pure = [(label, f"{label}/{group}") for label, group in clips]
    if not enough(pure):
        return
    splits = carve(pure, seed=seed)
    groups, seen = defaultdict(set), defaultdict(set)
    for (label, group), split in zip(pure, splits, strict=True):
        groups[label].add(group)
        seen[label].add(split)
    for label, found in groups.items():
        assert "train" in seen[label]
        assert len(found) < 2 or "dev" in seen[label]
        assert len(found) < 6 or {"train", "dev", "calibration"} <= seen[label]  # a tenth of six is more than half


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(20, 60), min_size=1, max_size=8), st.integers(0, 3))
def test_shares_are_met_in_every_class_and_over_all(counts: list[int], seed: int) -> None:
    clips = [(label, f"{label}/{n}") for label, count in enumerate(counts) for n in range(count)]
    splits = carve(clips, seed=seed)
    for label, count in enumerate(counts):
        found = Counter(split for (k, _), split in zip(clips, splits, strict=True) if k == label)
        assert all(abs(found[split] - share * count) <= 2.5 for split, share in SHARES.items())
    total = Counter(splits)
    assert all(abs(total[split] - share * len(clips)) <= 1 for split, share in SHARES.items())


def test_small_shares_of_small_classes_are_met_over_all() -> None:
    """Five clips a class: a tenth is half a clip, which rounding within each class would give to nobody."""
    clips = [(label, f"{label}/{n}") for label in range(50) for n in range(5)]
    found = Counter(carve(clips, {"train": 0.8, "dev": 0.1, "calibration": 0.1}))
    assert found["dev"] == 50 and found["calibration"] >= 10 and found["train"] >= 175


def test_the_seed_draws_another_split() -> None:
    clips = [(0, str(n)) for n in range(40)]
    assert carve(clips, seed=0) == carve(clips, seed=0) != carve(clips, seed=1)


@pytest.mark.parametrize(
    ("groups", "shares", "words"),
    [
        (["a", "b", "c"], {"train": 0.5, "dev": 0.4}, "together 0.9; expected 1"),
        (["a", "b", "c"], {}, "expected at least one"),
        (["a", "b", "c"], {"train": 1.2, "dev": -0.2}, "each above 0"),
        (["a", "a", "a"], {"train": 0.5, "dev": 0.5}, "1 groups of clips cannot be parted into 2 splits"),
        (["a", "b"], {"train": 1.0}, "3 labels for 2 groups"),
    ],
)
def test_what_cannot_be_parted_is_refused(groups: list[str], shares: dict[str, float], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        split_groups([0, 0, 1], groups, shares, 0)
