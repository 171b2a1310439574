"""The errors a user can meet: each says what came, what was expected and what to do next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class GFNetVideoError(Exception):
    """Base of every error this package raises on purpose; `exit_code` is what the command line returns."""

    exit_code = 1


class ConfigError(GFNetVideoError):
    """A configuration, option or argument that cannot be used."""

    exit_code = 2


class DependencyError(GFNetVideoError):
    """An optional package that is not installed, or published weights that cannot be fetched."""

    exit_code = 3

    @classmethod
    def of(cls, package: str, extra: str) -> DependencyError:
        return cls(f"{package} is not installed; run: pip install 'gfnet-video[{extra}]'")


class ProcessError(GFNetVideoError):
    """Processes of one training that cannot find, or have lost, each other."""

    exit_code = 3


class DataError(GFNetVideoError):
    """A data set that is absent, incomplete or badly annotated."""

    exit_code = 4


class VideoError(GFNetVideoError):
    """A video that cannot be read as asked; `path` names the file, `reason` says why."""

    exit_code = 1

    def __init__(self, path: object, reason: str) -> None:
        self.path = str(path)
        self.reason = reason
        super().__init__(f"{printable(self.path)}: {reason}")

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (self.path, self.reason)


class CheckpointError(GFNetVideoError):
    """A checkpoint folder that does not hold the model it should."""

    exit_code = 4


def printable(text: object) -> str:
    """`text` with control characters and undecodable bytes escaped, so that no file name can break a line.

    >>> printable("a\\nb")
    'a\\\\nb'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in str(text))


def unknown(kind: str, name: object, known: Iterable[object]) -> str:
    """The sentence for a name nobody knows, with the nearest known one.

    >>> unknown("dataset", "sthv3", ["sthv1", "sthv2"])
    "unknown dataset 'sthv3'; did you mean 'sthv2'? known: sthv1, sthv2"
    """
    names = sorted(str(k) for k in known)
    close = difflib.get_close_matches(str(name), list(reversed(names)), n=1, cutoff=0.5)
    hint = f"; did you mean {close[0]!r}?" if close else ";"
    return f"unknown {kind} {str(name)!r}{hint} known: {', '.join(names)}"
