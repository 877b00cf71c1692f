"""Many cases of many subjects: corners first, then drawn ones; a failure is shrunk to the smallest case."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from gradcheck.adapters import adapt
from gradcheck.canaries import try_canaries
from gradcheck.check import check_subject
from gradcheck.checks.stages import GROUPS, Settings
from gradcheck.diagnosis.explain import Diagnosis, diagnose
from gradcheck.diagnosis.words import explained, is_about_values
from gradcheck.kinds.kind import Case
from gradcheck.reports.json import case_to_dict
from gradcheck.reports.report import VERDICTS, Evaluations, Failure, Report, SubjectReport, Verdict
from gradcheck.sentences import told
from gradcheck.subject import Arrays, Deferred, Subject
from gradcheck.suite import AnyCase, BuildError, DrawnCase, Suite
from gradcheck.witnesses import case_draws, neighbours, subject_draws, with_other_seeds

if TYPE_CHECKING:
    from hypothesis import Phase
    from hypothesis.strategies import SearchStrategy

#: A search for a smaller failing case ends after so many seconds.
SHRINK_SECONDS = 20.0
#: A kind of which more cases than this share could not be judged is inconclusive.
INCONCLUSIVE_SHARE = 0.1
#: In so many cases that passed a mistake is planted until it is caught.
CANARY_CASES = 6
#: So many cases beside the corner cases are asked for the cause of a failure.
_WITNESSES = 30
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


def run(
    items: Sequence[Suite | Subject | Deferred], options: Options | None = None, progress: Progress | None = None
) -> Report:
    """Run every case of every suite, and every subject.

    Parameters
    ----------
    items : sequence of Suite, Subject or Deferred
    options : Options, optional
    progress : Progress, optional

    Returns
    -------
    Report
        One entry per item.
    """
    options, progress = options or Options(), progress or _Silent()
    reports = []
    for item in items:
        report = _run_suite(item, options, progress) if isinstance(item, Suite) else _run_one(item, options, progress)
        progress.end(report)
        reports.append(report)
    return Report(options.seed, tuple(reports))


def _run_one(item: Subject | Deferred, options: Options, progress: Progress) -> SubjectReport:
    progress.begin(item.name, 1)
    subject = item.make() if isinstance(item, Deferred) else item
    if options.dtype is not None:
        primals = {name: array.astype(options.dtype) for name, array in subject.primals.items()}
        command = f"{subject.reproduce} --dtype {options.dtype}" if subject.reproduce else ""
        subject = replace(subject, primals=primals, reproduce=command)
    report = explain_subject(check_subject(subject, options.seed, options.settings), subject, options.seed)
    progress.advance()
    return _with_canaries(report, [(subject, options.seed)], options)


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


def _run_suite(suite: Suite, options: Options, progress: Progress) -> SubjectReport:
    begun = time.perf_counter()
    corners = list(corner_cases(suite, options.seed)) if options.corners else []
    progress.begin(suite.name, len(corners) + options.examples)
    tally = _Tally(suite, options)
    for case in corners:
        tally.add(case)
        progress.advance()
    _draw(tally, options, progress)
    failures = tally.take_apart()
    report = replace(tally.report(failures), seconds=time.perf_counter() - begun)
    dtype = None if options.dtype is None else np.dtype(options.dtype)
    return _with_canaries(report, ((suite.subject(case, dtype), case.seed) for case in tally.passed), options)


def corner_cases(suite: Suite, seed: int) -> Iterator[Case]:
    """Return every corner configuration, brought within the limits, in every regime, each with a seed of its own."""
    if suite.kind is None:
        return
    rng = np.random.default_rng(seed)
    configs = suite.kind.corners
    if suite.limits.configs:
        configs = tuple(dict.fromkeys(map(suite.limits.apply, configs)))
        configs = tuple(config for config in configs if _is_valid(suite, config))
    for config in configs:
        for regime in suite.kind.regimes:
            yield Case(suite.kind, config, regime, int(rng.integers(2**31)))


def drawn_cases(suite: Suite) -> SearchStrategy[AnyCase]:
    """Return a strategy of the cases of a suite."""
    from hypothesis import strategies as st

    seeds = st.integers(0, 2**31 - 1)
    if suite.kind is None:
        assert suite.strategy is not None
        return st.builds(DrawnCase, suite.strategy, seeds)
    configs = suite.kind.configs()
    if suite.limits.configs:
        configs = configs.map(suite.limits.apply).filter(lambda config: _is_valid(suite, config))
    return st.builds(Case, st.just(suite.kind), configs, st.sampled_from(suite.kind.regimes), seeds)


def _is_valid(suite: Suite, config: Any) -> bool:
    """Whether a config keeps the limits and is one of the kind: the reference layer takes it."""
    kind = suite.kind
    if kind is None or not suite.limits.allow(config):
        return False
    try:
        primals = Case(kind, config, kind.regimes[0], 0).primals()
        outputs, _ = adapt(kind.build(config, primals), primals).vjp(primals)
    except (ValueError, TypeError, LookupError, ArithmeticError):
        return False
    return all(bool(np.isfinite(output).all()) for output in (outputs if isinstance(outputs, tuple) else (outputs,)))


def check_case(suite: Suite, case: AnyCase, dtype: str | None, settings: Settings) -> SubjectReport:
    """Check one case of a suite; a builder that raises is reported, not raised."""
    return _check_built(suite, case, dtype, settings)[0]


def _check_built(
    suite: Suite, case: AnyCase, dtype: str | None, settings: Settings
) -> tuple[SubjectReport, frozenset[str]]:
    """Check one case; return the names of the primals too, which the builder may have chosen."""
    names: frozenset[str] = frozenset()
    try:
        subject = suite.subject(case, None if dtype is None else np.dtype(dtype))
    except Exception as error:
        sentence = str(error) if isinstance(error, BuildError) else f"the case cannot be made: {told(error)}"
        report = SubjectReport(suite.name, suite.kind_name, "error", failures=(Failure("build", case.id, sentence),))
    else:
        report = check_subject(subject, case.seed, settings, case.id)
        names = frozenset(subject.primals)
    if isinstance(case, DrawnCase):  # only the whole run leads to it again
        return report, names
    command = reproduce_command(suite, case, dtype)
    return replace(report, failures=tuple(replace(f, reproduce=command) for f in report.failures)), names


def explain_subject(report: SubjectReport, subject: Subject, seed: int) -> SubjectReport:
    """Return the report of a subject with the causes of its failures."""
    return _explained(report, lambda: diagnose(subject_draws(subject, seed)))


def explain_case(report: SubjectReport, suite: Suite, case: AnyCase, options: Options) -> SubjectReport:
    """Return the report of one case of a suite with the causes of its failures, for which other cases are asked."""
    dtype = None if options.dtype is None else np.dtype(options.dtype)

    def diagnosis() -> Diagnosis:
        if isinstance(case, DrawnCase):
            return diagnose(subject_draws(suite.subject(case, dtype), case.seed))
        usual, unusual = _witnesses(suite, case, options.seed + 1)
        return diagnose(
            case_draws(suite, [*with_other_seeds(case), *usual], dtype),
            case.kind.mistakes,
            case_draws(suite, unusual, dtype),
            neighbours(suite, case, lambda config: _is_valid(suite, config), dtype),
        )

    return _explained(report, diagnosis)


def _witnesses(suite: Suite, case: Case, seed: int) -> tuple[list[Case], list[Case]]:
    """Return cases of other configurations, with usual values and with ties, zeros and the like."""
    usual = case.kind.regimes[0]
    corners = list(corner_cases(suite, seed))
    drawn = [one for one in draw_cases(suite, _WITNESSES, seed) if isinstance(one, Case)]
    return (
        [*(one for one in corners if one.regime == usual), *(replace(one, regime=usual) for one in drawn)],
        [*(one for one in corners if one.regime != usual), *(one for one in drawn if one.regime != usual)],
    )


def _explained(report: SubjectReport, diagnosis: Callable[[], Diagnosis]) -> SubjectReport:
    """Return a report with causes; they are looked for only where a value is wrong."""
    found = diagnosis() if any(map(is_about_values, report.failures)) else Diagnosis()
    asked = {"diagnosis": found.evaluations} if found.evaluations != Evaluations() else {}
    return replace(
        report,
        failures=explained(report.failures, found),
        evaluations=report.evaluations + found.evaluations,
        checks={**report.checks, **asked},
    )


def reproduce_command(suite: Suite, case: Case, dtype: str | None = None) -> str:
    """Return the command (or, for a suite that is in no file, the snippet) that runs one case again."""
    data = case_to_dict(case.id)
    if suite.origin is None:
        given = f", dtype={dtype!r}" if dtype else ""
        described = f"{data['config']}, {case.regime!r}, {case.seed}"
        return f"gradcheck.check(suite.subject(suite.case({described})), seed={case.seed}{given})"
    target = ["--target", suite.origin] if suite.origin else []
    precision = ["--dtype", dtype] if dtype else []
    return shlex.join(["gradcheck", "replay", *target, *precision, json.dumps(data)])


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

    def __init__(self, suite: Suite, options: Options) -> None:
        self._suite = suite
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
        self._smallest = ""
        self.passed: list[AnyCase] = []

    @property
    def cases(self) -> int:
        return sum(self._verdicts.values())

    def fails(self, case: AnyCase, check: str) -> bool:
        """Return whether a case fails a check, without counting it; one that does is the example of it from now on."""
        failed = any(failure.check == check for failure in self._check(case)[0].failures)
        if failed:
            self._failing[check] = case
        return failed

    def add(self, case: AnyCase) -> str | None:
        """Check a case and count it; return the check that it fails: that of the gradient first."""
        report, names = self._check(case)
        self._verdicts[report.verdict] += 1
        if report.verdict == "passed" and len(self.passed) < CANARY_CASES:
            self.passed.append(case)
        self._limits |= set(report.limits)
        self._without |= report.without
        if isinstance(case, Case):
            self._count_conditions(case, case.primals())
        if report.resolution is not None:
            self._resolution = max(self._resolution or 0.0, report.resolution)
        self._masked += report.masked
        for name in report.vacuous:
            self._vacuous[name] = self._vacuous.get(name, 0) + 1
        if report.verdict != "error":
            self._live |= names - set(report.vacuous)
        if report.verdict == "inconclusive" and not report.vacuous:
            self._unclear += 1
            for note in report.notes:
                self._notes[note] = self._notes.get(note, 0) + 1
        failed = sorted((failure.check for failure in report.failures), key=lambda check: check not in _VALUES)
        for check in failed:
            self._failing.setdefault(check, case)
        return failed[0] if failed else None

    def report(self, failures: tuple[Failure, ...]) -> SubjectReport:
        """Return the sum; `failures` come from the smallest failing case."""
        never_live = tuple(name for name in self._vacuous if name not in self._live)
        return SubjectReport(
            self._suite.name,
            self._suite.kind_name,
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
            report = check_case(self._suite, case, self._options.dtype, self._options.settings)
            report = explain_case(report, self._suite, case, self._options)
            if isinstance(case, DrawnCase):
                again = _rerun_command(self._suite, self._options)
                report = replace(report, failures=tuple(replace(f, reproduce=again) for f in report.failures))
                self._smallest = str(case)
            self._book(report)
            if not report.failures:
                once = f"failed {check!r} once, and not when it was repeated: answers change from run to run"
                failures[check] = (Failure("deterministic", case.id, once),)
            for name in dict.fromkeys(failure.check for failure in report.failures):
                failures.setdefault(name, tuple(one for one in report.failures if one.check == name))
        return tuple(failure for found in failures.values() for failure in found)

    def _check(self, case: AnyCase) -> tuple[SubjectReport, frozenset[str]]:
        report, names = _check_built(self._suite, case, self._options.dtype, self._settings)
        self._book(report)
        return report, names

    def _book(self, report: SubjectReport) -> None:
        self._evaluations += report.evaluations
        for check, spent in report.checks.items():
            self._checks[check] = self._checks.get(check, Evaluations()) + spent

    def _count_conditions(self, case: Case, primals: Arrays) -> None:
        for name, holds in case.kind.conditions.items():
            self._conditions[name] += bool(holds(case.config, primals))

    def _verdict(self, never_live: tuple[str, ...]) -> Verdict:
        if self._verdicts["error"] or self._verdicts["failed"]:
            return "failed" if self._verdicts["failed"] else "error"
        # A gradient that is zero in one case is seen in another; only what never was seen counts against the suite.
        unclear = self._unclear > INCONCLUSIVE_SHARE * max(self.cases, 1)
        return "inconclusive" if unclear or never_live or not self.cases else "passed"

    def _describe(self, never_live: tuple[str, ...]) -> Iterator[str]:
        if self._suite.limits.configs and not self.cases:
            words = ", ".join(self._suite.limits.configs)
            yield f"the limits ({words}) leave no configuration of {self._suite.kind_name}; is one of them too narrow?"
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
        for note, count in sorted(self._notes.items(), key=lambda item: -item[1])[:2]:
            yield f"{note} ({count} {'case' if count == 1 else 'cases'})"
        never = [name for name, count in self._conditions.items() if count == 0]
        if never and self.cases and not self._failing:  # drawing ends with the first failure
            yield f"conditions never met: {', '.join(never)}"


class _CaseFailedError(Exception):
    """Tells hypothesis that a case failed."""


class _OutOfTime(BaseException):
    """Ends the search for a smaller failing case."""


def draw_cases(suite: Suite, count: int, seed: int) -> list[AnyCase]:
    """Return that many drawn cases."""
    from hypothesis import Phase, given

    cases: list[AnyCase] = []

    @given(drawn_cases(suite))
    def keep(case: AnyCase) -> None:
        cases.append(case)

    if count:
        _settings(count, seed, Phase.generate)(keep)()
    return cases


def _draw(tally: _Tally, options: Options, progress: Progress) -> None:
    """Draw cases; where one fails, search for the smallest that fails the same check."""
    if options.examples == 0:
        return
    from hypothesis import Phase, given
    from hypothesis.errors import Flaky, Unsatisfiable

    smallest: AnyCase | None = None
    check: str | None = None
    deadline = float("inf")

    @_settings(options.examples, options.seed, Phase.generate, Phase.shrink)
    @given(drawn_cases(tally._suite))
    def one_case(case: AnyCase) -> None:
        nonlocal smallest, check, deadline
        if check is None:
            check = tally.add(case)
            failed = check is not None
            progress.advance()
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
        one_case()


def _settings(examples: int, number: int, *phases: Phase) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Return what runs a test of hypothesis on that many examples, all of which follow from a seed."""
    from hypothesis import HealthCheck, Verbosity, seed, settings

    run_so = settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=phases,
        report_multiple_bugs=False,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
    )
    return lambda test: seed(number)(run_so(test))
