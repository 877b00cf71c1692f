"""One suite: its cases are run and added up, and what failed is shrunk and checked in full."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from gradcheck.mutants.sensitivity import with_core_mutants
from gradcheck.records.run_record import Failure, SubjectReport
from gradcheck.runs.commands import rerun_command
from gradcheck.runs.item_tasks import ItemTasks
from gradcheck.runs.plan import PlannedCase, planned_cases
from gradcheck.runs.progress import InterruptedItemError, Progress
from gradcheck.runs.shrink import shrink
from gradcheck.runs.tally import Tally, values_first
from gradcheck.runs.task import Task
from gradcheck.suites.cases import corner_cases
from gradcheck.suites.suite import DrawnCase, Suite


def run_suite(suite: Suite, tasks: ItemTasks, progress: Progress) -> SubjectReport:
    """Run the cases of a suite and add them up."""
    begun = time.perf_counter()
    options = tasks.options
    corners = list(corner_cases(suite, options.seed)) if options.corners else []
    progress.begin(suite.name, len(corners) + options.examples)
    tally = Tally(suite)
    quick = replace(options.settings, take_apart=False)
    planned: dict[int, PlannedCase] = {}

    def due() -> Iterator[Task]:
        for number, one in enumerate(planned_cases(suite, corners, options)):
            planned[number] = one
            yield tasks.of_case(suite, one.case, quick, number)

    failed: tuple[PlannedCase, str] | None = None
    try:
        for task, result in tasks.run(due()):
            one = planned.pop(task.number)
            check = tally.count(one.case, result)
            progress.advance()
            if check is not None and one.batch is not None and failed is None:
                failed = one, check
            if tally.is_given_up or (failed is not None and options.stop_at_failure):
                break
        if failed is not None:
            shrink(tasks, tally, quick, *failed)
        report = tally.report((*_in_full(suite, tasks, tally), *tally.lost))
    except KeyboardInterrupt:
        raise InterruptedItemError(tally.report_so_far(time.perf_counter() - begun)) from None
    report = replace(report, seconds=time.perf_counter() - begun)
    if not options.self_test:
        return report
    dtype = None if options.dtype is None else np.dtype(options.dtype)
    return with_core_mutants(
        report, lambda: [(suite.subject(case, dtype), case.seed) for case in tally.passed], options.settings
    )


def _in_full(suite: Suite, tasks: ItemTasks, tally: Tally) -> tuple[Failure, ...]:
    """Check the example of each failed check again, in full, and look for its causes."""
    failures: dict[str, tuple[Failure, ...]] = {}
    for check in values_first(tally.examples):
        if check in failures:
            continue
        case, first_found = tally.examples[check]
        result = tasks.run_in_full(suite, case)
        found = (first_found,) if result.lost else result.report.failures
        if isinstance(case, DrawnCase):
            again = rerun_command(suite, tasks.options)
            found = tuple(replace(failure, reproduce=again) for failure in found)
            tally.smallest_drawn = str(case)
        tally.add_calls(result.report)
        if not found:
            once = f"failed {check!r} once, and not when it was repeated: answers change from run to run"
            failures[check] = (Failure("deterministic", case.id, once),)
        for name in dict.fromkeys(failure.check for failure in found):
            failures.setdefault(name, tuple(failure for failure in found if failure.check == name))
    return tuple(failure for found in failures.values() for failure in found)
