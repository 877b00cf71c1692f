"""Many cases of many subjects: corners first, then drawn ones; a failure is shrunk to the smallest case."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeAlias

import numpy as np

from gradcheck.canaries import try_canaries
from gradcheck.cases import Batch, batches, corner_cases, draw_batch, run_examples
from gradcheck.checks.stages import GROUPS, Settings
from gradcheck.execution.crew import Crew, NoRecords, Records, run_in_order
from gradcheck.execution.explain import explain_subject, explain_suite_case
from gradcheck.execution.judge import judge_case, judge_subject, made_subject, reproduce_command
from gradcheck.execution.limits import CaseLimits
from gradcheck.execution.outcome import Outcome
from gradcheck.execution.remote import Remote
from gradcheck.execution.source import Source, source_of
from gradcheck.execution.task import Task
from gradcheck.kinds.kind import Case
from gradcheck.reports.report import VERDICTS, CaseId, Evaluations, Failure, Report, SubjectReport, Verdict
from gradcheck.reports.text import counted
from gradcheck.subject import Deferred, Subject
from gradcheck.suite import AnyCase, DrawnCase, Suite

Item: TypeAlias = Suite | Subject | Deferred

#: A search for a smaller failing case ends after so many seconds.
SHRINK_SECONDS = 20.0
#: A kind of which more cases than this share could not be judged is inconclusive.
INCONCLUSIVE_SHARE = 0.1
#: In so many cases that passed a mistake is planted until it is caught.
CANARY_CASES = 6
#: A suite of which so many cases hung or crashed is not run further.
LOST_CASES = 20
#: So many different warnings of a subject are told, of those that are kept.
WARNINGS = 3
_WARNINGS_KEPT = 100
#: What is looked at first where a case fails several checks.
_VALUES = ("gradient", "kink")


@dataclass(frozen=True)
class Options:
    """How a campaign is run.

    Attributes
    ----------
    examples : int
        Drawn cases per suite, beside the corner cases.
    seed : int
    dtype : {"float64", "float32", "float16"} or None
        Precision of the primals; None leaves them as they are.
    exhaustive : bool
        Compare every entry with its own difference too.
    trials : int
        Tangents and cotangents of each projected check.
    contracts : bool
        Run the checks beside the projected one as well.
    without : mapping of str to str
        Checks to do without, each with its reason, beside those that a suite or a subject does without.
    groups : tuple of str
        Groups of checks that are run.
    corners : bool
        Run the corner cases too.
    self_test : bool
        Plant mistakes into what passed, and report which of them its cases would have shown.
    pictures : bool
        Keep what can be drawn of wrong gradients.
    """

    examples: int = 100
    seed: int = 0
    dtype: str | None = None
    exhaustive: bool = False
    trials: int = 2
    contracts: bool = True
    without: Mapping[str, str] = field(default_factory=dict)
    groups: tuple[str, ...] = GROUPS
    corners: bool = True
    self_test: bool = False
    pictures: bool = False

    @property
    def settings(self) -> Settings:
        """How each case is checked."""
        return Settings(
            self.trials,
            self.exhaustive,
            self.contracts,
            without=self.without,
            groups=self.groups,
            pictures=self.pictures,
        )


class Progress(Protocol):
    """Who wants to know how far a campaign is."""

    def begin(self, name: str, cases: int) -> None:
        """Be told that a subject begins, with the number of cases planned."""

    def advance(self) -> None:
        """Be told that one case is done."""

    def end(self, report: SubjectReport) -> None:
        """Be told that a subject is done."""


class _Silent:
    def begin(self, name: str, cases: int) -> None:
        pass

    def advance(self) -> None:
        pass

    def end(self, report: SubjectReport) -> None:
        pass


class InterruptedRunError(KeyboardInterrupt):
    """The user ended a run before its end.

    Attributes
    ----------
    report : Report
        What was known by then; subjects that were not reached are in it, as inconclusive.
    """

    def __init__(self, report: Report) -> None:
        self.report = report
        super().__init__()


class _InterruptedItemError(KeyboardInterrupt):
    def __init__(self, report: SubjectReport) -> None:
        self.report = report
        super().__init__()


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
    options, progress = options or Options(), progress or _Silent()
    crew = Remote(crew) if isinstance(crew, Executor) else crew
    bench = None if crew is None else _Bench(crew, records or NoRecords())
    seats = _seats(items, sources, needed=crew is not None and crew.needs_source)
    reports: list[SubjectReport] = []
    for item, seat in zip(items, seats, strict=True):
        try:
            report = _run_item(item, seat, options, progress, bench)
        except KeyboardInterrupt as interrupt:
            if isinstance(interrupt, _InterruptedItemError):
                reports.append(interrupt.report)
            reports += [_not_run(one) for one in items[len(reports) :]]
            raise InterruptedRunError(Report(options.seed, tuple(reports))) from None
        progress.end(report)
        reports.append(report)
    return Report(options.seed, tuple(reports))


def plan_of(
    items: Sequence[Item], sources: Sequence[Source], options: Options, limits: CaseLimits | None = None
) -> dict[str, Any]:
    """Return what decides which cases a run has and what becomes of them, as plain data."""
    limits = limits or CaseLimits()
    return {
        "seed": options.seed,
        "examples": options.examples,
        "dtype": options.dtype,
        "exhaustive": options.exhaustive,
        "trials": options.trials,
        "contracts": options.contracts,
        "without": dict(options.without),
        "groups": list(options.groups),
        "corners": options.corners,
        "timeout": limits.seconds,
        "memory": limits.memory,
        "targets": [
            [item.name, item.kind_name if isinstance(item, Suite) else None, source.digest()]
            for item, source in zip(items, sources, strict=True)
        ],
    }


@dataclass(frozen=True)
class _Seat:
    """The place of an item in a run, and where another process finds it."""

    number: int
    source: Source | None


def _seats(items: Sequence[Item], sources: Sequence[Source] | None, *, needed: bool) -> list[_Seat]:
    if sources is None:
        return [_Seat(number, source_of(item) if needed else None) for number, item in enumerate(items)]
    return [_Seat(number, source) for number, (_, source) in enumerate(zip(items, sources, strict=True))]


@dataclass(frozen=True)
class _Bench:
    """Who runs the tasks of a plan, and what is known of them."""

    crew: Crew
    records: Records

    def run(self, item: Item, tasks: Iterable[Task]) -> Iterator[tuple[Task, Outcome]]:
        return run_in_order(self.crew, item, tasks, self.records)

    def run_one(self, item: Item, task: Task) -> Outcome:
        """Run a task that is not of the plan, and not recorded."""
        ((_, outcome),) = run_in_order(self.crew, item, [task], NoRecords())
        return outcome


def _not_run(item: Item) -> SubjectReport:
    kind = item.kind_name if isinstance(item, Suite) else None
    return SubjectReport(item.name, kind, "inconclusive", 0, notes=("not run: the run was interrupted before",))


def _run_item(item: Item, seat: _Seat, options: Options, progress: Progress, bench: _Bench | None) -> SubjectReport:
    if isinstance(item, Suite):
        return _run_suite(item, seat, options, progress, bench)
    return _run_one(item, seat, options, progress, bench)


def _run_one(
    item: Subject | Deferred, seat: _Seat, options: Options, progress: Progress, bench: _Bench | None
) -> SubjectReport:
    progress.begin(item.name, 1)
    begun = time.perf_counter()
    if bench is None:
        item = made_subject(item, options.dtype)  # once: a network takes its time
        outcome = judge_subject(item, options.seed, None, options.settings)
        outcome = replace(outcome, report=explain_subject(outcome.report, item, options.seed))
    else:
        command = item.reproduce.replace("{seed}", str(options.seed)) if isinstance(item, Subject) else ""
        case = CaseId(None, {}, None, options.seed)
        task = Task(seat.number, 0, item.name, case, None, options.dtype, options.settings, command, seat.source)
        ((_, outcome),) = bench.run(item, [task])
    progress.advance()
    report = replace(outcome.report, notes=(*outcome.report.notes, *_behaviour([outcome])))
    if outcome.lost:
        report = replace(report, seconds=time.perf_counter() - begun)
    return _with_canaries(report, ((made_subject(one, options.dtype), options.seed) for one in [item]), options)


def _with_canaries(report: SubjectReport, points: Iterable[tuple[Subject, int]], options: Options) -> SubjectReport:
    """Return the report with what became of planted mistakes, if that was asked and everything passed."""
    if not options.self_test or report.verdict != "passed":
        return report
    begun = time.perf_counter()
    found = try_canaries(list(points), options.settings)
    return replace(
        report,
        verdict="inconclusive" if found.notes else report.verdict,
        notes=(*report.notes, *found.notes),
        canaries=found.outcomes,
        seconds=report.seconds + time.perf_counter() - begun,
    )


def _run_suite(suite: Suite, seat: _Seat, options: Options, progress: Progress, bench: _Bench | None) -> SubjectReport:
    begun = time.perf_counter()
    corners = list(corner_cases(suite, options.seed)) if options.corners else []
    progress.begin(suite.name, len(corners) + options.examples)
    judge = _judge_here(suite, options) if bench is None else _judge_on(bench, suite, seat, options)
    explain = _explain_here(suite, options) if bench is None else _explain_on(bench, suite, seat, options)
    tally = _Tally(suite, options, judge, explain)
    try:
        if bench is None:
            _run_here(tally, corners, options, progress)
        else:
            _run_plan(tally, corners, options, progress, bench, seat)
        failures = (*tally.take_apart(), *tally.lost)
        report = replace(tally.report(failures), seconds=time.perf_counter() - begun)
        dtype = None if options.dtype is None else np.dtype(options.dtype)
        return _with_canaries(report, ((suite.subject(case, dtype), case.seed) for case in tally.passed), options)
    except KeyboardInterrupt:
        raise _InterruptedItemError(tally.report_so_far(time.perf_counter() - begun)) from None


_Judge: TypeAlias = Callable[[AnyCase, Settings], Outcome]
_Explain: TypeAlias = Callable[[AnyCase], Outcome]


def _judge_here(suite: Suite, options: Options) -> _Judge:
    return lambda case, settings: judge_case(suite, case, options.dtype, settings)


def _judge_on(bench: _Bench, suite: Suite, seat: _Seat, options: Options) -> _Judge:
    return lambda case, settings: bench.run_one(suite, _task(suite, seat, options, case, settings, 0))


def _explain_here(suite: Suite, options: Options) -> _Explain:
    def explain(case: AnyCase) -> Outcome:
        outcome = judge_case(suite, case, options.dtype, options.settings)
        return replace(outcome, report=explain_case(outcome.report, suite, case, options))

    return explain


def _explain_on(bench: _Bench, suite: Suite, seat: _Seat, options: Options) -> _Explain:
    def explain(case: AnyCase) -> Outcome:
        task = _task(suite, seat, options, case, options.settings, 0)
        outcome = bench.run_one(suite, replace(task, witnesses=options.seed))
        # Other cases, which are asked for the cause, may hang or crash where this one does not.
        return bench.run_one(suite, task) if outcome.lost else outcome

    return explain


def explain_case(report: SubjectReport, suite: Suite, case: AnyCase, options: Options) -> SubjectReport:
    """Return the report of one case of a suite with the causes of its failures, for which other cases are asked."""
    return explain_suite_case(report, suite, case, options.seed, options.dtype)


def _task(suite: Suite, seat: _Seat, options: Options, case: AnyCase, settings: Settings, number: int) -> Task:
    drawn = case.drawn if isinstance(case, DrawnCase) else None
    command = reproduce_command(suite, case, options.dtype) or _rerun_command(suite, options)
    return Task(seat.number, number, suite.name, case.id, drawn, options.dtype, settings, command, seat.source)


def check_apart(suite: Suite, case: Case, options: Options, crew: Crew) -> SubjectReport:
    """Check one case of a suite where a crew runs it.

    Raises
    ------
    ValueError
        If the crew cannot find the suite.
    """
    seat = _Seat(0, source_of(suite) if crew.needs_source else None)
    return _explain_on(_Bench(crew, NoRecords()), suite, seat, options)(case).report


def _run_here(tally: _Tally, corners: Sequence[Case], options: Options, progress: Progress) -> None:
    """Run the corners and then drawn cases, until one of these fails."""
    for case in corners:
        tally.add(case)
        progress.advance()

    def first(case: AnyCase) -> str | None:
        check = tally.add(case)
        progress.advance()
        return check

    for batch in batches(options.examples, options.seed):
        if _search(tally, batch, first):
            break


@dataclass(frozen=True)
class _Place:
    """Where in its batch a drawn case stands."""

    case: AnyCase
    batch: Batch | None
    index: int


def _run_plan(
    tally: _Tally,
    corners: Sequence[Case],
    options: Options,
    progress: Progress,
    bench: _Bench,
    seat: _Seat,
) -> None:
    """Run the corners and all drawn cases; then search for the smallest that fails as the first that failed."""
    settings = replace(options.settings, take_apart=False)
    places: dict[int, _Place] = {}

    def tasks() -> Iterator[Task]:
        for number, one in enumerate(_plan(tally.suite, corners, options)):
            places[number] = one
            yield _task(tally.suite, seat, options, one.case, settings, number)

    failed: tuple[_Place, str] | None = None
    for task, outcome in bench.run(tally.suite, tasks()):
        one = places.pop(task.number)
        check = tally.count(one.case, outcome)
        progress.advance()
        if check is not None and one.batch is not None and failed is None:
            failed = one, check
        if len(tally.lost_cases) == LOST_CASES:
            break
    if failed is not None:
        _search_again(tally, *failed)


def _plan(suite: Suite, corners: Sequence[Case], options: Options) -> Iterator[_Place]:
    for number, corner in enumerate(corners):
        yield _Place(corner, None, number)
    for batch in batches(options.examples, options.seed):
        for index, case in enumerate(draw_batch(suite, batch)):
            yield _Place(case, batch, index)


def _search_again(tally: _Tally, failed: _Place, check: str) -> None:
    """Draw the batch of a case that failed again, and search for a smaller one."""
    assert failed.batch is not None
    seen = -1

    def first(case: AnyCase) -> str | None:
        nonlocal seen
        seen += 1
        return check if seen == failed.index and case.id == failed.case.id else None

    _search(tally, failed.batch, first)


def _rerun_command(suite: Suite, options: Options) -> str:
    """Return the command (or snippet) that draws the same cases again."""
    if suite.origin is None:
        given = f", dtype={options.dtype!r}" if options.dtype else ""
        return f"gradcheck.check(suite, seed={options.seed}, examples={options.examples}{given})"
    precision = ["--dtype", options.dtype] if options.dtype else []
    numbers = ["--seed", str(options.seed), "--examples", str(options.examples)]
    return shlex.join(["gradcheck", "verify", suite.origin, *numbers, *precision])


class _Tally:
    """The sum of all cases of one suite."""

    def __init__(self, suite: Suite, options: Options, judge: _Judge, explain: _Explain) -> None:
        self.suite = suite
        self._judge = judge
        self._explain = explain
        self._options = options
        self._settings = replace(options.settings, take_apart=False)
        self._evaluations = Evaluations()
        self._verdicts: dict[Verdict, int] = dict.fromkeys(VERDICTS, 0)
        self._conditions = dict.fromkeys(suite.kind.conditions if suite.kind else (), 0)
        self._resolution: float | None = None
        self._masked = 0.0
        self._vacuous: dict[str, int] = {}
        self._live: set[str] = set()
        self._unclear = 0
        self._notes: dict[str, int] = {}
        self._checks: dict[str, Evaluations] = {}
        self._limits = set(suite.limits.configs)
        self._without: dict[str, str] = {}
        self._failing: dict[str, AnyCase] = {}
        self._found: dict[str, Failure] = {}
        self._smallest = ""
        self._habits = _Habits()
        self.passed: list[AnyCase] = []
        self.lost_cases: list[Failure] = []

    @property
    def cases(self) -> int:
        return sum(self._verdicts.values())

    def fails(self, case: AnyCase, check: str) -> bool:
        """Return whether a case fails a check, without counting it; one that does is the example of it from now on."""
        found = next((failure for failure in self._check(case).report.failures if failure.check == check), None)
        if found is not None:
            self._failing[check], self._found[check] = case, found
        return found is not None

    def add(self, case: AnyCase) -> str | None:
        """Check a case and count it; return the check that it fails: that of the gradient first."""
        return self.count(case, self._judge(case, self._settings))

    def count(self, case: AnyCase, outcome: Outcome) -> str | None:
        """Count a case; return the check that it fails, unless it never came to an end."""
        report = outcome.report
        self._book(report)
        self._habits.add(outcome)
        self._verdicts[report.verdict] += 1
        if outcome.lost:
            self.lost_cases += report.failures
            return None
        if report.verdict == "passed" and len(self.passed) < CANARY_CASES:
            self.passed.append(case)
        self._limits |= set(report.limits)
        self._without |= report.without
        for condition in outcome.met:
            self._conditions[condition] += 1
        if report.resolution is not None:
            self._resolution = max(self._resolution or 0.0, report.resolution)
        self._masked += report.masked
        for name in report.vacuous:
            self._vacuous[name] = self._vacuous.get(name, 0) + 1
        if report.verdict != "error":
            self._live |= outcome.names - set(report.vacuous)
        if report.verdict == "inconclusive" and not report.vacuous:
            self._unclear += 1
            for note in report.notes:
                self._notes[note] = self._notes.get(note, 0) + 1
        failed = sorted((failure.check for failure in report.failures), key=lambda check: check not in _VALUES)
        for failure in report.failures:
            self._failing.setdefault(failure.check, case)
            self._found.setdefault(failure.check, failure)
        return failed[0] if failed else None

    @property
    def lost(self) -> tuple[Failure, ...]:
        """The first case lost in each way."""
        return tuple({failure.check: failure for failure in reversed(self.lost_cases)}.values())

    def report_so_far(self, seconds: float) -> SubjectReport:
        """Return the sum when there is no time to look for the smallest failing case."""
        report = self.report((*self._found.values(), *self.lost))
        verdict: Verdict = "inconclusive" if report.verdict == "passed" else report.verdict
        cut = f"the run was interrupted after {self.cases:,} cases"
        return replace(report, verdict=verdict, notes=(cut, *report.notes), seconds=seconds)

    def report(self, failures: tuple[Failure, ...]) -> SubjectReport:
        """Return the sum; `failures` come from the smallest failing case."""
        never_live = tuple(name for name in self._vacuous if name not in self._live)
        return SubjectReport(
            self.suite.name,
            self.suite.kind_name,
            self._verdict(never_live),
            self.cases,
            0.0,
            self._evaluations,
            self._resolution,
            self._masked / max(self.cases, 1),
            dict(self._conditions),
            failures,
            tuple(self._describe(never_live)),
            never_live,
            dict(self._checks),
            tuple(sorted(self._limits)),
            dict(self._without),
        )

    def take_apart(self) -> tuple[Failure, ...]:
        """Check the example of each failed check again, in full."""
        failures: dict[str, tuple[Failure, ...]] = {}
        for check, case in sorted(self._failing.items(), key=lambda item: item[0] not in _VALUES):
            if check in failures:
                continue
            outcome = self._explain(case)
            report = replace(outcome.report, failures=(self._found[check],)) if outcome.lost else outcome.report
            if isinstance(case, DrawnCase):
                again = _rerun_command(self.suite, self._options)
                report = replace(report, failures=tuple(replace(f, reproduce=again) for f in report.failures))
                self._smallest = str(case)
            self._book(report)
            if not report.failures:
                once = f"failed {check!r} once, and not when it was repeated: answers change from run to run"
                failures[check] = (Failure("deterministic", case.id, once),)
            for name in dict.fromkeys(failure.check for failure in report.failures):
                failures.setdefault(name, tuple(one for one in report.failures if one.check == name))
        return tuple(failure for found in failures.values() for failure in found)

    def _check(self, case: AnyCase) -> Outcome:
        outcome = self._judge(case, self._settings)
        self._book(outcome.report)
        return outcome

    def _book(self, report: SubjectReport) -> None:
        self._evaluations += report.evaluations
        for check, spent in report.checks.items():
            self._checks[check] = self._checks.get(check, Evaluations()) + spent

    def _verdict(self, never_live: tuple[str, ...]) -> Verdict:
        if self._verdicts["error"] or self._verdicts["failed"]:
            return "failed" if self._verdicts["failed"] else "error"
        # A gradient that is zero in one case is seen in another; only what never was seen counts against the suite.
        unclear = self._unclear > INCONCLUSIVE_SHARE * max(self.cases, 1)
        return "inconclusive" if unclear or never_live or not self.cases else "passed"

    def _describe(self, never_live: tuple[str, ...]) -> Iterator[str]:
        if self.suite.limits.configs and not self.cases:
            words = ", ".join(self.suite.limits.configs)
            yield f"the limits ({words}) leave no configuration of {self.suite.kind_name}; is one of them too narrow?"
        if self._smallest:
            yield f"the smallest failing primals: {self._smallest}"
        for name in never_live:
            yield (
                f"the gradient of {name!r} was zero on both sides in every case, which tells nothing: is every unit "
                f"dead, is the softmax over one class, is the output normalised?"
            )
        if self._unclear:
            yield f"{self._unclear} of {self.cases} cases could not be judged in full"
        if self._verdicts["failed"] or self._verdicts["error"]:
            yield f"{self._verdicts['failed'] + self._verdicts['error']} of {self.cases} cases failed"
        if len(self.lost_cases) == LOST_CASES:
            yield f"{counted(LOST_CASES, 'case')} never came to an end; the others were not run"
        yield from self._habits.describe()
        for note, count in sorted(self._notes.items(), key=lambda item: -item[1])[:2]:
            yield f"{note} ({count} {'case' if count == 1 else 'cases'})"
        never = [name for name, count in self._conditions.items() if count == 0]
        if never and self.cases and not self._failing:  # drawing ends with the first failure
            yield f"conditions never met: {', '.join(never)}"


class _CaseFailedError(Exception):
    """Tells hypothesis that a case failed."""


class _OutOfTime(BaseException):
    """Ends the search for a smaller failing case."""


def _search(tally: _Tally, batch: Batch, first: Callable[[AnyCase], str | None]) -> bool:
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


def _behaviour(outcomes: Iterable[Outcome]) -> Iterator[str]:
    """Tell what cases did beside computing."""
    habits = _Habits()
    for outcome in outcomes:
        habits.add(outcome)
    return habits.describe()


class _Habits:
    """What cases did beside computing: warnings, output, threads."""

    def __init__(self) -> None:
        self._cases = 0
        self._warnings: dict[str, int] = {}
        self._printed = 0
        self._threads = 0

    def add(self, outcome: Outcome) -> None:
        self._cases += 1
        for text in outcome.warnings:
            if text in self._warnings or len(self._warnings) < _WARNINGS_KEPT:
                self._warnings[text] = self._warnings.get(text, 0) + 1
        self._printed += outcome.printed
        self._threads += outcome.threads > 0

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
