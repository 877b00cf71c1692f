"""Where the cases of a suite are judged and explained: in this process, or by a crew."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from typing import Protocol

from gradcheck.checks.stages import Settings
from gradcheck.records.run_record import SubjectReport
from gradcheck.runs.bench import Bench, Seat
from gradcheck.runs.causes import explain_suite_case
from gradcheck.runs.check_case import judge_case, reproduce_command
from gradcheck.runs.executor import NoStore, TaskExecutor
from gradcheck.runs.plan import Options
from gradcheck.runs.result import Result
from gradcheck.runs.source import source_of
from gradcheck.runs.task import Task
from gradcheck.suites.kind import Case
from gradcheck.suites.suite import AnyCase, DrawnCase, Suite


class Judge(Protocol):
    """Who judges the cases of one suite."""

    def judge(self, case: AnyCase, settings: Settings) -> Result:
        """Check a case."""

    def explain(self, case: AnyCase) -> Result:
        """Check a case in full, and tell the causes of its failures."""


@dataclass(frozen=True)
class JudgeHere:
    """Judges cases in this process."""

    suite: Suite
    options: Options

    def judge(self, case: AnyCase, settings: Settings) -> Result:
        """Check a case."""
        return judge_case(self.suite, case, self.options.dtype, settings)

    def explain(self, case: AnyCase) -> Result:
        """Check a case in full, and tell the causes of its failures."""
        result = self.judge(case, self.options.settings)
        return replace(result, report=explain_case(result.report, self.suite, case, self.options))


@dataclass(frozen=True)
class JudgeOnBench:
    """Has cases judged by a crew."""

    suite: Suite
    options: Options
    bench: Bench
    seat: Seat

    def judge(self, case: AnyCase, settings: Settings) -> Result:
        """Check a case."""
        return self.bench.run_one(self.suite, self.task(case, settings))

    def explain(self, case: AnyCase) -> Result:
        """Check a case in full, and tell the causes of its failures."""
        task = self.task(case, self.options.settings)
        result = self.bench.run_one(self.suite, replace(task, further_cases=self.options.seed))
        # Other cases, which are asked for the cause, may hang or crash where this one does not.
        return self.bench.run_one(self.suite, task) if result.lost else result

    def task(self, case: AnyCase, settings: Settings, number: int = 0) -> Task:
        """Return a case as data that another process understands."""
        drawn = case.drawn if isinstance(case, DrawnCase) else None
        dtype, seat = self.options.dtype, self.seat
        command = reproduce_command(self.suite, case, dtype) or rerun_command(self.suite, self.options)
        return Task(seat.number, number, self.suite.name, case.id, drawn, dtype, settings, command, seat.source)


def explain_case(report: SubjectReport, suite: Suite, case: AnyCase, options: Options) -> SubjectReport:
    """Return the report of one case of a suite with the causes of its failures, for which other cases are asked."""
    return explain_suite_case(report, suite, case, options.seed, options.dtype)


def check_apart(suite: Suite, case: Case, options: Options, executor: TaskExecutor) -> SubjectReport:
    """Check one case of a suite where a crew runs it.

    Raises
    ------
    ValueError
        If the crew cannot find the suite.
    """
    seat = Seat(0, source_of(suite) if executor.needs_source else None)
    return JudgeOnBench(suite, options, Bench(executor, NoStore()), seat).explain(case).report


def rerun_command(suite: Suite, options: Options) -> str:
    """Return the command (or snippet) that draws the same cases again."""
    if suite.origin is None:
        given = f", dtype={options.dtype!r}" if options.dtype else ""
        return f"gradcheck.check(suite, seed={options.seed}, examples={options.examples}{given})"
    precision = ["--dtype", options.dtype] if options.dtype else []
    numbers = ["--seed", str(options.seed), "--examples", str(options.examples)]
    return shlex.join(["gradcheck", "verify", suite.origin, *numbers, *precision])
