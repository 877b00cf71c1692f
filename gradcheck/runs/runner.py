"""Every suite, and every subject, one after the other."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import replace

from gradcheck.records.run_record import CaseId, SubjectReport
from gradcheck.reports.run_report import Report
from gradcheck.runs.bench import Bench, Seat, seats_of
from gradcheck.runs.causes import explain_subject
from gradcheck.runs.check_case import judge_subject, made_subject
from gradcheck.runs.executor import NoStore, ResultStore, TaskExecutor
from gradcheck.runs.futures import FuturesExecutor
from gradcheck.runs.plan import Item, Options
from gradcheck.runs.planting import with_core_mutants
from gradcheck.runs.progress import InterruptedItemError, InterruptedRunError, Progress, Silent
from gradcheck.runs.side_effects import behaviour
from gradcheck.runs.source import Source
from gradcheck.runs.suite_run import run_suite
from gradcheck.runs.task import Task
from gradcheck.subject import Deferred, Subject
from gradcheck.suites.suite import Suite


def run(
    items: Sequence[Item],
    options: Options | None = None,
    progress: Progress | None = None,
    *,
    executor: TaskExecutor | Executor | None = None,
    records: ResultStore | None = None,
    sources: Sequence[Source] | None = None,
) -> Report:
    """Run every case of every suite, and every subject.

    Parameters
    ----------
    items : sequence of Suite, Subject or Deferred
    options : Options, optional
    progress : Progress, optional
    crew : Crew or concurrent.futures.Executor, optional
        Who runs the cases: `gradcheck.runs.worker_pool.Pool`, or any executor. Then every case of the plan is run, those
        after a failure too. Default: this process, where drawing ends with a failure.
    records : Records, optional
        What is known of an earlier run of the same plan, and kept of this one: `gradcheck.runs.journal.Journal`.
    sources : sequence of Source, optional
        Where another process finds each item. Default: as the origin of a suite tells.

    Returns
    -------
    Report
        One entry per item. The same plan gives the same report whoever runs it, times excepted.

    Raises
    ------
    ValueError
        If a crew in other processes cannot find an item.
    InterruptedRunError
        If the user interrupts the run.
    """
    options, progress = options or Options(), progress or Silent()
    executor = FuturesExecutor(executor) if isinstance(executor, Executor) else executor
    bench = None if executor is None else Bench(executor, records or NoStore())
    seats = seats_of(items, sources, needed=executor is not None and executor.needs_source)
    reports: list[SubjectReport] = []
    for item, seat in zip(items, seats, strict=True):
        try:
            report = _run_item(item, seat, options, progress, bench)
        except KeyboardInterrupt as interrupt:
            if isinstance(interrupt, InterruptedItemError):
                reports.append(interrupt.report)
            reports += [_not_run(one) for one in items[len(reports) :]]
            raise InterruptedRunError(Report(options.seed, tuple(reports))) from None
        progress.end(report)
        reports.append(report)
    return Report(options.seed, tuple(reports))


def _not_run(item: Item) -> SubjectReport:
    kind = item.kind_name if isinstance(item, Suite) else None
    return SubjectReport(item.name, kind, "inconclusive", 0, notes=("not run: the run was interrupted before",))


def _run_item(item: Item, seat: Seat, options: Options, progress: Progress, bench: Bench | None) -> SubjectReport:
    if isinstance(item, Suite):
        return run_suite(item, seat, options, progress, bench)
    return _run_one(item, seat, options, progress, bench)


def _run_one(
    item: Subject | Deferred, seat: Seat, options: Options, progress: Progress, bench: Bench | None
) -> SubjectReport:
    progress.begin(item.name, 1)
    begun = time.perf_counter()
    subject: Subject | None = None
    if bench is None:
        subject = made_subject(item, options.dtype)
        result = judge_subject(subject, options.seed, None, options.settings)
        result = replace(result, report=explain_subject(result.report, subject, options.seed))
    else:
        command = item.reproduce.replace("{seed}", str(options.seed)) if isinstance(item, Subject) else ""
        case = CaseId(None, {}, None, options.seed)
        task = Task(seat.number, 0, item.name, case, None, options.dtype, options.settings, command, seat.source)
        ((_, result),) = bench.run(item, [task])
    progress.advance()
    report = replace(result.report, notes=(*result.report.notes, *behaviour(result)))
    if result.lost:
        report = replace(report, seconds=time.perf_counter() - begun)
    return with_core_mutants(report, lambda: [(subject or made_subject(item, options.dtype), options.seed)], options)
