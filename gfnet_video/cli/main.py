"""The command line: a table of verbs, each imported when it is called; errors become one line and an exit code.

Exit codes: 0 ok, 1 some inputs failed, 2 usage, 3 environment, 4 bad data, 130 interrupted.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import NamedTuple, TextIO

import click

from gfnet_video.errors import GFNetVideoError, printable, unknown


class Verb(NamedTuple):
    home: str  # "module:click command"
    help: str  # stands here too, so that `--help` imports no verb
    keeps: bool = False  # keeps freed memory: it runs large batches again and again


VERBS = {
    "infer": Verb("gfnet_video.cli.infer:command", "Recognise videos: files, folders, globs."),
    "stream": Verb("gfnet_video.cli.stream:command", "Recognise what cameras, addresses, pipes and files show, live."),
    "demo": Verb("gfnet_video.cli.demo:command", "Recognise the bundled clips and draw what was looked at."),
    "eval": Verb(
        "gfnet_video.cli.eval:command", "Measure accuracy, exits, GMACs and seconds on a data set.", keeps=True
    ),
    "calibrate": Verb(
        "gfnet_video.cli.calibrate:command", "Fit the temperatures and exit thresholds of a model.", keeps=True
    ),
    "bench": Verb("gfnet_video.cli.bench:command", "Time a model from file to answer, beside static networks."),
    "check": Verb("gfnet_video.cli.check:command", "Find broken, cut and strange videos, each with its reason."),
    "train": Verb("gfnet_video.cli.train:command", "Train a model on a data set.", keeps=True),
    "prepare": Verb("gfnet_video.cli.prepare:command", "Turn an official download SRC into the data set DST."),
    "export": Verb("gfnet_video.cli.export:command", "Write a checkpoint as graphs for onnxruntime or openvino."),
    "convert": Verb("gfnet_video.cli.convert:command", "Turn a published checkpoint FILE into a model folder DST."),
    "doctor": Verb("gfnet_video.cli.doctor:command", "Say what is installed, and whether it works."),
}

ENVIRONMENT = 3
INTERRUPTED = 130  # what a shell reports for a program that ended by Ctrl-C


class VerbGroup(click.Group):
    """A group whose commands are the rows of `VERBS`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module, name = VERBS[cmd_name].home.split(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in VERBS and not args[0].startswith("-"):
            ctx.fail(unknown("verb", printable(args[0]), VERBS))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl([(name, verb.help) for name, verb in VERBS.items()])


@click.group(cls=VerbGroup, context_settings={"help_option_names": ["-h", "--help"]}, subcommand_metavar="VERB ...")
@click.version_option(package_name="gfnet-video", message="%(prog)s %(version)s")
def group() -> None:
    """Video recognition that looks at every frame small, at one patch sharply, and stops when it is sure."""


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line on `args` (default: those of the process) and exit with its code."""
    args = sys.argv[1:] if args is None else args
    sys.stdout, sys.stderr = writable(sys.stdout), writable(sys.stderr)
    if args and args[0] in VERBS and VERBS[args[0]].keeps:
        from gfnet_video.cli.memory import keep_memory

        keep_memory()
    code = run(args)
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # the reader (`| head`) went away: quietly 1, as click does while a verb runs
        # What is still buffered goes nowhere, or Python complains about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code)


def writable(stream: TextIO | None) -> TextIO:
    """The stream, with escapes in the place of what its encoding lacks; one to nowhere where it was closed (`>&-`)."""
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8")  # as long as the process
    if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
        stream.reconfigure(errors="backslashreplace")
    return stream


def run(args: Sequence[str] | None = None) -> int:
    """The exit code of the command line on `args`; every error a user can meet is one line on stderr."""
    try:
        # With standalone_mode off, click hands over its errors, and the code of `ctx.exit(code)` as the result.
        result = group.main(args, prog_name="gfnet-video", standalone_mode=False)
    except GFNetVideoError as error:
        return _report(str(error), error.exit_code)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except OSError as error:  # a full disk, a folder that may not be written
        where = f"{error.filename}: " if error.filename is not None else ""
        return _report(f"{where}{error.strerror or error}", ENVIRONMENT)
    return result if isinstance(result, int) else 0


def _report(message: str, code: int) -> int:
    """One line on stderr, whatever the message holds."""
    line = "; ".join(part.strip() for part in message.splitlines() if part.strip())
    click.echo(f"error: {printable(line)}", err=True)
    return code
