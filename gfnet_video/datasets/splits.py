"""Carving splits out of one pile of clips: whole groups, every class in its share."""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence

from gfnet_video.errors import ConfigError

Members = Mapping[str, Counter[str]]  # group -> how many of its clips are of which class


def split_groups(
    labels: Sequence[Hashable], groups: Sequence[str], shares: Mapping[str, float], seed: int
) -> list[str]:
    """The split of each clip: clips of one group stay together, and each class is parted as `shares` say.

    labels, groups: one a clip; a group may hold several classes. shares: split name -> part of the clips, summing to 1,
    the most important first: every class has a group in the first split, and every class of two groups or more has
    one in the second too (as far as groups of several classes leave it free), and in each other split that is due more
    than half a group of it. What rounding takes from a split in one
    class it is given in the next, so that small shares are met over all classes. The result depends on what groups
    there are and on the seed, not on the order of the clips. Raises ConfigError for what cannot be parted.

    >>> split_groups([0] * 6, ["a", "a", "b", "c", "d", "d"], {"train": 0.7, "dev": 0.3}, seed=0)
    ['train', 'train', 'dev', 'train', 'train', 'train']
    """
    _check(labels, groups, shares)
    members: dict[str, Counter[str]] = defaultdict(Counter)
    for label, group in zip(labels, groups, strict=True):
        members[group][str(label)] += 1
    if len(members) < len(shares):
        raise ConfigError(f"{len(members)} groups of clips cannot be parted into {len(shares)} splits: {list(shares)}")
    order = sorted(members, key=lambda group: (-members[group].total(), _dice(seed, group)))
    placed = _cover(members, order, shares)
    _fill(members, order, shares, placed)
    return [placed[group] for group in groups]


def _check(labels: Sequence[Hashable], groups: Sequence[str], shares: Mapping[str, float]) -> None:
    if len(labels) != len(groups):
        raise ConfigError(f"{len(labels)} labels for {len(groups)} groups; expected one of each a clip")
    if not shares or not all(0 < share <= 1 for share in shares.values()):
        raise ConfigError(f"shares are {dict(shares)}; expected at least one, each above 0")
    if not math.isclose(sum(shares.values()), 1, abs_tol=1e-6):
        raise ConfigError(f"shares are {dict(shares)}, together {sum(shares.values()):g}; expected 1")


def _dice(seed: int, group: str) -> bytes:
    """A place in a random order that no other group has a say in."""
    return hashlib.sha256(f"{seed} {group}".encode("utf-8", "surrogateescape")).digest()


def _cover(members: Members, order: list[str], shares: Mapping[str, float]) -> dict[str, str]:
    """One group of every class in each split that must have one, rarest classes first."""
    of_class: dict[str, list[str]] = defaultdict(list)
    for group in reversed(order):  # smallest first: what is forced should weigh least
        for label in members[group]:
            of_class[label].append(group)
    placed: dict[str, str] = {}
    for turn, (split, share) in enumerate(shares.items()):
        for label in sorted(of_class, key=lambda name: (len(of_class[name]), name)):
            due = turn < 2 or share * len(of_class[label]) > 0.5
            if due and not any(placed.get(group) == split for group in of_class[label]):
                free = next((group for group in of_class[label] if group not in placed), None)
                if free is not None:
                    placed[free] = split
    return placed


def _fill(members: Members, order: list[str], shares: Mapping[str, float], placed: dict[str, str]) -> None:
    """Give every other group to the split that lacks most, class by class; a group counts where it has most clips."""
    of_class: dict[str, list[str]] = defaultdict(list)
    for group in order:
        of_class[min(members[group], key=lambda label: (-members[group][label], label))].append(group)
    lacking = dict.fromkeys(shares, 0.0)
    for label in sorted(of_class, key=lambda name: (len(of_class[name]), name)):
        clips = sum(members[group].total() for group in of_class[label])
        for split, share in shares.items():
            lacking[split] += share * clips
        for group in sorted(of_class[label], key=lambda name: name not in placed):  # the placed ones count first
            split = placed.setdefault(group, max(lacking, key=lambda name: round(lacking[name], 6)))
            lacking[split] -= members[group].total()
