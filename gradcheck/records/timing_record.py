"""What timing numeric against analytic gradients found, as data; every text or picture of it is derived from this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, TypeAlias, get_args

from gradcheck.records.document import Document
from gradcheck.records.field_types import Count, Duration, Expected, Positive, SchemaOne
from gradcheck.records.run_record import Evaluations

#: What is timed: the forward alone; the forward and its pullback; the ε-difference, two evaluations for each entry; the
#: projected check of the whole gradient.
Way: TypeAlias = Literal["forward", "analytic", "numeric", "projected"]
#: What grows: seconds, calls of the forward, or seconds as a multiple of the forward at the same size.
Quantity: TypeAlias = Literal["seconds", "evaluations", "relative"]

WAYS: tuple[Way, ...] = get_args(Way)
QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Where times were taken.

    Attributes
    ----------
    gradcheck, python, numpy : str
        Versions.
    blas : str
        Name and version of the library behind NumPy's matrix products, as NumPy was built.
    platform, processor : str
    cores : int
        Logical processors that this process may use.
    threads : int or None
        Threads of BLAS; None where nothing limits them.
    threads_known_from : str
        How that is known.
    """

    gradcheck: str
    python: str
    numpy: str
    blas: str
    platform: str
    processor: str
    cores: Positive
    threads: Positive | None
    threads_known_from: str


@dataclass(frozen=True, kw_only=True)
class Timing:
    """What one way to a gradient costs at one size.

    Attributes
    ----------
    way : {"forward", "analytic", "numeric", "projected"}
        The forward alone; forward and pullback; the ε-difference, two forwards for each entry; the projected check.
    seconds : float
        Median of the rounds, or, where `computed`, evaluations × the forward's `seconds`.
    spread : float
        Median absolute deviation from it, in seconds; of a computed time that of the forward, scaled alike.
    rounds : int
        Rounds that were measured; 0 where `computed`.
    evaluations : Evaluations
        Calls of the forward and of the pullback that it takes once: counted where it was measured.
    computed : bool
        Whether the time was not measured because it would have exceeded the budget.
    ratio : float
        `seconds` as a multiple of one forward and backward (the way ``"analytic"``).
    """

    way: Way
    seconds: float
    spread: float
    rounds: Count
    evaluations: Evaluations
    computed: bool
    ratio: float


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """All ways at one size.

    Attributes
    ----------
    config : mapping of str to object
        The configuration of the layer; of a subject given directly, the shapes of its primals.
    entries : int
        Entries of all primals, inputs and parameters: so many derivatives are wanted.
    outputs : int
        Entries of all outputs.
    timings : tuple of Timing
        One for each way, in the order of `WAYS`.
    """

    config: Mapping[str, Any]
    entries: Positive
    outputs: Count
    timings: tuple[Timing, ...]

    def timing(self, way: Way) -> Timing:
        """Return what one way costs."""
        return next(timing for timing in self.timings if timing.way == way)


@dataclass(frozen=True, kw_only=True)
class GrowthFit:
    """The exponent p in ``cost ∝ entries^p``: a straight line through the logarithms, by least squares.

    Attributes
    ----------
    way : {"forward", "analytic", "numeric", "projected"}
    quantity : {"seconds", "evaluations", "relative"}
        What grows; ``"relative"`` is seconds as a multiple of the forward.
    exponent : float
    low, high : float or None
        95 % confidence interval (Student's t); None where two sizes leave nothing to estimate it from.
    sizes : int
        Sizes that went into it: those that were measured, if there are three at least.
    computed : int
        How many of them were computed, not measured.
    """

    way: Way
    quantity: Quantity
    exponent: float
    low: float | None
    high: float | None
    sizes: Annotated[int, Expected("a whole number from 2", 2)]
    computed: Count


@dataclass(frozen=True, kw_only=True)
class SubjectTiming:
    """What the ways to the gradient of one subject cost, over a range of sizes.

    Attributes
    ----------
    name : str
    kind : str or None
    measurements : tuple of Measurement
        By number of entries. Empty where the subject could not be timed.
    growth : tuple of GrowthFit
        One for each way and quantity; empty with less than two sizes.
    notes : tuple of str
        What a reader should know beside the figures.
    """

    name: str
    kind: str | None
    measurements: tuple[Measurement, ...]
    growth: tuple[GrowthFit, ...]
    notes: tuple[str, ...] = ()

    def fit(self, way: Way, quantity: Quantity) -> GrowthFit | None:
        """Return how one quantity grows, where that was fitted."""
        return next((fit for fit in self.growth if (fit.way, fit.quantity) == (way, quantity)), None)


@dataclass(frozen=True, kw_only=True)
class TimingHeader:
    """What the file of a timing begins with.

    Attributes
    ----------
    timing : int
        The schema.
    """

    timing: SchemaOne = 1


@dataclass(frozen=True, kw_only=True)
class TimingRecord(Document):
    """The result of ``gradcheck time``.

    Attributes
    ----------
    seed : int
        All random values follow from it.
    budget : float
        Seconds that the run was given.
    rounds : int
        Interleaved rounds at each size.
    environment : Environment
        Where times were taken.
    subjects : tuple of SubjectTiming
        One for each subject that was timed.
    """

    header: ClassVar = TimingHeader

    seed: Count
    budget: Duration
    rounds: Positive
    environment: Environment
    subjects: tuple[SubjectTiming, ...]
