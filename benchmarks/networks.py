"""The networks of the articles at full size: what verifying every parameter costs beside one forward and backward.

Run with ``python benchmarks/networks.py``: a few minutes, one thread, up to 3 GB. Times and peaks of memory are
measured in one run; what entry-by-entry differences would take, two forwards for each entry, follows from the measured
forward.
"""

from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import functools
import statistics
import time
import tracemalloc
from collections.abc import Callable
from typing import Any, NamedTuple

import click
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

import gradcheck
from gradcheck.kinds import find_kind
from gradcheck.kinds.full_size import NETWORKS
from gradcheck.suites.kind import Case

_ROUNDS = 3
_UNITS = (("years", 365.25 * 86400.0), ("days", 86400.0), ("hours", 3600.0), ("min", 60.0), ("s", 1.0))


class Cost(NamedTuple):
    """What one network costs: seconds, and bytes at the peak."""

    entries: int
    forward: float
    both: float
    check: float
    peak_both: int
    peak_check: int
    report: gradcheck.SubjectReport


def seconds(call: Callable[[], Any], rounds: int = _ROUNDS) -> float:
    """Return the median time of a call, after one to warm up if there are several."""
    times = []
    for _ in range(rounds + (rounds > 1)):
        begun = time.perf_counter()
        call()
        times.append(time.perf_counter() - begun)
    return statistics.median(times[-rounds:])


def peak(call: Callable[[], Any]) -> int:
    """Return the peak of memory during a call, what was there before included."""
    tracemalloc.reset_peak()
    call()
    return tracemalloc.get_traced_memory()[1]


def measure(make: Callable[[], gradcheck.Subject]) -> Cost:
    """Measure one network; memory in rounds of its own, since tracing takes time."""
    entries, *times, report = measure_time(make())
    tracemalloc.start()
    peaks = measure_peaks(make())
    tracemalloc.stop()
    return Cost(entries, *times, *peaks, report)


def measure_time(subject: gradcheck.Subject) -> tuple[int, float, float, float, gradcheck.SubjectReport]:
    """Return the number of entries, the times of forward, of forward and backward and of a check, and its report."""
    reports = []
    assert subject.forward is not None
    forward = functools.partial(subject.forward, subject.primals)
    of_check = seconds(lambda: reports.append(check(subject)), 1)
    entries = sum(array.size for array in subject.primals.values())
    return entries, seconds(forward), seconds(lambda: both(subject)), of_check, reports[0].subjects[0]


def measure_peaks(subject: gradcheck.Subject) -> tuple[int, int]:
    """Return the peaks of memory of forward and backward, and of a check."""
    return peak(lambda: both(subject)), peak(lambda: check(subject))


def both(subject: gradcheck.Subject) -> None:
    """Go forward and backward once."""
    outputs, pullback = subject.vjp(subject.primals)
    pullback(np.ones_like(outputs))


def check(subject: gradcheck.Subject) -> gradcheck.Report:
    """Check every parameter, without the checks beside the gradient."""
    return gradcheck.check(subject, contracts=False)


def five_layers() -> gradcheck.Subject:
    """Return the five-layer network on its first corner case."""
    kind = find_kind("five_layer_cnn")
    case = Case(kind, kind.corners[0], "normal", 0)
    primals = case.primals()
    built: gradcheck.Subject = kind.build(case.config, primals)
    return built


def told(duration: float) -> str:
    """Return a duration in the unit that suits it.

    Examples
    --------
    >>> told(90.0), told(4.2e7)
    ('1.5 min', '1.3 years')
    """
    unit, size = next((unit for unit in _UNITS if duration >= unit[1]), _UNITS[-1])
    return f"{duration / size:,.2g} {unit}" if duration < 10 * size else f"{duration / size:,.0f} {unit}"


@click.command()
@click.option("--only", help="One network.")
def main(only: str | None) -> None:
    """Print the table."""
    makers = {"five-layer CNN": five_layers} | {one.name: one.make for many in NETWORKS.values() for one in many}
    if only is not None and only not in makers:
        raise click.UsageError(f"expected a network among {', '.join(makers)}, got {only!r}")
    table = Table("network", "entries", "fwd + bwd", "check", "calls", "time", "memory", "resolution", "entry by entry")
    for name, make in track(makers.items(), console=Console(stderr=True), transient=True):
        if only not in (None, name):
            continue
        cost = measure(make)
        calls = cost.report.evaluations
        table.add_row(
            name,
            f"{cost.entries:,}",
            f"{cost.both:.2g} s",
            f"{cost.report.verdict} {cost.check:.2g} s",
            f"{calls.forward} + {calls.pullback}",
            f"{cost.check / cost.both:.1f} ×",
            f"{cost.peak_check / cost.peak_both:.1f} × {cost.peak_both / 2**20:,.0f} MiB",
            f"{cost.report.resolution:.1g}",
            told(2 * cost.entries * cost.forward),
        )
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
