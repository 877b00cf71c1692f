"""``gradcheck --help``: every command with what it is for, and nothing loaded that only a command needs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import click
import pytest

from gradcheck.cli.main import COMMANDS, cli

#: What commands load when they are called.
HEAVY = ("gradcheck.kinds", "reference_layers", "hypothesis", "rich", "matplotlib")


def loaded(*words: str) -> set[str]:
    """Return which of the heavy modules a command loads in a fresh interpreter."""
    code = (
        "import contextlib, io, sys\n"
        "from gradcheck.cli import run\n"
        f"with contextlib.redirect_stdout(io.StringIO()): run({list(words)!r})\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {heavy for heavy in HEAVY for name in done.stdout.split() if f"{name}.".startswith(f"{heavy}.")}


def test_help_tells_of_every_command(command: Callable[..., tuple[int, str, str]]) -> None:
    status, out, err = command("--help")

    assert (status, err) == (0, "")
    for name, summary in COMMANDS.items():
        assert f"  {name} " in out
        assert summary in " ".join(out.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_a_summary_is_the_first_sentence_of_the_commands_own_help(name: str) -> None:
    found = cli.get_command(click.Context(cli), name)

    assert found is not None
    assert found.name == name
    assert found.get_short_help_str(limit=1000) == COMMANDS[name]


def test_help_loads_nothing_that_commands_need() -> None:
    assert loaded("--help") == set()


def test_what_a_command_loads_would_be_seen() -> None:
    assert loaded("kinds") >= {"gradcheck.kinds", "reference_layers", "rich"}
