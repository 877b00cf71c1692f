"""The arrays of a case by the names that sentences give them, and how one array is a multiple of another."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradcheck.diagnosis.observation import Observation
from gradcheck.subject import Array

_UPSTREAM, _OUTPUT = "the upstream gradient", "the output"
#: What may be left over after a multiple, as a share of the largest entry.
_LEFT = 1e-5


def arrays_called(observation: Observation) -> Iterator[str]:
    """Yield the names of the arrays of a case: the primals, the constants, the upstream gradient, the output."""
    constants = (name for name, array in observation.constants.items() if array.dtype.kind == "f")
    yield from dict.fromkeys((*observation.question.primals, *constants, _UPSTREAM, _OUTPUT))


def array_called(observation: Observation, name: str) -> Array | None:
    """Return the array of that name; None where there are several."""
    question = observation.question
    if name not in (_UPSTREAM, _OUTPUT):
        return question.primals.get(name, observation.constants.get(name))
    array = question.cotangent if name == _UPSTREAM else question.outputs
    return None if isinstance(array, tuple) else np.asarray(array)


def called(name: str) -> str:
    """Return a name as sentences print it."""
    return name if name in (_UPSTREAM, _OUTPUT) else f"`{name}`"


def slug_of(name: str) -> str:
    """Return a name as slugs have it."""
    return name.removeprefix("the ").replace(" ", "-")


def ratio_of(one: Array, other: Array) -> float | None:
    """Return the number that makes one array of another, where there is one and more than one entry to tell.

    Examples
    --------
    >>> ratio_of(np.array([2.0, 6.0]), np.array([1.0, 3.0]))
    2.0
    >>> ratio_of(np.array([2.0, 6.0]), np.array([1.0, 1.0])) is None
    True
    """
    if one.shape != other.shape:
        return None
    known = np.isfinite(one) & np.isfinite(other)
    one, other = one[known], other[known]
    ratio = nearest_factor(one, other)
    if np.count_nonzero(other) < 2 or not ratio:
        return None
    left = float(np.abs(one - ratio * other).max())
    return ratio if left <= _LEFT * np.abs(one).max() else None


def nearest_factor(one: Array, other: Array) -> float | None:
    """Return the factor that brings the other array nearest to one, by least squares; None where the other is zero.

    Examples
    --------
    >>> nearest_factor(np.array([2.0, 4.0]), np.array([1.0, 3.0]))
    1.4
    """
    energy = float(np.sum(other**2))
    return float(np.sum(one * other)) / energy if energy else None
