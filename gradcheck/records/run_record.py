"""The result of checks as data; every text, JSON or XML form is derived from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias, get_args

from gradcheck.records.document import Document
from gradcheck.records.field_types import ADDED, LAST, SPARSE, Count, Duration, SchemaOne, Share
from gradcheck.version import __version__

#: From the best to the worst: a run is as good as its worst part.
Verdict: TypeAlias = Literal["passed", "inconclusive", "failed", "error"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

#: What becomes of a planted mistake.
PlantedOutcome: TypeAlias = Literal["caught", "survived", "not applicable"]


@dataclass(frozen=True)
class CaseId:
    """One case, as the few values that determine it; what ``gradcheck replay`` takes.

    Attributes
    ----------
    kind : str or None
        Name of the kind; None for a subject that was given directly.
    config : mapping of str to object
        The configuration of the kind; for a subject that was given directly, the shapes of its primals.
    regime : str or None
        Name of the value regime.
    seed : int
        All random values follow from it.
    """

    kind: str | None
    config: Mapping[str, Any]
    regime: str | None
    seed: Count


@dataclass(frozen=True)
class Evaluations:
    """How often the forward of the subject and its pullback were called.

    Attributes
    ----------
    forward : int
        Calls of the forward, alone or as the first half of `vjp`.
    pullback : int
        Calls of the pullback.
    """

    forward: Count = 0
    pullback: Count = 0

    def __add__(self, other: Evaluations) -> Evaluations:
        return Evaluations(self.forward + other.forward, self.pullback + other.pullback)


@dataclass(frozen=True, kw_only=True)
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

    shape: tuple[Count, ...]
    axes: tuple[Count, ...]
    corner: tuple[Count, ...]
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
    explanation: str = field(metadata=LAST)
    primal: str | None = None
    index: tuple[Count, ...] | None = None
    analytic: float | None = None
    numeric: float | None = None
    error_bar: float | None = None
    wrong_entries: Count | None = None
    entries: Count | None = None
    sampled: bool = False
    cause: str | None = None
    reproduce: str = field(default="", metadata=LAST)
    picture: GradientPicture | None = field(default=None, metadata={**SPARSE, **LAST})


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
        that the weakest case could still have missed; None where no case gave one.
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
        ``"survived"`` or ``"not applicable"``, by slug; empty where none were.
    """

    name: str
    kind: str | None = None
    verdict: Verdict = "passed"
    cases: Count = 1
    seconds: Duration = 0.0
    evaluations: Evaluations = Evaluations()
    resolution: float | None = None
    masked: Share = 0.0
    conditions: Mapping[str, Count] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()
    notes: tuple[str, ...] = ()
    vacuous: tuple[str, ...] = ()
    checks: Mapping[str, Evaluations] = field(default_factory=dict)
    limits: tuple[str, ...] = ()
    without: Mapping[str, str] = field(default_factory=dict)
    canaries: Mapping[str, PlantedOutcome] = field(default_factory=dict, metadata=ADDED)


@dataclass(frozen=True, kw_only=True)
class RunHeader:
    """What the file of a run begins with.

    Attributes
    ----------
    schema : int
        The schema.
    gradcheck : str
        Version of gradcheck that wrote the file.
    """

    schema: SchemaOne = 1
    gradcheck: str = __version__


@dataclass(frozen=True)
class RunRecord(Document):
    """The result of a run of gradcheck.

    Attributes
    ----------
    seed : int
        All random values follow from it.
    subjects : tuple of SubjectReport
        One for each subject, in the order in which they were given.
    """

    header: ClassVar = RunHeader

    seed: Count
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
