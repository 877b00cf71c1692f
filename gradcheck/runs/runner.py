"""Every item of a run, one after the other."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import replace

from gradcheck.mutants.sensitivity import with_core_mutants
from gradcheck.records.run_record import SubjectReport
from gradcheck.reports.run_report import Report
from gradcheck.runs.check_case import made_subject
from gradcheck.runs.executor import InProcess, NoStore, ResultStore, TaskExecutor
from gradcheck.runs.futures import FuturesExecutor
from gradcheck.runs.item_tasks import ItemTasks
from gradcheck.runs.plan import Options
from gradcheck.runs.progress import InterruptedItemError, InterruptedRunError, Progress, Silent
from gradcheck.runs.side_effects import side_effects_of
from gradcheck.runs.source import Source, source_of
from gradcheck.runs.suite_run import run_suite
from gradcheck.subject import Deferred, Subject
from gradcheck.suites.suite import Suite
from gradcheck.targets import Item


def run(
    items: Sequence[Item],
    options: Options | None = None,
    progress: Progress | None = None,
    *,
    executor: TaskExecutor | Executor | None = None,
    store: ResultStore | None = None,
    sources: Sequence[Source] | None = None,
) -> Report:
    """Run every case of every suite, and every subject.

    Parameters
    ----------
    items : sequence of Suite, Subject or Deferred
    options : Options, optional
    progress : Progress, optional
    executor : TaskExecutor or concurrent.futures.Executor, optional
        What runs the cases: `gradcheck.runs.worker_pool.WorkerPool`, or any executor. Default: this process.
    store : ResultStore, optional
        The results of an earlier run of the same plan, to which those of this one are added:
        `gradcheck.runs.journal.Journal`.
    sources : sequence of Source, optional
        Where another process finds each item. Default: as the origin of a suite tells.

    Returns
    -------
    Report
        One entry per item. The same plan gives the same report whoever runs it, times excepted.

    Raises
    ------
    ValueError
        If an executor in other processes cannot find an item.
    InterruptedRunError
        If the user interrupts the run.
    """
    options, progress = options or Options(), progress or Silent()
    if options.stop_at_failure is None:
        options = replace(options, stop_at_failure=executor is None and store is None)
    reports: list[SubjectReport] = []
    for tasks in _tasks_of(items, options, executor, store, sources):
        try:
            if isinstance(tasks.item, Suite):
                report = run_suite(tasks.item, tasks, progress)
            else:
                report = _run_subject(tasks.item, tasks, progress)
        except KeyboardInterrupt as interrupt:
            if isinstance(interrupt, InterruptedItemError):
                reports.append(interrupt.report)
            reports += [_not_run(one) for one in items[len(reports) :]]
            raise InterruptedRunError(Report(options.seed, tuple(reports))) from None
        progress.end(report)
        reports.append(report)
    return Report(options.seed, tuple(reports))


def _tasks_of(
    items: Sequence[Item],
    options: Options,
    executor: TaskExecutor | Executor | None,
    store: ResultStore | None,
    sources: Sequence[Source] | None,
) -> list[ItemTasks]:
    runs_tasks = FuturesExecutor(executor) if isinstance(executor, Executor) else executor or InProcess()
    found: Iterable[Source | None] = (
        sources if sources is not None else [source_of(item) if runs_tasks.needs_source else None for item in items]
    )
    return [
        ItemTasks(
            item=item, number=number, source=source, options=options, executor=runs_tasks, store=store or NoStore()
        )
        for number, (item, source) in enumerate(zip(items, found, strict=True))
    ]


def _not_run(item: Item) -> SubjectReport:
    kind = item.kind_name if isinstance(item, Suite) else None
    return SubjectReport(item.name, kind, "inconclusive", 0, notes=("not run: the run was interrupted before",))


def _run_subject(item: Subject | Deferred, tasks: ItemTasks, progress: Progress) -> SubjectReport:
    progress.begin(item.name, 1)
    begun = time.perf_counter()
    ((_, result),) = tasks.run([tasks.of_subject(item)])
    progress.advance()
    report = replace(result.report, notes=(*result.report.notes, *side_effects_of(result)))
    if result.lost:
        report = replace(report, seconds=time.perf_counter() - begun)
    options = tasks.options
    if not options.self_test:
        return report
    return with_core_mutants(report, lambda: [(made_subject(item, options.dtype), options.seed)], options.settings)
