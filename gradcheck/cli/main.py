"""The command line: which commands there are, and how each of them ends."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import click

from gradcheck.cli.exit_status import PASSED, InterruptedCommandError
from gradcheck.cli.options import naming_options
from gradcheck.messages import did_you_mean
from gradcheck.reports.text import printable
from gradcheck.version import __version__

#: Each command and what it is for. A command's file is loaded when the command is called, not to list it.
COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "verify": "Verify what the targets hold.",
        "replay": "Run one case again and show everything: calls by check, and the gradients around each worst entry.",
        "self-test": "Plant known mistakes into the reference layers, and see that all are killed.",
        "kinds": "List the kinds of layers that can be verified, and the conditions of each.",
        "time": "Time numeric against analytic gradients.",
        "study": "Show how wrong the ε-difference is, for ε from 1 to 1e-16.",
    }
)


def run(argv: list[str]) -> int:
    """Run one command and return its exit status: 0 passed, 1 something did not, 2 misuse, 130 interrupted.

    Misuse gets one sentence on standard error.
    """
    for stream in (sys.stdout, sys.stderr):
        _escape_what_cannot_be_encoded(stream)
    # Hypothesis keeps notes in the folder it is run in; a command that only reads should leave nothing behind.
    os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(Path(tempfile.gettempdir()) / "gradcheck-hypothesis"))
    try:
        status = cli.main(argv, prog_name="gradcheck", standalone_mode=False, obj=tuple(argv))
    except click.ClickException as error:
        print(f"gradcheck: {printable(error.format_message())}", file=sys.stderr)
        return error.exit_code
    return status if isinstance(status, int) else PASSED


def _escape_what_cannot_be_encoded(stream: Any) -> None:
    """Let a stream show a name that its encoding lacks escaped, instead of raising."""
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")


class _Commands(click.Group):
    """Commands that are loaded when they are called, and where one is misspelt, say which was meant."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # as click calls it
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        name = f"{cmd_name.replace('-', '_')}_command"
        command = getattr(importlib.import_module(f"gradcheck.cli.{name}"), name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name]) for name in self.list_commands(ctx)])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS:
            known = ", ".join(COMMANDS)
            raise click.UsageError(f"expected a command among {known}, got {args[0]!r}{_nearest(args[0])}", ctx=ctx)
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args:
            known = ", ".join(COMMANDS)
            raise click.UsageError(f"expected a command among {known}, got none; try 'gradcheck verify' or '--help'")
        return naming_options(self, ctx, lambda: super(_Commands, self).parse_args(ctx, args))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise InterruptedCommandError("interrupted") from None


def _nearest(given: str) -> str:
    from gradcheck.targets import REFERENCE

    # A target without a command is what people type first.
    if given.endswith(".py") or ".py:" in given or given.split(".")[0] == REFERENCE:
        return f"; did you mean 'gradcheck verify {given}'?"
    return did_you_mean(given, COMMANDS)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="gradcheck %(version)s")
def cli() -> None:
    """Verify hand-written backward passes: a verdict with an error bar, and the evidence for it."""
