"""The result of checks as data; every text, JSON or XML form is derived from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

Verdict: TypeAlias = Literal["passed", "failed", "inconclusive", "error"]

#: From the best to the worst: a run is as good as its worst part.
VERDICTS: tuple[Verdict, ...] = ("passed", "inconclusive", "failed", "error")


class GradientError(AssertionError):
    """A gradient is wrong, or could not be told right; the text is the report.

    Attributes
    ----------
    report : Report
        The evidence.
    """

    def __init__(self, report: Report) -> None:
        self.report = report
        super().__init__(str(report))


@dataclass(frozen=True)
class CaseId:
    """One case, as the few values that determine it: a kind, its configuration, a value regime and a seed.

    For a subject that was given directly, `kind` is ``None`` and `config` holds the shapes of its primals.
    """

    kind: str | None
    config: Mapping[str, Any]
    regime: str | None
    seed: int


@dataclass(frozen=True)
class Evaluations:
    """How often the subject's forward (alone or as the first half of `vjp`) and its pullback were called."""

    forward: int = 0
    pullback: int = 0

    def __add__(self, other: Evaluations) -> Evaluations:
        return Evaluations(self.forward + other.forward, self.pullback + other.pullback)


@dataclass(frozen=True)
class GradientPicture:
    """The surroundings of the worst entry of a wrong gradient, to be drawn.

    Attributes
    ----------
    shape : tuple of int
        Of the whole gradient.
    axes : tuple of int
        The axes shown, rows first: the last two that have more than one entry. A vector has one, a number none.
    corner : tuple of int
        Index of the first entry that is shown. Along axes that are not shown it is that of the worst entry.
    analytic, numeric, error_bar : tuple of tuple of float
        The values, row by row.
    steps, differences : tuple of float
        Steps of the ε-difference, and what it gives for the worst entry with each.
    """

    shape: tuple[int, ...]
    axes: tuple[int, ...]
    corner: tuple[int, ...]
    analytic: tuple[tuple[float, ...], ...]
    numeric: tuple[tuple[float, ...], ...]
    error_bar: tuple[tuple[float, ...], ...]
    steps: tuple[float, ...]
    differences: tuple[float, ...]


@dataclass(frozen=True)
class Failure:
    """One thing that is wrong, with its evidence.

    Attributes
    ----------
    check : str
        Slug of the check that failed: ``"gradient"``, ``"kink"``, ``"precision"``, ``"linear"``, ``"shape"``, …
    case : CaseId
        The smallest case found that shows it.
    primal : str or None
        Name of the primal whose gradient is wrong; None where the failure is not about one gradient.
    index : tuple of int or None
        The worst entry.
    analytic, numeric, error_bar : float or None
        Both values of that entry and the error bar of the numeric one (where `index` is None: of the projection
        onto a random direction).
    wrong_entries : int or None
        How many entries of the gradient are wrong; an estimate from a sample where `sampled` is true.
    entries : int or None
        How many entries the gradient has.
    sampled : bool
        Whether `wrong_entries` was estimated.
    cause : str or None
        Stable slug of the cause, where one was found.
    explanation : str
        One sentence.
    reproduce : str
        Command or snippet that shows this failure again.
    picture : GradientPicture or None
        What to draw of it, where pictures were asked for and there is a worst entry.
    """

    check: str
    case: CaseId
    explanation: str
    primal: str | None = None
    index: tuple[int, ...] | None = None
    analytic: float | None = None
    numeric: float | None = None
    error_bar: float | None = None
    wrong_entries: int | None = None
    entries: int | None = None
    sampled: bool = False
    cause: str | None = None
    reproduce: str = ""
    picture: GradientPicture | None = None


@dataclass(frozen=True)
class SubjectReport:
    """What is known of one subject (or of one kind over many cases).

    Attributes
    ----------
    name : str
    kind : str or None
    verdict : {"passed", "failed", "inconclusive", "error"}
    cases : int
        Cases that were checked.
    seconds : float
        Wall time.
    evaluations : Evaluations
        All calls, those of the search for the smallest failing case among them.
    resolution : float or None
        Largest error of a single gradient entry, relative to the root mean square entry of the same gradient,
        that the weakest case could still have missed. None where no case gave one.
    masked : float
        Share of (gradient entries × outputs) that no smooth difference could judge, in [0, 1]; the mean of all cases.
    conditions : mapping of str to int
        In how many cases each named condition was met; 0 shows a condition that never was.
    failures : tuple of Failure
    notes : tuple of str
        What a reader should know beside the verdict: conventions found at kinks and ties, gradients that were zero
        on both sides, why nothing could be told.
    vacuous : tuple of str
        Primals whose gradient was zero on both sides in every case.
    checks : mapping of str to Evaluations
        The calls that each check made.
    limits : tuple of str
        What the subject declares not to promise.
    without : mapping of str to str
        Checks that were switched off, with the reason for each.
    canaries : mapping of str to str
        What became of mistakes that were planted to see whether the run would have shown them: ``"caught"``,
        ``"survived"`` or ``"not applicable"``, by slug. Empty where none were.
    """

    name: str
    kind: str | None = None
    verdict: Verdict = "passed"
    cases: int = 1
    seconds: float = 0.0
    evaluations: Evaluations = Evaluations()
    resolution: float | None = None
    masked: float = 0.0
    conditions: Mapping[str, int] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()
    notes: tuple[str, ...] = ()
    vacuous: tuple[str, ...] = ()
    checks: Mapping[str, Evaluations] = field(default_factory=dict)
    limits: tuple[str, ...] = ()
    without: Mapping[str, str] = field(default_factory=dict)
    canaries: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """The result of a run: one `SubjectReport` per subject. ``print(report)`` shows it as text."""

    seed: int
    subjects: tuple[SubjectReport, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of all subjects."""
        return max((subject.verdict for subject in self.subjects), key=VERDICTS.index, default="passed")

    @property
    def passed(self) -> bool:
        """Whether every subject passed."""
        return self.verdict == "passed"

    @property
    def failures(self) -> tuple[Failure, ...]:
        """The failures of all subjects, in their order."""
        return tuple(failure for subject in self.subjects for failure in subject.failures)

    def with_reproduce(self, reproduce: str) -> Report:
        """Return this report with `reproduce` in every failure that has none."""
        return replace(
            self,
            subjects=tuple(
                replace(
                    subject,
                    failures=tuple(replace(f, reproduce=f.reproduce or reproduce) for f in subject.failures),
                )
                for subject in self.subjects
            ),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data, in the schema of ``gradcheck/reports/schema.json``."""
        from gradcheck.records.report_json import report_to_dict

        return report_to_dict(self)

    def to_json(self) -> str:
        """Return the report as JSON text."""
        from gradcheck.records.report_json import report_to_json

        return report_to_json(self)

    def to_html(self) -> str:
        """Return the report as one HTML page, which takes the packages of the extra ``report``."""
        from gradcheck.reports.html.page import report_to_html

        return report_to_html(self)

    def __str__(self) -> str:
        from gradcheck.reports.text import report_to_text

        return report_to_text(self)
