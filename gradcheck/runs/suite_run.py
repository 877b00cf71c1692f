"""A suite: its corners first, then drawn cases, until one fails."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradcheck.records.run_record import SubjectReport
from gradcheck.runs.bench import Bench, Seat
from gradcheck.runs.judges import JudgeHere, JudgeOnBench
from gradcheck.runs.plan import Options
from gradcheck.runs.planting import with_core_mutants
from gradcheck.runs.progress import InterruptedItemError, Progress
from gradcheck.runs.shrink import search, search_again
from gradcheck.runs.tally import Tally
from gradcheck.runs.task import Task
from gradcheck.suites.cases import Batch, batches, corner_cases, draw_batch
from gradcheck.suites.kind import Case
from gradcheck.suites.suite import AnyCase, Suite


def run_suite(suite: Suite, seat: Seat, options: Options, progress: Progress, bench: Bench | None) -> SubjectReport:
    """Run the cases of a suite and add them up."""
    begun = time.perf_counter()
    corners = list(corner_cases(suite, options.seed)) if options.corners else []
    progress.begin(suite.name, len(corners) + options.examples)
    on_bench = None if bench is None else JudgeOnBench(suite, options, bench, seat)
    tally = Tally(suite, options, on_bench or JudgeHere(suite, options))
    try:
        if on_bench is None:
            _run_here(tally, corners, options, progress)
        else:
            _run_plan(tally, corners, options, progress, on_bench)
        failures = (*tally.take_apart(), *tally.lost)
        report = replace(tally.report(failures), seconds=time.perf_counter() - begun)
        dtype = None if options.dtype is None else np.dtype(options.dtype)
        return with_core_mutants(
            report, lambda: [(suite.subject(case, dtype), case.seed) for case in tally.passed], options
        )
    except KeyboardInterrupt:
        raise InterruptedItemError(tally.report_so_far(time.perf_counter() - begun)) from None


def _run_here(tally: Tally, corners: Sequence[Case], options: Options, progress: Progress) -> None:
    """Run the corners and then drawn cases, until one of these fails."""
    for case in corners:
        tally.add(case)
        progress.advance()

    def first(case: AnyCase) -> str | None:
        check = tally.add(case)
        progress.advance()
        return check

    for batch in batches(options.examples, options.seed):
        if search(tally, batch, first):
            break


@dataclass(frozen=True)
class _Place:
    """Where in its batch a drawn case stands."""

    case: AnyCase
    batch: Batch | None
    index: int


def _run_plan(
    tally: Tally,
    corners: Sequence[Case],
    options: Options,
    progress: Progress,
    judge: JudgeOnBench,
) -> None:
    """Run the corners and all drawn cases; then search for the smallest that fails as the first that failed."""
    places: dict[int, _Place] = {}

    def tasks() -> Iterator[Task]:
        for number, one in enumerate(_plan(tally.suite, corners, options)):
            places[number] = one
            yield judge.task(one.case, tally.settings, number)

    failed: tuple[_Place, str] | None = None
    for task, result in judge.bench.run(tally.suite, tasks()):
        one = places.pop(task.number)
        check = tally.count(one.case, result)
        progress.advance()
        if check is not None and one.batch is not None and failed is None:
            failed = one, check
        if tally.is_given_up:
            break
    if failed is not None:
        place, check = failed
        assert place.batch is not None
        search_again(tally, place.batch, place.index, place.case, check)


def _plan(suite: Suite, corners: Sequence[Case], options: Options) -> Iterator[_Place]:
    for number, corner in enumerate(corners):
        yield _Place(corner, None, number)
    for batch in batches(options.examples, options.seed):
        for index, case in enumerate(draw_batch(suite, batch)):
            yield _Place(case, batch, index)
