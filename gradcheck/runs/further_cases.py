"""The cases that are asked when a failure is to be explained: other seeds, other configurations, simpler ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from gradcheck.diagnosis.explanations import MOST
from gradcheck.diagnosis.observation import Draw
from gradcheck.subject import Array, Subject
from gradcheck.suites.kind import Case
from gradcheck.suites.suite import BuildError, Suite

#: So many other seeds of the failing configuration are asked.
_AGAIN = 3
#: The largest factor by which a whole primal becomes larger or smaller at a further point, and one entry beside others.
_WHOLE, _ENTRY = 4.0, 2.0


def subject_draws(subject: Subject, seed: int) -> Iterator[Draw]:
    """Yield a subject at its point, and at others of the same shapes.

    Every second point has the signs of the first one, since many layers are made for positive values alone; at the
    others signs are drawn anew. Of points that lie outside its domain a layer gives no answer, and nothing is learnt.
    """
    yield Draw(subject, seed)
    rng = np.random.default_rng([seed, 11])
    for again in range(1, MOST):
        moved = {name: _moved(array, rng, keeps_signs=again % 2 == 0) for name, array in subject.primals.items()}
        yield Draw(subject.with_primals(moved), seed + again)


def _moved(array: Array, rng: np.random.Generator, *, keeps_signs: bool) -> Array:
    """Return an array of other magnitudes, as a whole and entry by entry; one of zeros is drawn anew."""
    factors = _WHOLE ** rng.uniform(-1, 1) * _ENTRY ** rng.uniform(-1, 1, array.shape)
    if not keeps_signs:
        factors = factors * rng.choice((-1.0, 1.0), array.shape)
    return np.asarray((array if array.any() else 1.0) * factors).astype(array.dtype)


def case_draws(suite: Suite, cases: Iterable[Case], dtype: Any = None) -> Iterator[Draw]:
    """Yield the draws of cases, but of those for which the layer cannot be built."""
    for case in cases:
        try:
            subject = suite.subject(case, dtype)
        except BuildError:
            continue
        yield Draw(subject, case.seed, case.config, subject.sibling)


def with_other_seeds(case: Case) -> Iterator[Case]:
    """Yield a case, and others of the same configuration."""
    for again in range(1 + _AGAIN):
        yield dataclasses.replace(case, seed=case.seed + again)


def neighbours(
    suite: Suite, case: Case, is_valid: Callable[[Any], bool], dtype: Any = None
) -> Iterator[tuple[str, Draw]]:
    """Yield cases of which one field is simpler: its default, or what it is in a corner configuration."""
    config = case.config
    for field in dataclasses.fields(config):
        default = [] if field.default is dataclasses.MISSING else [field.default]
        values = dict.fromkeys([*default, *(getattr(corner, field.name) for corner in case.kind.corners)])
        for value in values:
            try:
                simpler = dataclasses.replace(config, **{field.name: value})
            except (TypeError, ValueError):
                continue  # what does not go with the rest of the configuration
            if value != getattr(config, field.name) and is_valid(simpler):
                for draw in case_draws(suite, [dataclasses.replace(case, config=simpler)], dtype):
                    yield f"{field.name}={value!r}", draw
