"""The former name of `gradcheck.runs`, for code that was written for it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor

import gradcheck.runs
from gradcheck.reports.run_report import Report
from gradcheck.runs import InterruptedRunError, Options, Progress, check_apart, explain_case, plan_of
from gradcheck.runs.executor import ResultStore, TaskExecutor
from gradcheck.runs.source import Source
from gradcheck.targets import Item

__all__ = ["InterruptedRunError", "Options", "Progress", "check_apart", "explain_case", "plan_of", "run"]


def run(
    items: Sequence[Item],
    options: Options | None = None,
    progress: Progress | None = None,
    *,
    crew: TaskExecutor | Executor | None = None,
    records: ResultStore | None = None,
    sources: Sequence[Source] | None = None,
) -> Report:
    """Call `gradcheck.runs.run` with `crew` as its executor and `records` as its store."""
    return gradcheck.runs.run(items, options, progress, executor=crew, store=records, sources=sources)
