"""At which sizes something is timed or studied."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradcheck.subject import Deferred, Subject
from gradcheck.suites.cases import corner_cases, drawn_cases
from gradcheck.suites.suite import AnyCase, Suite

#: So many sizes are taken of those that a suite has.
SIZES = 6
#: Cases that are drawn to find them, where a suite has no kind.
_DRAWN = 50


@dataclass(frozen=True)
class Sized:
    """Something at one size, made when its turn comes.

    Attributes
    ----------
    config : mapping of str to object
        The configuration; of a subject given directly, the shapes of its primals.
    make : callable
        Returns the subject.
    """

    config: Mapping[str, Any]
    make: Callable[[], Subject]


def sizes_of(item: Suite | Subject | Deferred, seed: int = 0) -> list[Sized]:
    """Return an item at its sizes, from the smallest to the largest.

    A suite of a kind is taken at the sizes that the kind names, else at its corner configurations, a suite of a
    strategy at what that draws; a subject has one size.

    Parameters
    ----------
    item : Suite, Subject or Deferred
    seed : int
        The values follow from it, and what a strategy draws.

    Raises
    ------
    ValueError
        If the limits of a suite leave no configuration.

    Examples
    --------
    >>> from gradcheck.suites.suite import suite
    >>> [size.config["in_features"] for size in sizes_of(suite("affine"))]
    [4, 8, 16, 32, 64, 128]
    """
    if isinstance(item, Deferred):
        item = item.make()
    if isinstance(item, Subject):
        subject = item
        return [Sized({name: array.shape for name, array in subject.primals.items()}, lambda: subject)]
    cases = _spread(_cases(item, seed))
    if not cases:
        raise ValueError(f"expected {item.name} to have a size within its limits, got none")
    return [_sized(item, case) for case in cases]


def _sized(suite: Suite, case: AnyCase) -> Sized:
    return Sized(case.id.config, lambda: suite.subject(case))


def _cases(suite: Suite, seed: int) -> list[AnyCase]:
    if suite.kind is not None:
        for configs in (suite.kind.sizes, suite.kind.corners):
            # Limits are kept as they are for corners.
            kind = replace(suite.kind, corners=configs, regimes=suite.kind.regimes[:1])
            if cases := list(corner_cases(replace(suite, kind=kind), seed)):
                return [*cases]
    return _drawn(suite, seed)


def _drawn(suite: Suite, seed: int) -> list[AnyCase]:
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as seeded
    from hypothesis.errors import Unsatisfiable

    found: list[AnyCase] = []

    @seeded(seed)
    @settings(
        max_examples=_DRAWN,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(drawn_cases(suite))
    def draw(case: AnyCase) -> None:
        found.append(case)

    with contextlib.suppress(Unsatisfiable):  # the limits leave none
        draw()
    return found


def _spread(cases: Iterable[AnyCase]) -> list[AnyCase]:
    """Return cases of different sizes, evenly among those that there are, the smallest and the largest included."""
    by_size: dict[int, AnyCase] = {}
    for case in cases:
        by_size.setdefault(sum(np.size(array) for array in case.primals().values()), case)
    ordered = [by_size[size] for size in sorted(by_size)]
    if len(ordered) <= SIZES:
        return ordered
    return [ordered[k] for k in np.linspace(0, len(ordered) - 1, SIZES).round().astype(int)]
