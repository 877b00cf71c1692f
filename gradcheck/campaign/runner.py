"""Every suite, and every subject, one after the other."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import replace

from gradcheck.campaign.bench import Bench, Seat, seats_of
from gradcheck.campaign.habits import behaviour
from gradcheck.campaign.options import Item, Options
from gradcheck.campaign.planting import with_canaries
from gradcheck.campaign.progress import InterruptedItemError, InterruptedRunError, Progress, Silent
from gradcheck.campaign.suites import run_suite
from gradcheck.execution.crew import Crew, NoRecords, Records
from gradcheck.execution.explain import explain_subject
from gradcheck.execution.judge import judge_subject, made_subject
from gradcheck.execution.remote import Remote
from gradcheck.execution.source import Source
from gradcheck.execution.task import Task
from gradcheck.reports.report import CaseId, Report, SubjectReport
from gradcheck.subject import Deferred, Subject
from gradcheck.suite import Suite


def run(
    items: Sequence[Item],
    options: Options | None = None,
    progress: Progress | None = None,
    *,
    crew: Crew | Executor | None = None,
    records: Records | None = None,
    sources: Sequence[Source] | None = None,
) -> Report:
    """Run every case of every suite, and every subject.

    Parameters
    ----------
    items : sequence of Suite, Subject or Deferred
    options : Options, optional
    progress : Progress, optional
    crew : Crew or concurrent.futures.Executor, optional
        Who runs the cases: `gradcheck.execution.pool.Pool`, or any executor. Then every case of the plan is run, those
        after a failure too. Default: this process, where drawing ends with a failure.
    records : Records, optional
        What is known of an earlier run of the same plan, and kept of this one: `gradcheck.execution.journal.Journal`.
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
    crew = Remote(crew) if isinstance(crew, Executor) else crew
    bench = None if crew is None else Bench(crew, records or NoRecords())
    seats = seats_of(items, sources, needed=crew is not None and crew.needs_source)
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
        outcome = judge_subject(subject, options.seed, None, options.settings)
        outcome = replace(outcome, report=explain_subject(outcome.report, subject, options.seed))
    else:
        command = item.reproduce.replace("{seed}", str(options.seed)) if isinstance(item, Subject) else ""
        case = CaseId(None, {}, None, options.seed)
        task = Task(seat.number, 0, item.name, case, None, options.dtype, options.settings, command, seat.source)
        ((_, outcome),) = bench.run(item, [task])
    progress.advance()
    report = replace(outcome.report, notes=(*outcome.report.notes, *behaviour(outcome)))
    if outcome.lost:
        report = replace(report, seconds=time.perf_counter() - begun)
    return with_canaries(report, lambda: [(subject or made_subject(item, options.dtype), options.seed)], options)
