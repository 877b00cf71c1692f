"""The command line, a file for what is large: the commands, what they share, who runs cases, times, steps."""

from gradcheck.cli.main import run

__all__ = ["run"]
