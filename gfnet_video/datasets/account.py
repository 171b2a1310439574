"""The account of a preparation: what was expected, what is there, and why the rest is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from gfnet_video.datasets.catalog import Dataset
from gfnet_video.datasets.manifest_file import Entry
from gfnet_video.datasets.official import Listed
from gfnet_video.datasets.unpack import Unpacked


@dataclass(frozen=True)
class Count:
    """One official list. expected: clips (ActivityNet: videos) as published, 0 where unknown; listed: in the list here.

    clips: what the list makes for us (ActivityNet: a segment each in training), and of these found, bad and missing.
    """

    expected: int
    listed: int
    clips: int
    found: int
    bad: int
    missing: int


@dataclass(frozen=True)
class Failed:
    """A clip that cannot be used, and why."""

    id: str
    list: str
    split: str
    status: str
    reason: str


@dataclass(frozen=True)
class Account:
    """lists: by official list; splits: clips of ours that can be used; archives: what each gave and where it is
    damaged; failed: every clip that is bad or missing; notes: what else a user should know."""

    dataset: str
    classes: int
    lists: dict[str, Count]
    splits: dict[str, int]
    failed: tuple[Failed, ...] = ()
    archives: tuple[Unpacked, ...] = ()
    notes: tuple[str, ...] = field(default_factory=tuple)

    @property
    def complete(self) -> bool:
        """Whether every clip of the lists is there and good."""
        return not self.failed


def account_of(
    row: Dataset, classes: int, clips: Sequence[Listed], entries: Sequence[Entry], archives: Iterable[Unpacked]
) -> Account:
    """The account of clips in the lists and of the entries that were written for them, in the same order."""
    pairs = list(zip(clips, entries, strict=True))
    lists = {name: _count(row, name, pairs) for name in dict.fromkeys(c.list for c in clips)}
    usable = Counter(e.split for e in entries if e.status == "ok")
    failed = tuple(Failed(e.id, c.list, e.split, e.status, e.reason) for c, e in pairs if e.status != "ok")
    held = tuple(archives)
    return Account(row.name, classes, lists, dict(usable), failed, held, tuple(_notes(row, classes, lists, held)))


def _count(row: Dataset, name: str, pairs: list[tuple[Listed, Entry]]) -> Count:
    mine = [(clip, entry) for clip, entry in pairs if clip.list == name]
    statuses = Counter(entry.status for _, entry in mine)
    listed = len({clip.group for clip, _ in mine})
    return Count(row.counts.get(name, 0), listed, len(mine), statuses["ok"], statuses["bad"], statuses["missing"])


def _notes(row: Dataset, classes: int, lists: dict[str, Count], archives: Iterable[Unpacked]) -> Iterator[str]:
    if classes != row.classes:
        yield f"the annotations have {classes} classes; {row.title} is published with {row.classes}"
    for name, count in lists.items():
        if count.expected and count.listed != count.expected:
            yield f"the list {name} holds {count.listed:,}; {row.title} is published with {count.expected:,}"
    for archive in archives:
        for damage in archive.damage:
            yield f"{archive.archive}: {damage}"
