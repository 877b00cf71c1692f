"""Random small convolutions per second on one core, with every check on, and the share that hypothesis has in the time.

Run with ``python benchmarks/conv2d_cases.py``. A campaign draws cases of the kind conv2d and checks them, contracts and
laws among them; the reference layer is right, so that nothing is shrunk. In turn with it the same cases are drawn once
more, and their arrays made, and nothing else. Times are those of the processor, BLAS has one thread, and
the median of the rounds is printed.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import click
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis import strategies as st
from rich.console import Console
from rich.table import Table

from gradcheck.kinds import find_kind
from gradcheck.reports.run_report import Report
from gradcheck.runs import Options
from gradcheck.runs import run as run_campaign
from gradcheck.suites.kind import Case, Kind
from gradcheck.suites.suite import Suite

KIND = replace(find_kind("conv2d"), corners=())  # random cases alone


def campaign(number: int, count: int, kind: Kind = KIND) -> Report:
    """Check so many drawn cases, as ``gradcheck verify`` does."""
    return run_campaign([Suite(kind.name, kind, kind.build, "")], Options(examples=count, seed=number))


def draw(number: int, count: int, take: Callable[[Case], object]) -> None:
    """Draw the cases that a campaign of that seed draws."""

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
    )
    @given(KIND.configs(), st.sampled_from(KIND.regimes), st.integers(0, 2**31 - 1))
    def one_case(config: Any, regime: Any, case_seed: int) -> None:
        take(Case(KIND, config, regime, case_seed))

    one_case()


def measure(number: int, count: int) -> tuple[float, float, float]:
    """Return the milliseconds of a case for drawing it, for making its arrays, and for all that a campaign does."""
    cases: list[Case] = []

    def took(action: Callable[[], object]) -> float:
        begun = time.process_time()
        action()
        return 1e3 * (time.process_time() - begun) / count

    whole = took(lambda: campaign(number, count))
    drawing = took(lambda: draw(number, count, cases.append))
    return drawing, took(lambda: [case.primals() for case in cases]), whole


def show(drawing: float, arrays: float, whole: float) -> None:
    """Print where the time of a case goes, in milliseconds."""
    table = Table("part", "ms per case", "share")
    for column in table.columns[1:]:
        column.justify = "right"
    parts = {
        "hypothesis draws": drawing,
        "arrays are made": arrays,
        "all checks": whole - drawing - arrays,
        "campaign": whole,
    }
    for name, took in parts.items():
        table.add_row(name, f"{took:.2f}", f"{took / whole:.0%}")
    Console(width=110).print(table)
    print(f"{1e3 / whole:,.0f} cases/s on one core, all checks on; share of hypothesis {drawing / whole:.0%}")


@click.command()
@click.option("--cases", type=click.IntRange(1), default=300, help="Cases per round (default: 300).")
@click.option("--rounds", type=click.IntRange(1), default=5, help="Rounds, each with cases of its own (default: 5).")
def main(cases: int, rounds: int) -> None:
    """Print random conv2d cases per second, and the share that hypothesis has in the time."""
    measure(0, 5)  # what is loaded and compiled at the first use is no part of a case
    measured = [measure(number, cases) for number in range(1, rounds + 1)]
    show(*map(statistics.median, zip(*measured, strict=True)))


if __name__ == "__main__":
    main()
