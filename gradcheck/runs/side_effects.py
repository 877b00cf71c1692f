"""What cases did beside computing: warnings, output, threads."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from gradcheck.runs.result import Result

#: So many different warnings of a subject are told, of those that are kept.
WARNINGS = 3
_WARNINGS_KEPT = 100
#: So many different warnings of one case are kept, and of each text so many characters.
_WARNINGS, _TEXT = 20, 300


class SideEffects:
    """What cases did beside computing: warnings, output, threads."""

    def __init__(self) -> None:
        self._cases = 0
        self._warnings: dict[str, int] = {}
        self._printed = 0
        self._threads = 0

    def add(self, result: Result) -> None:
        self._cases += 1
        for text in result.warnings:
            if text in self._warnings or len(self._warnings) < _WARNINGS_KEPT:
                self._warnings[text] = self._warnings.get(text, 0) + 1
        self._printed += result.printed
        self._threads += result.threads > 0

    def describe(self) -> Iterator[str]:
        often = sorted(self._warnings.items(), key=lambda item: -item[1])
        for text, count in often[:WARNINGS]:
            yield f"warned in {count:,} of {self._cases:,} cases: {text}"
        if len(often) > WARNINGS:
            yield f"gave {len(often) - WARNINGS:,} other warnings"
        if self._printed:
            yield f"printed {self._printed:,} characters, which are not shown"
        if self._threads:
            yield f"left threads behind in {self._threads:,} of {self._cases:,} cases; their workers were replaced"


def side_effects_of(result: Result) -> Iterator[str]:
    """Return what a case did beside computing, in sentences."""
    effects = SideEffects()
    effects.add(result)
    return effects.describe()


@contextmanager
def kept_warnings() -> Iterator[Iterable[str]]:
    """Keep each warning once, in the place of printing it.

    Filters stay as they are: a warning that is an error is one. In a thread, beside which others run, warnings cannot
    be told apart and are left alone.
    """
    texts: dict[str, None] = {}
    if threading.current_thread() is not threading.main_thread():
        yield texts
        return

    def keep(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
        if len(texts) < _WARNINGS:
            texts[f"{category.__name__}: {' '.join(str(message).split())}"[:_TEXT]] = None

    with warnings.catch_warnings():
        warnings.showwarning = keep
        yield texts
