"""What all commands share: how options are read, how results are shown, and how they are written."""

from __future__ import annotations

import contextlib
import itertools
import math
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import click
from rich import box
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from gradcheck.messages import did_you_mean
from gradcheck.records.run_record import SubjectReport
from gradcheck.reports.text import printable
from gradcheck.targets import Item, load

_NARROW = 100  # columns under which the table stands closer, to leave the names more room

T = TypeVar("T")


class Command(click.Command):
    """A command that, when one of its options is misspelt, says which was meant."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return naming_options(self, ctx, lambda: super(Command, self).parse_args(ctx, args))


def naming_options(command: click.Command, ctx: click.Context, parse: Callable[[], T]) -> T:
    """Parse, and where an option is unknown say which there are, and which was meant."""
    try:
        return parse()
    except click.NoSuchOption as error:
        known = [name for parameter in command.get_params(ctx) for name in parameter.opts if name.startswith("-")]
        raise click.UsageError(
            f"expected an option among {', '.join(known)}, got {error.option_name!r}"
            f"{did_you_mean(error.option_name, known)}",
            ctx=ctx,
        ) from None


def whole(ctx: click.Context, param: click.Parameter, value: str) -> int:
    """A whole number from 0."""
    if not re.fullmatch("[0-9]{1,18}", value):
        raise click.BadParameter(f"expected a whole number from 0, got {value!r}", ctx, param)
    return int(value)


def positive(ctx: click.Context, param: click.Parameter, value: str) -> float:
    """A positive number."""
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise click.BadParameter(f"expected a positive number, got {value!r}", ctx, param)
    return number


def count(ctx: click.Context, param: click.Parameter, value: str) -> int:
    """A whole number from 1."""
    number = whole(ctx, param, value)
    if number < 1:
        raise click.BadParameter(f"expected a whole number from 1, got {value!r}", ctx, param)
    return number


def one_of(*words: str) -> Callable[[click.Context, click.Parameter, str | None], str | None]:
    """Return what reads an option that is one of these words."""

    def check(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
        if value is not None and value not in words:
            expected = f"expected one of {', '.join(words)}, got {value!r}"
            raise click.BadParameter(f"{expected}{did_you_mean(value, words)}", ctx, param)
        return value

    return check


def output_file(ctx: click.Context, param: click.Parameter, value: str | None) -> Path | None:
    """A file that can be written, which is found out before a long run and not after it."""
    if value is None:
        return None
    path = Path(value)
    try:
        existed = path.exists()
        path.open("a", encoding="utf-8").close()
        if not existed:
            path.unlink()
    except (OSError, ValueError) as error:  # a name that holds a zero byte is a ValueError
        reason = error.strerror if isinstance(error, OSError) else error
        why = f"expected a file that can be written, got {value!r} ({reason})"
        raise click.BadParameter(why, ctx, param) from None
    return path


def html_file(ctx: click.Context, param: click.Parameter, value: str | None) -> Path | None:
    """The same for a page, which takes packages that not every installation has."""
    from gradcheck.reports.html.page import require_report_packages

    if value is not None:
        try:
            require_report_packages()
        except ModuleNotFoundError as error:
            raise click.BadParameter(str(error), ctx, param) from None
    return output_file(ctx, param, value)


seed_option = click.option(
    "--seed", callback=whole, default="0", metavar="S", help="All random numbers follow from it (default: 0)."
)
html_option = click.option(
    "--html", "html_file", callback=html_file, metavar="FILE", help="Write one HTML page, with pictures."
)


def require_different(files: Mapping[str, Path | None]) -> None:
    """Refuse to write two reports to one file."""
    for (one, path), (other, same) in itertools.combinations(files.items(), 2):
        if path is not None and path == same:
            raise click.UsageError(f"expected two files for {one} and {other}, got {str(path)!r} for both")


def load_all(targets: Iterable[str], find: Callable[[str], list[Item]] = load) -> list[Item]:
    """Return what several targets stand for."""
    with misuse(ValueError):
        return [item for target in dict.fromkeys(targets) for item in find(target)]


@contextlib.contextmanager
def misuse(*errors: type[Exception]) -> Iterator[None]:
    """Make errors that tell of misuse the one sentence of the command line."""
    try:
        yield
    except errors as error:
        raise click.UsageError(str(error)) from error


class _RateColumn(ProgressColumn):
    """How many cases a second."""

    def render(self, task: Task) -> Text:
        """Return the rate of the last half minute."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.1f}/s")


class Bar:
    """How far a run is: the subjects in one bar, the cases of the present one in another; on terminals only."""

    def __init__(self, subjects: int) -> None:
        self._shown = sys.stderr.isatty()
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            _RateColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            # What a subject prints goes where it was sent; on a terminal it must not tear the bar.
            redirect_stdout=sys.stdout.isatty(),
            disable=not self._shown,
        )
        self._all = self._bars.add_task("subjects", total=subjects)
        self._one = self._bars.add_task("", total=None, visible=False)

    def __enter__(self) -> Bar:
        if self._shown:
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:  # stopping what was never shown prints an empty line in some versions of rich
            self._bars.stop()

    def begin(self, name: str, cases: int) -> None:
        self._bars.reset(self._one, total=cases, visible=True, description=printable(name))

    def advance(self) -> None:
        self._bars.advance(self._one)

    def end(self, report: SubjectReport) -> None:  # noqa: ARG002  # the bar shows how many, not how well
        self.step()

    def step(self) -> None:
        self._bars.advance(self._all)


def new_table(console: Console) -> Table:
    """Return an empty table in the look that all have."""
    gap = 0 if console.width < _NARROW else 1  # beside the column that the box keeps between cells
    return Table(box=box.SIMPLE_HEAD, padding=(0, gap, 0, 0), pad_edge=False, show_edge=False, header_style="bold")


def show_plain(console: Console, text: str) -> None:
    """Print text that is laid out already."""
    console.print(Text(text), soft_wrap=True)


def new_console() -> Console:
    """Return where results are printed: words in brackets, and numbers, are nothing special."""
    return Console(markup=False, emoji=False, highlight=False)


def write(path: Path | None, text: Callable[[], str]) -> None:
    """Write a text to a file, where one was asked for."""
    if path is None:
        return
    try:
        # A lone surrogate (of a file name that is not UTF-8) is written as \udcxx, which JSON reads as it was.
        path.write_text(text().rstrip("\n") + "\n", encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise click.UsageError(f"expected to write {str(path)!r}, got {error.strerror}") from None
