"""An exception in one sentence: what it says, and the line of the user to look at."""

from __future__ import annotations

import traceback
from collections.abc import Callable
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
