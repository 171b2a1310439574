"""From an official download to `manifest.jsonl`: unpack, examine, carve, account. Killed at any time, it carries on.

All that is unfinished lies in `.prepare` below the root, with journals of what is done; the manifest comes last.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from gfnet_video.datasets.account import Account, account_of
from gfnet_video.datasets.archives import Archive, find_archives
from gfnet_video.datasets.carve import SHARES, carve
from gfnet_video.datasets.catalog import Dataset, rendering
from gfnet_video.datasets.download import Download, bring, present, survey
from gfnet_video.datasets.extract import Style
from gfnet_video.datasets.findings import MISSING, Finding, examine_clips
from gfnet_video.datasets.frames import FOLDER as FRAMES
from gfnet_video.datasets.frames import extract_entries
from gfnet_video.datasets.journal import Journal, locked
from gfnet_video.datasets.layouts import find_lists, read_lists
from gfnet_video.datasets.manifest_file import Entry, Head, write_entries
from gfnet_video.datasets.members import Bounds
from gfnet_video.datasets.official import Listed, Official
from gfnet_video.datasets.unpack import Unpacked, Unpacker
from gfnet_video.errors import ConfigError, DataError
from gfnet_video.files import whole, write_text
from gfnet_video.video.sandbox import Limits

WORK, ACCOUNT = ".prepare", "account.json"
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Options:
    """shares, seed: as `carve` takes them. limits: of one clip; bounds: of one archive; workers: processes.

    style: how videos become folders of frames, None to leave them videos.
    """

    shares: Mapping[str, float] = field(default_factory=lambda: dict(SHARES))
    seed: int = 0
    workers: int = 2
    limits: Limits = field(default_factory=Limits)
    bounds: Bounds = field(default_factory=Bounds)
    style: Style | None = None


def prepare(
    row: Dataset,
    source: Path,
    root: Path,
    options: Options = Options(),
    progress: Progress = lambda stage, done, total: None,
) -> Account:
    """Prepare the data set `row` that was downloaded to `source` into `root`; both may be the same folder.

    Writes the official layout, root/manifest.jsonl and root/account.json; the same data gives the same bytes, however
    often this was interrupted. Clips that are bad or missing are accounted for. progress: called with (stage, done,
    total), in bytes while unpacking and else in clips. Raises DataError for absent or wrong annotations and hostile
    archives, ConfigError for options that do not fit.
    """
    _check(row, options)
    source, root = source.absolute(), root.absolute()
    with locked(root / WORK / "lock"):
        work = root / WORK / "work"
        shutil.rmtree(work, ignore_errors=True)
        held = survey(row, source, root if source != root else root / FRAMES)
        unpacked = _unpack(row, held, root, options.bounds, progress)
        official = read_lists(row, _bring_lists(row, held, root))
        _bring_clips(row, official, held, root, progress)
        entries = _entries(row, official, root, unpacked, options, progress)
        template = row.template
        if options.style is not None:
            template = options.style.template
            entries = extract_entries(
                entries, options.style, root, work, workers=options.workers, limits=options.limits, progress=progress
            )
        account = account_of(row, len(official.classes), official.clips, entries, unpacked)
        write_text(root / ACCOUNT, json.dumps(asdict(account), indent=1, ensure_ascii=False) + "\n")
        write_entries(root, Head(row.name, official.classes, template), entries)
        shutil.rmtree(work, ignore_errors=True)
        return account


def _check(row: Dataset, options: Options) -> None:
    if row.rendered or not row.layout:
        how = rendering(row, "DST") if row.rendered else "gfnet-video train YOUR_FOLDER"
        raise ConfigError(f"{row.name} is not prepared from a download; use: {how}")
    if options.style is not None and row.template:
        raise ConfigError(f"{row.title} comes as frames already ({row.template}); leave out --frames")


def _unpack(row: Dataset, held: Download, root: Path, bounds: Bounds, progress: Progress) -> list[Unpacked]:
    """Unpack every archive that has not been; small ones first, because the annotations are in one of them."""
    archives = sorted(find_archives(held.archives, row.prefix), key=lambda archive: (archive.size, archive.name))
    journal = Journal(root / WORK / "unpacked.jsonl")
    done, total = 0, sum(archive.size for archive in archives)
    found = []

    def count(size: int) -> None:
        nonlocal done
        done += size
        progress("unpack", min(done, total), total)

    complete = _has_lists(row, held, root)
    unpacker = Unpacker(row, root, root / WORK / "work", bounds, count)
    for archive in archives:
        known = _known(journal, archive, len(present(row, root))) if complete else None
        if known is None:
            known = unpacker.unpack(archive)
            journal.add(archive.name, {**asdict(known), "stamp": archive.stamp, "clips": len(present(row, root))})
        found.append(known)
    journal.close()
    return found


def _known(journal: Journal, archive: Archive, clips: int) -> Unpacked | None:
    """What an earlier run found of the archive; None where it has changed, or clips have gone from the root since."""
    record = journal.get(archive.name)
    if not isinstance(record, dict) or record["stamp"] != archive.stamp or record["clips"] > clips:
        return None
    lists = {key: tuple(record[key]) for key in ("damage", "torn")}
    return Unpacked(archive.name, record["taken"], record["ignored"], **lists)


def _has_lists(row: Dataset, held: Download, root: Path) -> bool:
    try:
        find_lists(row, [*held.lists, root / "labels"])
    except DataError:
        return False
    return True


def _bring_lists(row: Dataset, held: Download, root: Path) -> dict[str, Path]:
    """Find the annotation files and keep a copy in root/labels; those of the source come before unpacked ones."""
    found = find_lists(row, [*held.lists, root / "labels"])
    for role, file in found.items():
        target = root / "labels" / file.name
        if file != target:
            with whole(target) as temporary:
                shutil.copyfile(file, temporary)
        found[role] = target
    return found


def _bring_clips(row: Dataset, official: Official, held: Download, root: Path, progress: Progress) -> None:
    """Bring in what lies in the source unpacked and is not in the root."""
    here = present(row, root)
    names = dict.fromkeys(clip.file for clip in official.clips)
    todo = [name for name in names if name in held.clips and name not in here]
    for done, name in enumerate(todo, 1):
        clip = held.clips[name]
        bring(clip, root / row.folder / clip.name, root / WORK / "work")
        progress("link", done, len(todo))


def _entries(
    row: Dataset, official: Official, root: Path, unpacked: list[Unpacked], options: Options, progress: Progress
) -> list[Entry]:
    """An entry for each clip of the lists, in their order."""
    here = present(row, root)
    names = dict.fromkeys(clip.file for clip in official.clips)
    journal = Journal(root / WORK / "examined.jsonl")
    findings = examine_clips(
        root,
        [here[name] for name in names if name in here],
        template=row.template,
        fps=row.fps,
        journal=journal,
        limits=options.limits,
        workers=options.workers,
        progress=lambda done, total: progress("examine", done, total),
    )
    journal.close()
    for folder in (folder for archive in unpacked for folder in archive.torn if folder in findings):
        findings[folder] = Finding("bad", "may lack frames: its archive is damaged there", findings[folder].frames)
    splits = carve(official.clips, options.shares, options.seed)
    suffix = "" if row.template else ".webm" if row.layout == "sthv2" else ".mp4"
    paths = {name: here.get(name, f"{row.folder}/{name}{suffix}") for name in names}
    return [
        _entry(clip, paths[clip.file], split, findings.get(paths[clip.file], MISSING))
        for clip, split in zip(official.clips, splits, strict=True)
    ]


def _entry(clip: Listed, path: str, split: str, finding: Finding) -> Entry:
    status, reason = finding.status, finding.reason
    if status == "ok" and clip.span is not None and (wrong := _wrong_span(clip.span, finding.duration)):
        status, reason = "bad", wrong
    found = (finding.frames, finding.fps, finding.duration)
    return Entry(clip.id, path, clip.label, split, *found, status, reason, clip.span, clip.further)


def _wrong_span(span: tuple[float, float], duration: float) -> str:
    start, end = span
    if end <= start or end <= 0:
        return f"its segment is empty: {start:g} to {end:g} s"
    if duration and start >= duration:
        return f"its segment begins at {start:g} s, but the video ends at {duration:g} s"
    return ""
