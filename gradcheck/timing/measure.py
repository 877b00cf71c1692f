"""The ways to a gradient of a subject, timed and their calls counted."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from gradcheck.checks.one_subject import check_subject
from gradcheck.checks.stages import Settings
from gradcheck.messages import told
from gradcheck.numeric.plain import numeric_gradient
from gradcheck.numeric.precision import precision_of
from gradcheck.records.run_record import Evaluations
from gradcheck.records.timing_record import (
    QUANTITIES,
    WAYS,
    GrowthFit,
    Measurement,
    Quantity,
    SubjectTiming,
    Timing,
    Way,
)
from gradcheck.reports.timing_report import TimingReport
from gradcheck.subject import Array, Deferred, Pullback, Subject
from gradcheck.suites.suite import Suite
from gradcheck.timing.environment import environment
from gradcheck.timing.growth import power_law
from gradcheck.timing.sizes import Sized, sizes_of
from gradcheck.timing.stopwatch import LEAST, Median, Stopwatch

#: What a difference costs beside its two forwards: copies of the array, the sum over the outputs.
_OVERHEAD = 1.3
#: Differences are repeated as long as that takes this part of what there is time for.
_SHORT = 4
#: Where there is time, a sample lasts this part of it, at most so many seconds: what disturbs a moment is averaged out.
_SAMPLES, _LONGEST = 200, 0.05
#: An exponent is that of the measured sizes alone, if there are so many.
_ENOUGH = 3


class Progress(Protocol):
    """Who is told how far a run is."""

    def begin(self, name: str, cases: int) -> None:
        """Something of so many sizes begins."""

    def advance(self) -> None:
        """One size is done."""

    def step(self) -> None:
        """What has begun is done."""


class Silent:
    """Nobody is told."""

    def begin(self, name: str, cases: int) -> None:
        """Do nothing."""

    def advance(self) -> None:
        """Do nothing."""

    def step(self) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class TimeOptions:
    """How a run is timed.

    Attributes
    ----------
    seed : int
        All values follow from it.
    budget : float
        Seconds for the whole run, about: what would exceed them is computed, not measured.
    rounds : int
        Interleaved rounds at each size.

    Raises
    ------
    ValueError
        If the budget is not positive, or there is no round.
    """

    seed: int = 0
    budget: float = 60.0
    rounds: int = 7

    def __post_init__(self) -> None:
        if not 0 < self.budget < float("inf"):
            raise ValueError(f"expected budget to be a positive number of seconds, got budget={self.budget!r}")
        if self.rounds < 1:
            raise ValueError(f"expected at least one round, got rounds={self.rounds!r}")


class Ways:
    """The ways to the gradient of one subject, as calls without arguments, and a count of what they call.

    Attributes
    ----------
    subject : Subject
        Counts its calls.
    cotangent : ndarray or tuple of ndarray
        Weights the outputs: the objective is their weighted sum.
    entries, outputs : int
        Entries of all primals, and of all outputs.
    """

    def __init__(self, subject: Subject, seed: int) -> None:
        self._forwards = self._pullbacks = 0
        self._seed = seed
        self._forward = subject.forward or (lambda primals: subject.vjp(primals)[0])
        self._vjp = subject.vjp
        self.subject = dataclasses.replace(subject, vjp=self._counted_vjp, forward=self._counted_forward)
        #: Copies that the subject may write to, as it may in use.
        self._primals = {name: array.copy() for name, array in subject.primals.items()}
        outputs = self._forward(self._primals)
        rng = np.random.default_rng(seed)
        arrays = [_weights(np.asarray(array), rng) for array in _as_tuple(outputs)]
        self.cotangent: Any = tuple(arrays) if isinstance(outputs, tuple) else arrays[0]
        self.entries = sum(array.size for array in self._primals.values())
        self.outputs = sum(array.size for array in arrays)

    def call(self, way: Way) -> Callable[[], object]:
        """Return one way as a call."""
        return {
            "forward": self.forward,
            "analytic": self.analytic,
            "numeric": self.numeric,
            "projected": self.projected,
        }[way]

    def forward(self) -> Any:
        """Evaluate the outputs."""
        return self._counted_forward(self._primals)

    def analytic(self) -> Any:
        """Evaluate the outputs and pull the cotangent back."""
        _, pullback = self._counted_vjp(self._primals)
        return pullback(self.cotangent)

    def numeric(self) -> dict[str, Array]:
        """Difference the objective entry by entry: two evaluations for each."""
        return {name: self._differenced(name) for name in self._primals}

    def projected(self) -> Any:
        """Run the gradient check, two trials, without contracts."""
        return check_subject(self.subject, self._seed, Settings(contracts=False))

    def counted(self, call: Callable[[], object]) -> Evaluations:
        """Make a call, and return what it called."""
        before = Evaluations(self._forwards, self._pullbacks)
        call()
        return Evaluations(self._forwards - before.forward, self._pullbacks - before.pullback)

    def _differenced(self, name: str) -> Array:
        array = self._primals[name]

        def objective(moved: Array) -> float:
            outputs = _as_tuple(self._counted_forward({**self._primals, name: moved}))
            return float(sum(np.vdot(g, y) for g, y in zip(_as_tuple(self.cotangent), outputs, strict=True)))

        return numeric_gradient(objective, array, precision_of(array.dtype).first_step)

    def _counted_forward(self, primals: Any) -> Any:
        self._forwards += 1
        return self._forward(primals)

    def _counted_vjp(self, primals: Any) -> tuple[Any, Pullback]:
        self._forwards += 1
        outputs, pullback = self._vjp(primals)

        def counted(cotangent: Any) -> Any:
            self._pullbacks += 1
            return pullback(cotangent)

        return outputs, counted


def time_items(
    items: Sequence[Suite | Subject | Deferred],
    options: TimeOptions | None = None,
    progress: Progress | None = None,
    stopwatch: Stopwatch | None = None,
) -> TimingReport:
    """Time the ways to the gradients of several things, each over its sizes.

    Parameters
    ----------
    items : sequence of Suite, Subject or Deferred
    options : TimeOptions, optional
    progress : Progress, optional
    stopwatch : Stopwatch, optional
        Default: that of the computer.

    Returns
    -------
    TimingReport

    Notes
    -----
    The budget is shared out evenly, and what one thing leaves is for those that follow; of the share of one thing each
    size has half of what is left. Forward, analytic gradient and projected check are always measured, in three
    rounds at least; the ε-difference where one round of it fits, and else it is computed.

    Examples
    --------
    >>> def square(primals):
    ...     x = primals["x"]
    ...     return x**2, lambda cotangent: {"x": 2 * x * cotangent}
    >>> report = time_items([Subject("square", {"x": np.array([1.0, -2.0, 3.0])}, square)])
    >>> (size,) = report.subjects[0].measurements
    >>> [(t.way, t.evaluations.forward, t.evaluations.pullback, t.computed) for t in size.timings]
    [('forward', 1, 0, False), ('analytic', 1, 1, False), ('numeric', 6, 0, False), ('projected', 5, 2, False)]
    """
    options, progress, stopwatch = options or TimeOptions(), progress or Silent(), stopwatch or Stopwatch()
    end = stopwatch.now + options.budget
    timed = []
    for left, item in zip(range(len(items), 0, -1), items, strict=True):
        until = stopwatch.now + (end - stopwatch.now) / left
        timed.append(_time_item(item, options, progress, stopwatch, until))
        progress.step()
    return TimingReport(
        seed=options.seed,
        budget=options.budget,
        rounds=options.rounds,
        environment=environment(),
        subjects=tuple(timed),
    )


def _time_item(
    item: Suite | Subject | Deferred, options: TimeOptions, progress: Progress, stopwatch: Stopwatch, until: float
) -> SubjectTiming:
    kind = item.kind_name if isinstance(item, Suite) else None
    measured: list[Measurement] = []
    notes: list[str] = []
    try:
        sizes = sizes_of(item, options.seed)
        progress.begin(item.name, len(sizes))
        for left, size in zip(range(len(sizes), 0, -1), sizes, strict=True):
            # Sizes cost several times more from each to the next: halves leave the larger ones enough.
            share = (until - stopwatch.now) / min(left, 2)
            with np.errstate(all="ignore"):
                measurement, verdict = measure(size, options, stopwatch, share)
            measured.append(measurement)
            if verdict != "passed":
                notes.append(
                    f"at {measurement.entries:,} entries the gradient check says {verdict}: its time holds the search "
                    f"for the reason"
                )
            progress.advance()
    except Exception as error:
        notes.append(f"timing ended after {len(measured)} sizes: {told(error)}")
    growth = growth_of(measured)
    return SubjectTiming(name=item.name, kind=kind, measurements=tuple(measured), growth=growth, notes=tuple(notes))


def measure(size: Sized, options: TimeOptions, stopwatch: Stopwatch, share: float) -> tuple[Measurement, str]:
    """Time every way at one size within about `share` seconds; return that and the verdict of the projected check."""
    until = stopwatch.now + share
    ways = Ways(size.make(), options.seed)
    checked: list[Any] = []
    counts = {
        "forward": ways.counted(ways.forward),
        "analytic": ways.counted(ways.analytic),
        "projected": ways.counted(lambda: checked.append(ways.projected())),
    }
    calls: dict[str, Callable[[], object]] = {way: ways.call(way) for way in WAYS if way != "numeric"}
    quickest = min(stopwatch.sample(ways.forward) for _ in range(3))  # one alone may have been disturbed
    expected = _OVERHEAD * 2 * ways.entries * quickest
    rounds = dict.fromkeys(calls, options.rounds)
    numeric = _Counted(ways)
    if expected <= until - stopwatch.now:
        calls["numeric"] = numeric
        # A long call tells its time in few rounds.
        rounds["numeric"] = min(options.rounds, max(1, int(share / _SHORT / max(expected, 1e-9))))
    times = stopwatch.in_turn(calls, rounds, until, min(max(LEAST, share / _SAMPLES), _LONGEST))
    counts["numeric"] = numeric.evaluations or Evaluations(2 * ways.entries, 0)
    timings = tuple(_timing(way, times, counts[way]) for way in WAYS)
    found = Measurement(config=size.config, entries=ways.entries, outputs=ways.outputs, timings=timings)
    return found, checked[0].verdict


class _Counted:
    """The ε-difference as a call that keeps what it called: one more call for the count alone would be too many."""

    def __init__(self, ways: Ways) -> None:
        self._ways = ways
        self.evaluations: Evaluations | None = None

    def __call__(self) -> None:
        self.evaluations = self._ways.counted(self._ways.numeric)


def _timing(way: Way, times: dict[str, Median], evaluations: Evaluations) -> Timing:
    both = times["analytic"].seconds
    if way in times:
        seconds, spread, rounds = times[way]
    else:
        calls, forward = evaluations.forward, times["forward"]
        seconds, spread, rounds = calls * forward.seconds, calls * forward.spread, 0
    return Timing(
        way=way,
        seconds=seconds,
        spread=spread,
        rounds=rounds,
        evaluations=evaluations,
        computed=way not in times,
        ratio=seconds / both,
    )


def growth_of(measurements: Sequence[Measurement]) -> tuple[GrowthFit, ...]:
    """Fit how each way grows with the number of entries; nothing where there is a single size."""
    if len({measurement.entries for measurement in measurements}) < 2:
        return ()
    return tuple(_fit(measurements, way, quantity) for way in WAYS for quantity in QUANTITIES)


def _fit(measurements: Sequence[Measurement], way: Way, quantity: Quantity) -> GrowthFit:
    measured = [measurement for measurement in measurements if not measurement.timing(way).computed]
    # What was computed repeats what the forward says; it serves where there is nothing else.
    used = measurements if quantity == "evaluations" or len(measured) < _ENOUGH else measured
    exponent = power_law(
        [measurement.entries for measurement in used], [cost(measurement, way, quantity) for measurement in used]
    )
    computed = sum(measurement.timing(way).computed for measurement in used)
    return GrowthFit(
        way=way,
        quantity=quantity,
        exponent=exponent.value,
        low=exponent.low,
        high=exponent.high,
        sizes=len(used),
        computed=computed,
    )


def cost(measurement: Measurement, way: Way, quantity: Quantity) -> float:
    """Return one quantity of one way at one size."""
    timing = measurement.timing(way)
    if quantity == "evaluations":
        return timing.evaluations.forward + timing.evaluations.pullback
    seconds = max(timing.seconds, 1e-12)  # no clock is finer than that
    return seconds if quantity == "seconds" else seconds / max(measurement.timing("forward").seconds, 1e-12)


def _weights(array: Array, rng: np.random.Generator) -> Array:
    """Cotangents away from zero, in the form of an output."""
    return np.asarray(rng.choice([-1.0, 1.0], array.shape) * (1 + rng.random(array.shape)), array.dtype)


def _as_tuple(outputs: Any) -> tuple[Any, ...]:
    return outputs if isinstance(outputs, tuple) else (outputs,)
