"""The command line: a file for each command, for the options they share, and for where results go."""

from gradcheck.cli.main import run

__all__ = ["run"]
