"""The smallest case that fails as the first that failed."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from gradcheck.runs.tally import Tally
from gradcheck.suites.cases import Batch, run_examples
from gradcheck.suites.suite import AnyCase

#: A search for a smaller failing case ends after so many seconds.
SHRINK_SECONDS = 20.0


def search(tally: Tally, batch: Batch, first: Callable[[AnyCase], str | None]) -> bool:
    """Draw the cases of a batch until `first` tells a check that one fails; search for the smallest that fails it.

    Return whether one did.
    """
    from hypothesis import Phase
    from hypothesis.errors import Flaky, Unsatisfiable

    smallest: AnyCase | None = None
    check: str | None = None
    deadline = float("inf")

    def one_case(case: AnyCase) -> None:
        nonlocal smallest, check, deadline
        if check is None:
            check = first(case)
            failed = check is not None
            deadline = time.monotonic() + SHRINK_SECONDS
        else:
            # Only shrinking comes here; the smallest failing case so far is kept.
            if time.monotonic() > deadline:
                raise _OutOfTime
            failed = case == smallest or tally.fails(case, check)
        if failed:
            smallest = case
            raise _CaseFailedError

    # What is unsatisfiable shows in the number of cases, which is told; a failure that does not repeat is kept.
    with suppress(_CaseFailedError, _OutOfTime, Unsatisfiable, Flaky):
        run_examples(tally.suite, batch, one_case, Phase.generate, Phase.shrink)
    return check is not None


def search_again(tally: Tally, batch: Batch, index: int, case: AnyCase, check: str) -> None:
    """Draw the batch of which a case failed a check again, and search for a smaller one; `index` is its place there."""
    seen = -1

    def first(drawn: AnyCase) -> str | None:
        nonlocal seen
        seen += 1
        return check if seen == index and drawn.id == case.id else None

    search(tally, batch, first)


class _CaseFailedError(Exception):
    """Tells hypothesis that a case failed."""


class _OutOfTime(BaseException):
    """Ends the search for a smaller failing case."""
