"""Planted faults: how many are reported with the right cause, and which are taken for one another.

Run with ``python benchmarks/causes.py --workers 2``. Every mistake of every kind, and every generic one, is planted
into the reference layer, for each primal whose gradient it changes, and the failing case is diagnosed with
configurations and values of its own seed. ``--whole N`` takes N of them, drawn at random, through the whole of
`gradcheck.check` too: cases are drawn, the failing one is shrunk, and the first failure must name the cause.

Two mistakes that lead to the same gradient in every one of `ALIKE_CASES` cases are one mistake with two names: they are
counted as right and listed as such. Faults of calls, memory and precision are named by the check that sees them. The
exit status is 1 if fewer than 95 in 100 are named.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # each worker has a core to itself

import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

import gradcheck
from gradcheck.diagnosis.observation import Draw, Observation, observe
from gradcheck.kinds import KINDS, find_kind
from gradcheck.mutants.call_mutants import CALL_MUTANTS, CallMutant
from gradcheck.mutants.generic import GENERIC
from gradcheck.mutants.mutant import Mutant, planted
from gradcheck.records.run_record import Failure, SubjectReport
from gradcheck.runs import Options, explain_case
from gradcheck.runs.check_case import check_case
from gradcheck.subject import Arrays, Subject
from gradcheck.suites.cases import corner_cases, draw_cases
from gradcheck.suites.kind import Case, Kind
from gradcheck.suites.suite import Suite, suite

#: So many cases tell two mistakes apart, or nothing does.
ALIKE_CASES = 120
#: What is the right cause of a fault that no wrong value shows, or a very small one: the promise that it breaks.
PROMISES: Mapping[str, tuple[str, ...]] = {
    "last-cache": ("call-order", "forward-agrees"),
    "stale-cache": ("call-order", "second-point"),
    "cache-popped": ("pullback-twice", "call-order"),
    "adds-up": ("accumulates",),
    "same-buffer": ("overwritten",),
    "upstream-doubled-in-place": ("mutation",),
    "upstream-masked-in-place": ("mutation", "read-only"),
    "upstream-spoiled-after": ("mutation",),
    "input-changed": ("mutation",),
    "parameter-updated": ("mutation",),
    "upstream-as-if-contiguous": ("layout",),
    "upstream-in-memory-order": ("layout",),
    "input-in-memory-order": ("layout",),
    "hidden-float16": ("precision",),
    "hidden-float32": ("precision",),
    "input-in-float32": ("precision", "forward-agrees"),
    "entry-not-written": ("uninitialised",),
    "noise": ("deterministic",),
    "summed-in-float16": ("precision",),
    "summed-in-float32": ("precision",),
}
NEEDED = 0.95
NOTHING = "(none)"


@dataclass(frozen=True)
class Planted:
    """One planted mistake, and the cause that was reported.

    Attributes
    ----------
    kind, slug : str
    primal : str
    told : str
        The cause; ``"(none)"`` where none was named.
    alike : bool
        Whether what was told leads to the same gradient in every case.
    seconds : float
        What the diagnosis took, or the whole check.
    """

    kind: str
    slug: str
    primal: str
    told: str
    alike: bool
    seconds: float

    @property
    def named(self) -> bool:
        """Whether the cause was reported."""
        return self.told == self.slug or self.told in PROMISES.get(self.slug, ()) or self.alike


@dataclass
class Planter:
    """The cases of one kind, and the right answers in them."""

    kind: Kind
    seed: int
    observations: list[tuple[Case, Observation]] = field(default_factory=list)

    def __post_init__(self) -> None:
        right = suite(self.kind.name)
        drawn = draw_cases(right, ALIKE_CASES, self.seed)
        for case in (*corner_cases(right, self.seed), *drawn):
            assert isinstance(case, Case)
            answer = observe(Draw(right.subject(case), case.seed, case.config, right.subject(case)))
            if answer is not None:
                self.observations.append((case, answer))

    def results(self) -> Iterator[tuple[Mutant, str, list[Case]]]:
        """Yield every fault with the cases in which it shows, for each primal."""
        for mutant in (*self.kind.mutants, *GENERIC):
            if mutant.convention or mutant.equivalent:
                continue
            shown: dict[str, list[Case]] = {}
            for case, answer in self.observations:
                for primal in _changed(mutant, answer):
                    shown.setdefault(primal, []).append(case)
            yield from ((mutant, primal, cases) for primal, cases in shown.items())

    def alike(self, one: Mutant, slug: str, primal: str) -> bool:
        """Whether a mistake of another name leads to the same gradient in every case."""
        for other in (*self.kind.mutants, *GENERIC):
            if other.slug == slug and all(self._same(answer, one, other, primal) for _, answer in self.observations):
                return True
        return False

    def _same(self, answer: Observation, one: Mutant, other: Mutant, primal: str) -> bool:
        if primal not in answer.right:
            return True
        first, second = (answer.predicted(m).get(primal, answer.right[primal]) for m in (one, other))
        return answer.same(first, second, primal)


def _changed(mutant: Mutant, answer: Observation) -> list[str]:
    """Return the primals whose gradients a mistake certainly changes."""
    made = answer.predicted(mutant)
    return [name for name, array in made.items() if answer.apart(array, answer.right[name], name)]


def wrong_suite(kind: Kind, mutant: Mutant, primal: str) -> Suite:
    """Return the suite of a reference layer with a mistake in one gradient."""

    def build(config: Any, primals: Arrays) -> Subject:
        return planted(mutant, kind.build(config, primals), config, primal)

    return suite(kind.name, build)


def diagnosed(kind: Kind, mutant: Mutant, primal: str, case: Case, seed: int) -> Failure:
    """Return a failure of one case, with its cause."""
    wrong = wrong_suite(kind, mutant, primal)
    found = SubjectReport(kind.name, verdict="failed", failures=(Failure("gradient", case.id, "", primal),))
    return explain_case(found, wrong, case, Options(seed=seed)).failures[0]


def direct(name: str, seed: int, most: int) -> list[Planted]:
    """Diagnose the mistakes of a kind, at most so many, each in one of the cases where it shows."""
    planter = Planter(find_kind(name), seed)
    rng = np.random.default_rng(seed)
    results = []
    results = list(planter.results())
    for number in np.sort(rng.permutation(len(results))[:most]).tolist():
        mutant, primal, cases = results[number]
        case = cases[int(rng.integers(len(cases)))]
        begun = time.perf_counter()
        told = diagnosed(planter.kind, mutant, primal, case, seed).cause or NOTHING
        seconds = time.perf_counter() - begun
        alike = told not in (mutant.slug, NOTHING) and planter.alike(mutant, told, primal)
        results.append(Planted(name, mutant.slug, primal, told, alike, seconds))
    return results


def calls(name: str, seed: int) -> list[Planted]:
    """Plant the faults that no wrong value shows, and see which broken promise is told first."""
    kind = find_kind(name)
    cases = list(corner_cases(suite(name), seed))
    results = []
    for fault in CALL_MUTANTS:
        if fault.slug not in PROMISES or not all(fault.applies(suite(name).subject(case)) for case in cases):
            continue

        def build(config: Any, primals: Arrays, fault: CallMutant = fault) -> Subject:
            return fault.plant(kind.build(config, primals))

        wrong, begun = suite(name, build), time.perf_counter()
        for case in cases:
            report = check_case(wrong, case, None, Options().settings)
            if report.failures:  # some faults are none in some cases: a cache of what never changes
                told = explain_case(report, wrong, case, Options(seed=seed)).failures[0].cause or NOTHING
                results.append(Planted(name, fault.slug, "", told, False, time.perf_counter() - begun))
                break
    return results


def whole(name: str, numbers: Sequence[int], seed: int) -> list[Planted]:
    """Check layers with some of the mistakes of a kind, from drawing to the report."""
    planter = Planter(find_kind(name), seed)
    results = list(planter.results())
    results = []
    for number in numbers:
        mutant, primal, _ = results[number % len(results)]
        wrong = wrong_suite(planter.kind, mutant, primal)
        begun = time.perf_counter()
        failures = gradcheck.check(wrong, seed=seed + number).failures
        seconds = time.perf_counter() - begun
        told = (failures[0].cause or NOTHING) if failures else "(passed)"
        alike = told not in (mutant.slug, NOTHING) and planter.alike(mutant, told, primal)
        results.append(Planted(name, mutant.slug, primal, told, alike, seconds))
    return results


def show(console: Console, title: str, results: Sequence[Planted]) -> float:
    """Print a row for each kind, and every pair that was confused; return the share that was named."""
    table = Table(title=title)
    table.add_column("kind")
    for heading in ("planted", "named", "of these by another name", "other cause", "no cause", "slowest s"):
        table.add_column(heading, justify="right")
    for kind in dict.fromkeys(one.kind for one in results):
        table.add_row(kind, *_counts([one for one in results if one.kind == kind]))
    table.add_row("all", *_counts(results))
    console.print(table)
    _show_pairs(console, "taken for one another", [one for one in results if not one.named])
    _show_pairs(console, "two names for the same gradients", [one for one in results if one.alike])
    named = sum(one.named for one in results) / max(len(results), 1)
    console.print(f"{title}: {sum(one.named for one in results):,} of {len(results):,} named, {named:.2%}\n")
    return named


def _counts(results: Sequence[Planted]) -> list[str]:
    nothing = sum(one.told == NOTHING for one in results)
    named = sum(one.named for one in results)
    counts = (len(results), named, sum(one.alike for one in results), len(results) - named - nothing, nothing)
    return [*(f"{count:,}" for count in counts), f"{max(one.seconds for one in results):.2f}"]


def _show_pairs(console: Console, title: str, results: Sequence[Planted]) -> None:
    pairs = Counter((one.slug, one.told) for one in results)
    if not pairs:
        return
    table = Table(title=title)
    for heading in ("planted", "reported", "kinds"):
        table.add_column(heading, overflow="fold")
    table.add_column("times", justify="right")
    for (slug, told), count in pairs.most_common():
        kinds = dict.fromkeys(one.kind for one in results if (one.slug, one.told) == (slug, told))
        table.add_row(slug, told, ", ".join(kinds), f"{count:,}")
    console.print(table)


@click.command()
@click.option("--kind", "names", multiple=True, help="A kind, several times for several (default: all).")
@click.option("--seed", default=7_000_003, help="Cases and values follow from it.")
@click.option("--whole", "number", default=0, help="So many plantings go through the whole check too.")
@click.option("--most", default=1_000_000, help="So many plantings of each kind, drawn at random (default: all).")
@click.option("--workers", default=1, help="Processes.")
def main(names: tuple[str, ...], seed: int, number: int, most: int, workers: int) -> None:
    """Plant mistakes, and count those whose cause is named."""
    kinds = [find_kind(name).name for name in names or KINDS]
    console = Console()
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        asked = [pool.submit(direct, name, seed, most) for name in kinds]
        results = [one for future in track(asked, "diagnosis", console=console) for one in future.result()]
        called = [pool.submit(calls, name, seed) for name in kinds]
        results += [one for future in track(called, "calls", console=console) for one in future.result()]
        drawn = Counter(np.random.default_rng(seed).choice(kinds, number).tolist())
        beyond = [
            pool.submit(whole, name, range(k * 37, 37 * (k + 1), 37), seed)
            for name in drawn
            for k in range(drawn[name])
        ]
        checked = [one for future in track(beyond, "whole check", console=console) for one in future.result()]
    shares = [show(console, "diagnosis", results)]
    if checked:
        shares.append(show(console, "whole check", checked))
    sys.exit(0 if min(shares) >= NEEDED else 1)


if __name__ == "__main__":
    main()
