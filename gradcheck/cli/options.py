"""Options: how their values are read, and those that several commands share."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import click

from gradcheck.messages import did_you_mean

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


# How values are read


def whole(ctx: click.Context, param: click.Parameter, value: str) -> int:
    """A whole number from 0."""
    if not re.fullmatch("[0-9]{1,18}", value):
        raise click.BadParameter(f"expected a whole number from 0, got {value!r}", ctx, param)
    return int(value)


def count(ctx: click.Context, param: click.Parameter, value: str) -> int:
    """A whole number from 1."""
    number = whole(ctx, param, value)
    if number < 1:
        raise click.BadParameter(f"expected a whole number from 1, got {value!r}", ctx, param)
    return number


def positive(ctx: click.Context, param: click.Parameter, value: str) -> float:
    """A positive number."""
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise click.BadParameter(f"expected a positive number, got {value!r}", ctx, param)
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
    if value is not None:
        from gradcheck.reports.html.page import require_report_packages

        try:
            require_report_packages()
        except ModuleNotFoundError as error:
            raise click.BadParameter(str(error), ctx, param) from None
    return output_file(ctx, param, value)


def require_different(files: Mapping[str, Path | None]) -> None:
    """Refuse to write two reports to one file."""
    for (one, path), (other, same) in itertools.combinations(files.items(), 2):
        if path is not None and path == same:
            raise click.UsageError(f"expected two files for {one} and {other}, got {str(path)!r} for both")


# Options of several commands

_PRECISIONS = ("float64", "float32")
seed_option = click.option(
    "--seed", callback=whole, default="0", metavar="S", help="All random numbers follow from it (default: 0)."
)
dtype_option = click.option(
    "--dtype",
    callback=one_of(*_PRECISIONS),
    metavar="|".join(_PRECISIONS),
    help="Precision of the arrays (default: as given).",
)
exhaustive_option = click.option(
    "--exhaustive", is_flag=True, help="Compare every entry with its own difference too (slow)."
)
html_option = click.option(
    "--html", "html_file", callback=html_file, metavar="FILE", help="Write one HTML page, with pictures."
)
