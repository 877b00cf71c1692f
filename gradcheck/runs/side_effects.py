"""What cases did beside computing: warnings, output, threads."""

from __future__ import annotations

from collections.abc import Iterator

from gradcheck.runs.result import Result

#: So many different warnings of a subject are told, of those that are kept.
WARNINGS = 3
_WARNINGS_KEPT = 100


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


def behaviour(result: Result) -> Iterator[str]:
    """Tell what a case did beside computing."""
    habits = SideEffects()
    habits.add(result)
    return habits.describe()
