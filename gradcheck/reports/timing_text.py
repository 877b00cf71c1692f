"""Costs of gradients in words and short numbers, as every form of a timing report for people shows them."""

from __future__ import annotations

from gradcheck.messages import counted
from gradcheck.records.timing_record import Environment, GrowthFit, SubjectTiming, Timing, Way
from gradcheck.reports.text import printable

_UNITS = (
    ("years", 365.25 * 86400.0),
    ("days", 86400.0),
    ("h", 3600.0),
    ("min", 60.0),
    ("s", 1.0),
    ("ms", 1e-3),
    ("µs", 1e-6),
)
#: What the ways to a gradient are called.
WAY_TITLES: dict[Way, str] = {
    "forward": "forward",
    "analytic": "analytic",
    "numeric": "ε-difference",
    "projected": "projected check",
}


def format_time(seconds: float) -> str:
    """Return a time in the unit that suits it, with two or three digits.

    Examples
    --------
    >>> format_time(0.000213), format_time(0.5), format_time(0.9996), format_time(125.0), format_time(4e9)
    ('213 µs', '500 ms', '1.00 s', '2.08 min', '127 years')
    """
    unit, size = next(((unit, size) for unit, size in _UNITS if seconds >= 0.9995 * size), _UNITS[-1])
    value = seconds / size
    return f"{value:,.0f} {unit}" if value >= 99.5 else f"{value:.{1 if value >= 9.95 else 2}f} {unit}"


def format_fit(fit: GrowthFit | None) -> str:
    """Return an exponent with its confidence interval.

    Examples
    --------
    >>> from dataclasses import replace
    >>> fit = GrowthFit(way="numeric", quantity="seconds", exponent=1.514, low=1.4, high=1.63, sizes=6, computed=0)
    >>> format_fit(fit), format_fit(replace(fit, low=None, high=None)), format_fit(replace(fit, computed=6))
    ('1.51 (1.40 … 1.63)', '1.51', '≈ 1.51 (1.40 … 1.63)')
    """
    if fit is None:
        return ""
    return f"≈ {_exponent(fit)}" if fit.computed else _exponent(fit)


def _exponent(fit: GrowthFit) -> str:
    interval = "" if fit.low is None or fit.high is None else f" ({fit.low:.2f} … {fit.high:.2f})"
    return f"{fit.exponent:.2f}{interval}"


def format_calls(timing: Timing) -> str:
    """Return how many forwards, and pullbacks if any, a way takes."""
    spent = timing.evaluations
    return f"{spent.forward:,}" + (f"+{spent.pullback:,}" if spent.pullback else "")


def format_ratio(ratio: float) -> str:
    """Return a multiple of something, in two digits or as a whole number."""
    return f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.1f}"


def claim(subject: SubjectTiming) -> str:
    """Say in two sentences what grows and what does not."""
    numeric, analytic = subject.fit("numeric", "relative"), subject.fit("analytic", "relative")
    first, last = (subject.measurements[k].timing("numeric") for k in (0, -1))
    if numeric is None or analytic is None:
        return ""
    calls = " to ".join(f"{timing.evaluations.forward:,}" for timing in (first, last))
    multiples = " and ".join(format_ratio(_forwards(subject, k)) for k in (0, -1))
    return (
        f"The ε-difference calls the forward {calls} times, twice for each entry: in times of a forward\n"
        f"it grows as entries^{_exponent(numeric)}. The analytic gradient grows as entries^{_exponent(analytic)}:\n"
        f"it costs {multiples} forwards at the smallest and the largest size."
    )


def _forwards(subject: SubjectTiming, k: int) -> float:
    measurement = subject.measurements[k]
    return measurement.timing("analytic").seconds / max(measurement.timing("forward").seconds, 1e-12)


def environment_line(place: Environment) -> str:
    """Say where times were taken."""
    threads = "threads not limited" if place.threads is None else counted(place.threads, "thread")
    return (
        f"{printable(place.processor)}, {counted(place.cores, 'core')} · BLAS {place.blas}, {threads} · "
        f"NumPy {place.numpy}, Python {place.python}"
    )
