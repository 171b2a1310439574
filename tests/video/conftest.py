"""Numbered clips, encoded once a session."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clips import VARIANTS, encode

SHORT, LONG = 80, 400


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int], Path]:
    """Every variant, short and long, by (variant, frames)."""
    folder = tmp_path_factory.mktemp("numbered")
    return {
        (name, frames): encode(folder / f"{name}_{frames}.{VARIANTS[name][0]}", frames, name, keyframe_every=gop)
        for name in VARIANTS
        for frames, gop in ((SHORT, 12), (LONG, 20))
    }
