"""The sum of all cases of one suite, and the example of each check that fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

from gradcheck.messages import counted
from gradcheck.records.run_record import VERDICTS, Evaluations, Failure, SubjectReport, Verdict
from gradcheck.runs.result import Result
from gradcheck.runs.side_effects import SideEffects
from gradcheck.suites.suite import AnyCase, Suite

#: A suite of which more cases than this share could not be judged is inconclusive.
INCONCLUSIVE_SHARE = 0.1
#: In so many cases that passed, mutants are planted until they are killed.
MUTANT_CASES = 6
#: A suite of which so many cases hung or crashed is not run further.
LOST_CASES = 20
#: What is looked at first where a case fails several checks.
_VALUES = ("gradient", "kink")


def values_first(checks: Iterable[str]) -> list[str]:
    """Return checks in their order, but those of gradient values before all others."""
    return sorted(checks, key=lambda check: check not in _VALUES)


class Tally:
    """The sum of all cases of one suite.

    Attributes
    ----------
    suite : Suite
    examples : dict of str to (case, Failure)
        For each check that failed a case that fails it, and how: the first one, or the smallest found since.
    passed : list of case
        Some of the cases that passed.
    lost_cases : list of Failure
        Of cases that never came to an end.
    smallest_drawn : str
        The values of the smallest failing case that a strategy drew, where they can be read.
    """

    def __init__(self, suite: Suite) -> None:
        self.suite = suite
        self.examples: dict[str, tuple[AnyCase, Failure]] = {}
        self.passed: list[AnyCase] = []
        self.lost_cases: list[Failure] = []
        self.smallest_drawn = ""
        self._evaluations = Evaluations()
        self._checks: dict[str, Evaluations] = {}
        self._verdicts: Counter[Verdict] = Counter(dict.fromkeys(VERDICTS, 0))
        self._conditions = dict.fromkeys(suite.kind.conditions if suite.kind else (), 0)
        self._resolution: float | None = None
        self._masked = 0.0
        self._vacuous: dict[str, None] = {}
        self._live: set[str] = set()
        self._unclear = 0
        self._notes: Counter[str] = Counter()
        self._limits = set(suite.limits.configs)
        self._without: dict[str, str] = {}
        self._side_effects = SideEffects()

    @property
    def cases(self) -> int:
        """The number of cases counted."""
        return self._verdicts.total()

    def count(self, case: AnyCase, result: Result) -> str | None:
        """Count a case; return the check that it fails, that of the gradient first, unless it never came to an end."""
        report = result.report
        self.add_calls(report)
        self._side_effects.add(result)
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
        self._vacuous |= dict.fromkeys(report.vacuous)
        if report.verdict != "error":
            self._live |= result.names - set(report.vacuous)
        if report.verdict == "inconclusive" and not report.vacuous:
            self._unclear += 1
            self._notes.update(report.notes)
        for failure in report.failures:
            self.examples.setdefault(failure.check, (case, failure))
        return next(iter(values_first(failure.check for failure in report.failures)), None)

    def add_calls(self, report: SubjectReport) -> None:
        """Add the calls of a check, be its case of the plan or not."""
        self._evaluations += report.evaluations
        for check, calls in report.checks.items():
            self._checks[check] = self._checks.get(check, Evaluations()) + calls

    def keep_example(self, case: AnyCase, report: SubjectReport, check: str) -> bool:
        """Make a case that fails a check the example of it; return whether it does."""
        found = next((failure for failure in report.failures if failure.check == check), None)
        if found is not None:
            self.examples[check] = case, found
        return found is not None

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
        report = self.report((*(failure for _, failure in self.examples.values()), *self.lost))
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
        if self.smallest_drawn:
            yield f"the smallest failing primals: {self.smallest_drawn}"
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
        yield from self._side_effects.describe()
        for note, count in self._notes.most_common(2):
            yield f"{note} ({count} {'case' if count == 1 else 'cases'})"
        never = [name for name, count in self._conditions.items() if count == 0]
        if never and self.cases and not self.examples:  # drawing ends with the first failure
            yield f"conditions never met: {', '.join(never)}"
