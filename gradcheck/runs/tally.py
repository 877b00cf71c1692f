"""The sum of all cases of one suite, and the example of each check that fails."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gradcheck.messages import counted
from gradcheck.records.run_record import VERDICTS, Evaluations, Failure, SubjectReport, Verdict
from gradcheck.runs.judges import Judge, rerun_command
from gradcheck.runs.plan import Options
from gradcheck.runs.result import Result
from gradcheck.runs.side_effects import SideEffects
from gradcheck.suites.suite import AnyCase, DrawnCase, Suite

#: A kind of which more cases than this share could not be judged is inconclusive.
INCONCLUSIVE_SHARE = 0.1
#: In so many cases that passed a mistake is planted until it is caught.
MUTANT_CASES = 6
#: A suite of which so many cases hung or crashed is not run further.
LOST_CASES = 20
#: What is looked at first where a case fails several checks.
_VALUES = ("gradient", "kink")


class Tally:
    """The sum of all cases of one suite."""

    def __init__(self, suite: Suite, options: Options, judge: Judge) -> None:
        self.suite = suite
        self._judge = judge
        self._options = options
        self.settings = replace(options.settings, take_apart=False)
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
        self._habits = SideEffects()
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
        return self.count(case, self._judge.judge(case, self.settings))

    def count(self, case: AnyCase, result: Result) -> str | None:
        """Count a case; return the check that it fails, unless it never came to an end."""
        report = result.report
        self._book(report)
        self._habits.add(result)
        self._verdicts[report.verdict] += 1
        if result.lost:
            self.lost_cases += report.failures
            return None
        if report.verdict == "passed" and len(self.passed) < MUTANT_CASES:
            self.passed.append(case)
        self._limits |= set(report.limits)
        self._without |= report.without
        for condition in result.met:
            self._conditions[condition] += 1
        if report.resolution is not None:
            self._resolution = max(self._resolution or 0.0, report.resolution)
        self._masked += report.masked
        for name in report.vacuous:
            self._vacuous[name] = self._vacuous.get(name, 0) + 1
        if report.verdict != "error":
            self._live |= result.names - set(report.vacuous)
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

    @property
    def is_given_up(self) -> bool:
        """Whether so many cases were lost that no other is run."""
        return len(self.lost_cases) == LOST_CASES

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
            result = self._judge.explain(case)
            report = replace(result.report, failures=(self._found[check],)) if result.lost else result.report
            if isinstance(case, DrawnCase):
                again = rerun_command(self.suite, self._options)
                report = replace(report, failures=tuple(replace(f, reproduce=again) for f in report.failures))
                self._smallest = str(case)
            self._book(report)
            if not report.failures:
                once = f"failed {check!r} once, and not when it was repeated: answers change from run to run"
                failures[check] = (Failure("deterministic", case.id, once),)
            for name in dict.fromkeys(failure.check for failure in report.failures):
                failures.setdefault(name, tuple(one for one in report.failures if one.check == name))
        return tuple(failure for found in failures.values() for failure in found)

    def _check(self, case: AnyCase) -> Result:
        result = self._judge.judge(case, self.settings)
        self._book(result.report)
        return result

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
        if self.is_given_up:
            yield f"{counted(LOST_CASES, 'case')} never came to an end; the others were not run"
        yield from self._habits.describe()
        for note, count in sorted(self._notes.items(), key=lambda item: -item[1])[:2]:
            yield f"{note} ({count} {'case' if count == 1 else 'cases'})"
        never = [name for name, count in self._conditions.items() if count == 0]
        if never and self.cases and not self._failing:  # drawing ends with the first failure
            yield f"conditions never met: {', '.join(never)}"
