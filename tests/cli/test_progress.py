"""The bar of what takes long: on a terminal alone, and what is printed meanwhile stays on stdout."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from gfnet_video.cli.progress import tracked


@pytest.mark.parametrize("terminal", [True, False])
def test_there_is_a_bar_on_a_terminal_alone(terminal: bool, capsys: pytest.CaptureFixture[str]) -> None:
    said = StringIO()
    for item in tracked("abc", "reading", 3, Console(file=said, force_terminal=terminal, width=80)):
        print(item)
    assert capsys.readouterr().out == "a\nb\nc\n"
    assert ("reading" in said.getvalue() and "3/3" in said.getvalue()) == terminal
    hidden = StringIO()
    assert [*tracked("abc", "reading", 3, Console(file=hidden, force_terminal=terminal), hidden=True)] == [*"abc"]
    assert hidden.getvalue() == ""
