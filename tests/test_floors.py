"""A floor imports only floors below, and siblings are strangers: the contract stands in setup.cfg."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("importlinter")

ROOT = Path(__file__).parents[1]
SETUP = ROOT / "setup.cfg"


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """The contracts of setup.cfg, checked on the `gfnet_video` that lies in `folder`."""
    code = "from importlinter.cli import lint_imports_command as lint; lint()"
    command = [sys.executable, "-c", code, "--config", str(SETUP), "--no-cache", "--no-logo"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_imports_only_go_down() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("nn/upward.py", "import gfnet_video.cli.main"),
        ("video/sideways.py", "import gfnet_video.nn"),
        ("stray.py", "import os"),  # a module on no floor
    ],
)
def test_the_contract_catches(tmp_path: Path, file: str, line: str) -> None:
    """On a toy package of the same floors, so that the test above cannot pass by reading nothing."""
    package = tmp_path / "gfnet_video"
    for floor in ("cli", "training", "evaluation", "inference", "engines", "published", "datasets", "nn", "video"):
        (package / floor).mkdir(parents=True)
        (package / floor / "__init__.py").touch()
    single = (
        "__init__",
        "checkpoint",
        "in1k",
        "model",
        "parts",
        "walk",
        "records",
        "config",
        "hub",
        "weights",
        "strict",
    )
    for module in (*single, "errors", "cli/main"):
        (package / f"{module}.py").touch()
    assert lint(tmp_path).returncode == 0
    (package / file).write_text(line + "\n")
    done = lint(tmp_path)
    assert done.returncode == 1
    assert file.removesuffix(".py").replace("/", ".") in done.stdout + done.stderr
