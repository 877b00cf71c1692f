"""The search for the smallest case that fails as the first that failed."""

from __future__ import annotations

import time
from contextlib import suppress

from gradcheck.checks.stages import Settings
from gradcheck.runs.item_tasks import ItemTasks
from gradcheck.runs.plan import PlannedCase
from gradcheck.runs.tally import Tally
from gradcheck.suites.cases import run_examples
from gradcheck.suites.suite import AnyCase

#: A search for a smaller failing case ends after so many seconds.
SHRINK_SECONDS = 20.0


def shrink(tasks: ItemTasks, tally: Tally, settings: Settings, failed: PlannedCase, check: str) -> None:
    """Draw the batch of a failed case again, and let hypothesis shrink that case; `tally` keeps the smallest.

    Parameters
    ----------
    tasks : ItemTasks
    tally : Tally
        Counts the calls; the smallest failing case becomes its example of `check`.
    settings : Settings
        How cases are checked.
    failed : PlannedCase
        A drawn case.
    check : str
        What it failed; smaller cases that fail something else do not count.
    """
    from hypothesis import Phase
    from hypothesis.errors import Flaky, Unsatisfiable

    assert failed.batch is not None
    suite = tally.suite
    deadline = time.monotonic() + SHRINK_SECONDS
    drawn = -1
    smallest: AnyCase | None = None

    def fails(case: AnyCase) -> bool:
        result = tasks.run_one(tasks.of_case(suite, case, settings))
        tally.add_calls(result.report)
        return tally.keep_example(case, result.report, check)

    def one_case(case: AnyCase) -> None:
        nonlocal drawn, smallest
        if smallest is None:
            drawn += 1
            found = drawn == failed.index and case.id == failed.case.id
        else:
            if time.monotonic() > deadline:
                raise _OutOfTime
            found = case == smallest or fails(case)
        if found:
            smallest = case
            raise _CaseFailedError

    # A failure that does not repeat is kept as it was.
    with suppress(_CaseFailedError, _OutOfTime, Unsatisfiable, Flaky):
        run_examples(suite, failed.batch, one_case, Phase.generate, Phase.shrink)


class _CaseFailedError(Exception):
    """Tells hypothesis that a case failed."""


class _OutOfTime(BaseException):
    """Ends the search for a smaller failing case."""
