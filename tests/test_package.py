"""The package as a stranger meets it: light to import, quick to help, clear when it fails."""

from __future__ import annotations

import configparser
import importlib.util
import io
import subprocess
import sys
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import click
import pytest

import gfnet_video
from gfnet_video.cli import main as cli
from gfnet_video.errors import CheckpointError, ConfigError, DataError, DependencyError, VideoError

ROOT = Path(__file__).parents[1]
HEAVY = {"torch", "torchvision", "numpy", "decord", "av", "timm", "yaml", "rich", "PIL", "pytorchvideo", "sklearn"}


def loaded_by(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter has loaded after `code`."""
    report = "import sys; print('LOADED', *{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True)
    return set(done.stdout.rpartition("LOADED")[2].split())


def test_import_loads_nothing_heavy() -> None:
    loaded = loaded_by("import gfnet_video")
    assert "gfnet_video" in loaded and "click" not in loaded
    assert not loaded & HEAVY


def test_errors_are_public_without_torch() -> None:
    assert not loaded_by("import gfnet_video; gfnet_video.VideoError('a.mp4', 'empty file')") & HEAVY


@pytest.mark.parametrize("args", [["--help"], ["--version"], [], ["nosuch"]])
def test_group_loads_no_verb(args: list[str]) -> None:
    """What keeps `gfnet-video --help` under 0.3 s: it imports neither the verbs nor anything heavy."""
    assert not loaded_by(f"from gfnet_video.cli.main import run; run({args!r})") & HEAVY


def test_public_names_are_listed_and_strangers_refused() -> None:
    assert {"load", "predict", "frames", "GFNet", "Prediction", "VideoReader"} <= set(gfnet_video.__all__)
    assert set(gfnet_video.__all__) <= set(dir(gfnet_video))
    with pytest.raises(AttributeError, match="nosuch"):
        gfnet_video.__getattr__("nosuch")


@pytest.mark.parametrize("name", gfnet_video.__all__)
def test_public_name_resolves(name: str) -> None:
    assert getattr(gfnet_video, name) is not None


@pytest.mark.parametrize("name", cli.VERBS)
def test_verb_resolves_and_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([name, "--help"]) == 0
    assert f"gfnet-video {name}" in capsys.readouterr().out


def test_help_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"  {name} " in out and verb.help in out for name, verb in cli.VERBS.items())


def test_unknown_verb_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["trian"]) == 2
    assert "did you mean 'train'?" in capsys.readouterr().err


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], int]:
    """Run `body` as if it were a verb of the command line; gives the exit code."""

    def run(body: Callable[[], object]) -> int:
        command = click.command("probe")(body)
        monkeypatch.setattr(cli.VerbGroup, "get_command", lambda *_: command)
        return cli.run(["train"])

    return run


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (VideoError("a.mp4", "empty file"), 1),
        (ConfigError("bad key"), 2),
        (DependencyError.of("sklearn", "mini"), 3),
        (DataError("no data"), 4),
        (CheckpointError("missing tensors:\n  a.weight\n  b.weight"), 4),
        (KeyboardInterrupt(), 130),
        (click.Abort(), 130),
        (click.BadParameter("not a number"), 2),
    ],
)
def test_exit_codes(
    error: BaseException, code: int, verb: Callable[[Callable[[], object]], int], capsys: pytest.CaptureFixture[str]
) -> None:
    def body() -> None:
        raise error

    assert verb(body) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    if isinstance(error, gfnet_video.GFNetVideoError):
        assert captured.err.startswith("error: ") and captured.err.count("\n") == 1


def test_exit_code_of_a_verb_is_passed_on(verb: Callable[[Callable[[], object]], int]) -> None:
    assert verb(lambda: click.get_current_context().exit(1)) == 1
    assert verb(lambda: "a result that is no code") == 0


@pytest.mark.parametrize("lines", [1, 100_000])  # fewer and more than the pipe and its buffer hold
def test_closed_pipe_is_quiet(lines: int) -> None:
    code = (
        "import click, sys; from gfnet_video.cli import main as cli\n"
        f"body = click.command('probe')(lambda: [print('line') for _ in range({lines})] and None)\n"
        "cli.VerbGroup.get_command = lambda *_: body\n"
        "sys.stdin.readline()\n"  # until the reader is gone
        "cli.main(['train'])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin and process.stdout and process.stderr
        process.stdout.close()
        process.stdin.write(b"\n")
        process.stdin.close()
        errors = process.stderr.read()
        assert process.wait(timeout=30) == 1
    assert errors == b""


def test_closed_streams_take_what_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    with pytest.raises(SystemExit) as ended:
        cli.main(["trian"])
    assert ended.value.code == 2 and not sys.stdout.isatty()
    sys.stdout.close()
    sys.stderr.close()


def test_what_an_encoding_lacks_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, io.TextIOWrapper(io.BytesIO(), encoding="latin-1"))
    with pytest.raises(SystemExit):
        cli.main(["\u0436\u0443\u043a"])
    click.echo("\u0436")
    sys.stderr.flush()
    assert rb"unknown verb '\u0436\u0443\u043a'" in sys.stderr.buffer.getvalue()  # type: ignore[attr-defined]
    assert sys.stdout.buffer.getvalue() == b"\\u0436\n"  # type: ignore[attr-defined]


def test_python_dash_m_is_the_command() -> None:
    command = [sys.executable, "-m", "gfnet_video", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"gfnet-video {gfnet_video.__version__}\n"


def test_configs_ship_as_a_package() -> None:
    here = sorted(path.name for path in (ROOT / "configs").glob("*.yaml"))
    shipped = sorted(path.name for path in resources.files("gfnet_video.configs").iterdir())
    assert [name for name in shipped if name.endswith(".yaml")] == here


def test_setup_cfg_lists_every_package() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    listed = set(setup["options"]["packages"].split())
    found = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "gfnet_video").rglob("__init__.py")}
    assert listed == found | {"gfnet_video.configs"}
    assert all(importlib.util.find_spec(name) for name in listed)
