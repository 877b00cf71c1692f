"""How a command ends: its exit status, and errors that become one sentence."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import click

PASSED, NOT_PASSED = 0, 1  # misuse is 2, which click.UsageError knows


class InterruptedCommandError(click.ClickException):
    """The user interrupted the command."""

    exit_code = 130


@contextlib.contextmanager
def misuse(*errors: type[Exception]) -> Iterator[None]:
    """Make errors that tell of misuse the one sentence of the command line."""
    try:
        yield
    except errors as error:
        raise click.UsageError(str(error)) from error
