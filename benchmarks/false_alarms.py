"""Right layers over many random cases: how many are called wrong, how many cannot be told.

Run with ``python benchmarks/false_alarms.py --cases 10000``. Every reference layer is drawn over its configurations and
value regimes, with every contract and law on, in three ways: in float64; with float32 primals, differences in float64;
and as a layer that computes in float32 whatever it is given, so that the differences too are taken in float32. Beside
them stand ReLU and max pooling at ties and exact zeros, and √|x|, whose slope at 0 is infinite. Exit status 1 if any
right layer is called wrong.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import click
import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from rich.console import Console
from rich.progress import track
from rich.table import Table

import gradcheck
from gradcheck.kinds import KINDS
from gradcheck.kinds.kind import Case
from gradcheck.strategies.values import Regime, values

MODES = ("float64", "float32", "float32 only")
AT_KINKS: tuple[Regime, ...] = ("integers", "zeros", "near_ties")


@dataclass(frozen=True)
class Layer:
    """A right layer of which cases can be drawn: ``draw(count, dtype)`` yields subjects with their seeds."""

    name: str
    draw: Callable[[int, str], Iterator[tuple[gradcheck.Subject, int]]]


def sqrt_abs(primals: Any) -> tuple[np.ndarray, Any]:
    """Return √|x|, with gradient 0 at its cusp."""
    x = primals["x"]
    y = np.sqrt(np.abs(x))
    slope = np.where(x == 0, 0, np.sign(x) / (2 * np.where(x == 0, 1, y))).astype(x.dtype)
    return y, lambda cotangent: {"x": cotangent * slope}


def of_kind(name: str, regimes: tuple[Regime, ...] | None = None) -> Layer:
    """Return the reference layer of a kind."""
    kind = KINDS[name]
    label = name if regimes is None else f"{name} at ties and zeros"

    def draw(count: int, dtype: str) -> Iterator[tuple[gradcheck.Subject, int]]:
        for case in draw_cases(name, regimes or kind.regimes, count):
            primals = case.primals(np.dtype(dtype))
            yield replace(kind.build(case.config, primals), laws=kind.laws(case.config)), case.seed

    return Layer(label, draw)


def draw_cases(name: str, regimes: tuple[Regime, ...], count: int) -> list[Case]:
    """Return drawn cases of a kind, as many as there are up to `count`."""
    kind, cases = KINDS[name], []

    @seed(0)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(kind.configs(), st.sampled_from(regimes), st.integers(0, 2**31 - 1))
    def collect(config: Any, regime: Regime, case_seed: int) -> None:
        cases.append(Case(kind, config, regime, case_seed))

    collect()
    return cases


def of_sqrt_abs(count: int, dtype: str) -> Iterator[tuple[gradcheck.Subject, int]]:
    """Yield √|x| at random points, many of them exactly 0 or close to it."""
    for case_seed in range(count):
        rng = np.random.default_rng(case_seed)
        regime = ("normal", *AT_KINKS)[case_seed % 4]
        x = values(regime, (3, int(rng.integers(2, 9))), rng).astype(dtype)  # type: ignore[arg-type]
        yield gradcheck.Subject("sqrt_abs", {"x": x}, sqrt_abs), case_seed


def narrowed(subject: gradcheck.Subject) -> gradcheck.Subject:
    """Return the subject as a layer that computes in float32 whatever it is given."""

    def as_float32(primals: Any) -> dict[str, np.ndarray]:
        return {name: array.astype(np.float32) for name, array in primals.items()}

    def vjp(primals: Any) -> tuple[Any, Any]:
        return subject.vjp(as_float32(primals))

    return replace(subject, vjp=vjp, forward=lambda primals: vjp(primals)[0])


def run(layer: Layer, mode: str, count: int) -> tuple[Counter[str], float, list[str]]:
    """Return the verdicts, the time and what was called wrong."""
    verdicts: Counter[str] = Counter()
    wrong = []
    begun = time.perf_counter()
    for subject, case_seed in layer.draw(count, "float64" if mode == "float64" else "float32"):
        given_subject = narrowed(subject) if mode == "float32 only" else subject
        report = gradcheck.check(given_subject, seed=case_seed)
        verdicts[report.verdict] += 1
        if report.verdict in ("failed", "error"):
            wrong.append(f"{layer.name}, {mode}, seed {case_seed}\n{report}")
    return verdicts, time.perf_counter() - begun, wrong


@click.command()
@click.option("--cases", default=10_000, help="Random cases in all.")
def main(cases: int) -> None:
    """Print the verdicts over random cases of right layers."""
    layers = [
        *(of_kind(name) for name in KINDS),
        of_kind("relu", AT_KINKS),
        of_kind("max_pool2d", AT_KINKS),
        Layer("√|x|", of_sqrt_abs),
    ]
    count = -(-cases // (len(layers) * len(MODES)))
    table = Table("layer", "mode", *(word for word in ("cases", "passed", "inconclusive", "wrong", "s")))
    total: Counter[str] = Counter()
    alarms: list[str] = []
    for layer in track(layers, description="layers", console=Console(stderr=True), transient=True):
        for mode in MODES:
            verdicts, seconds, wrong = run(layer, mode, count)
            total += verdicts
            alarms += wrong
            called_wrong = verdicts["failed"] + verdicts["error"]
            cells = (verdicts.total(), verdicts["passed"], verdicts["inconclusive"], called_wrong)
            table.add_row(layer.name, mode, *map(str, cells), f"{seconds:.1f}")
    Console(width=110).print(table)
    print("\n\n".join(alarms[:5]))
    print(
        f"{total.total():,} cases of right layers: {len(alarms)} false alarms, {total['inconclusive']:,} inconclusive"
    )
    sys.exit(1 if alarms else 0)


if __name__ == "__main__":
    main()
