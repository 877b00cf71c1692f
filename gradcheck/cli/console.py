"""Where results go: the console with its tables, and files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gradcheck.records.run_record import Verdict

COLOURS: Mapping[Verdict, str] = {
    "passed": "green",
    "inconclusive": "yellow",
    "failed": "bold red",
    "error": "bold magenta",
}
_NARROW = 100  # columns under which the table stands closer, to leave the names more room


def new_console() -> Console:
    """Return where results are printed: words in brackets, and numbers, are nothing special."""
    return Console(markup=False, emoji=False, highlight=False)


def new_table(console: Console) -> Table:
    """Return an empty table in the look that all have."""
    gap = 0 if console.width < _NARROW else 1  # beside the column that the box keeps between cells
    return Table(box=box.SIMPLE_HEAD, padding=(0, gap, 0, 0), pad_edge=False, show_edge=False, header_style="bold")


def show_plain(console: Console, text: str) -> None:
    """Print text that is laid out already."""
    console.print(Text(text), soft_wrap=True)


def write(path: Path | None, text: Callable[[], str]) -> None:
    """Write a text to a file, where one was asked for."""
    if path is None:
        return
    try:
        # A lone surrogate (of a file name that is not UTF-8) is written as \udcxx, which JSON reads as it was.
        path.write_text(text().rstrip("\n") + "\n", encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise click.UsageError(f"expected to write {str(path)!r}, got {error.strerror}") from None
