"""The words of messages: an exception in one sentence, the nearest known word, a number with its noun."""

from __future__ import annotations

import difflib
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path


def told(error: BaseException) -> str:
    """Return type and message of an exception in one line.

    Examples
    --------
    >>> told(ValueError("two\\nlines"))
    'ValueError: two lines'
    """
    message = error.msg if isinstance(error, SyntaxError) else str(error)  # whose str repeats where
    text = " ".join(message.split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def location(error: BaseException, is_theirs: Callable[[traceback.FrameSummary], bool]) -> str:
    """Return the line to look at: of the user's frames the last, since deeper ones are those of libraries."""
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({_near(error.filename)}, line {error.lineno})"
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if is_theirs(frame)] or frames[-1:]
    return f" ({_near(theirs[-1].filename)}, line {theirs[-1].lineno})" if theirs else ""


def _near(file: str) -> str:
    """A path as people write it: from the current folder where the file is below it."""
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the nearest known word, or nothing where none is near.

    Examples
    --------
    >>> did_you_mean("conv2", ["conv2d", "relu"])
    "; did you mean 'conv2d'?"
    >>> did_you_mean("something else", ["conv2d", "relu"])
    ''
    """
    by_folded = {word.casefold(): word for word in known}
    near = difflib.get_close_matches(given.casefold(), by_folded, n=1)
    return f"; did you mean {by_folded[near[0]]!r}?" if near else ""


def counted(count: int, noun: str) -> str:
    """Return a number with its noun.

    Examples
    --------
    >>> counted(1, "case"), counted(1234, "case")
    ('1 case', '1,234 cases')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def digits_apart(first: float, second: float) -> tuple[str, str]:
    """Return two numbers with six digits, or with as many as it takes to tell them apart.

    Examples
    --------
    >>> digits_apart(0.5, 0.25), digits_apart(4.419161234e-07, 4.419161235e-07)
    (('0.5', '0.25'), ('4.419161234e-07', '4.419161235e-07'))
    """
    pair = "", ""
    for digits in range(6, 18):
        pair = f"{first:.{digits}g}", f"{second:.{digits}g}"
        if pair[0] != pair[1]:
            break
    return pair
