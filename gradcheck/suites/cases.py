"""Which cases a suite is run on: all of them follow from the seed, whoever runs them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck.adapters import adapt
from gradcheck.suites.kind import Case
from gradcheck.suites.suite import AnyCase, DrawnCase, Suite

if TYPE_CHECKING:
    from hypothesis import Phase
    from hypothesis.strategies import SearchStrategy

#: So many cases are drawn at a time: a run of a hundred thousand begins at once and remembers one batch.
BATCH = 1000


@dataclass(frozen=True)
class Batch:
    """Cases that are drawn together.

    Attributes
    ----------
    count : int
    seed : int
        Decides which they are.
    """

    count: int
    seed: int


def batches(examples: int, seed: int) -> Iterator[Batch]:
    """Return the batches of that many drawn cases, the first with the seed itself.

    Examples
    --------
    >>> [batch.count for batch in batches(2500, 0)], next(batches(2500, 7)).seed
    ([1000, 1000, 500], 7)
    """
    for number, begin in enumerate(range(0, examples, BATCH)):
        own = int(np.random.SeedSequence([seed, number]).generate_state(1)[0]) if number else seed
        yield Batch(min(BATCH, examples - begin), own)


def corner_cases(suite: Suite, seed: int) -> Iterator[Case]:
    """Return every corner configuration, brought within the limits, in every regime, each with a seed of its own."""
    if suite.kind is None:
        return
    rng = np.random.default_rng(seed)
    configs = suite.kind.corners
    if suite.limits.configs:
        configs = tuple(dict.fromkeys(map(suite.limits.apply, configs)))
        configs = tuple(config for config in configs if is_valid(suite, config))
    for config in configs:
        for regime in suite.kind.regimes:
            yield Case(suite.kind, config, regime, int(rng.integers(2**31)))


def drawn_cases(suite: Suite) -> SearchStrategy[AnyCase]:
    """Return a strategy of the cases of a suite."""
    from hypothesis import strategies as st

    seeds = st.integers(0, 2**31 - 1)
    if suite.kind is None:
        assert suite.strategy is not None
        return st.builds(DrawnCase, suite.strategy, seeds)
    configs = suite.kind.configs()
    if suite.limits.configs:
        configs = configs.map(suite.limits.apply).filter(lambda config: is_valid(suite, config))
    return st.builds(Case, st.just(suite.kind), configs, st.sampled_from(suite.kind.regimes), seeds)


def draw_cases(suite: Suite, count: int, seed: int) -> list[AnyCase]:
    """Return that many drawn cases; fewer where a suite has none that keep its limits."""
    return [case for batch in batches(count, seed) for case in draw_batch(suite, batch)]


def draw_batch(suite: Suite, batch: Batch) -> list[AnyCase]:
    """Return the cases of a batch."""
    from hypothesis import Phase
    from hypothesis.errors import Unsatisfiable

    cases: list[AnyCase] = []
    with suppress(Unsatisfiable):
        run_examples(suite, batch, cases.append, Phase.generate)
    return cases


def run_examples(suite: Suite, batch: Batch, function: Callable[[AnyCase], object], *phases: Phase) -> None:
    """Call a function with each case of a batch, in phases of hypothesis: those of shrinking follow an exception."""
    from hypothesis import HealthCheck, Verbosity, given, seed, settings

    run_so = settings(
        max_examples=batch.count,
        database=None,
        deadline=None,
        phases=phases,
        report_multiple_bugs=False,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
    )

    @given(drawn_cases(suite))
    def one_case(case: AnyCase) -> None:
        function(case)

    with warnings.catch_warnings():
        # Threads of an executor may draw random numbers meanwhile; strategies here draw none of their own.
        warnings.filterwarnings("ignore", message="Do not use the `random` module inside strategies")
        seed(batch.seed)(run_so(one_case))()


def is_valid(suite: Suite, config: Any) -> bool:
    """Whether a config keeps the limits and is one of the kind: the reference layer takes it."""
    kind = suite.kind
    if kind is None or not suite.limits.allow(config):
        return False
    try:
        primals = Case(kind, config, kind.regimes[0], 0).primals()
        outputs, _ = adapt(kind.build(config, primals), primals).vjp(primals)
    except (ValueError, TypeError, LookupError, ArithmeticError):
        return False
    return all(bool(np.isfinite(output).all()) for output in (outputs if isinstance(outputs, tuple) else (outputs,)))
