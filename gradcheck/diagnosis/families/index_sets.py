"""Parts of the gradient, or of the upstream gradient, that are left out."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from gradcheck.diagnosis.hypothesis import INDEX_SET, Hypothesis, sent_back, turned
from gradcheck.diagnosis.observation import Observation
from gradcheck.subject import Array

#: Parts of an axis that are forgotten, or alone remembered: the name, the words, and the indices for a size.
_PARTS: tuple[tuple[str, str, Callable[[int], Any]], ...] = (
    ("first", "first", lambda size: slice(0, 1)),  # noqa: ARG005
    ("last", "last", lambda size: slice(size - 1, size)),
    ("ends", "first and the last", lambda size: [0, size - 1]),
    ("second-half", "second half", lambda size: slice(size // 2, size)),
    ("odd", "second of every two", lambda size: slice(1, size, 2)),
)


def parts_of_gradient(observation: Observation, primal: str) -> Iterator[Hypothesis]:
    """Yield that the gradient is zero for a part of one axis, or for all but that."""
    for axis, (name, words, indices) in itertools.product(range(observation.answers[primal].ndim), _PARTS):
        for alone in (False, True):
            yield turned(
                f"gradient-axis-{axis}:{name}-{_kept(alone)}",
                INDEX_SET,
                f"the gradient is zero for {'all but ' if alone else ''}the {words} along axis {axis}",
                partial(_cleared, axis=axis, indices=indices, alone=alone),
            )


def parts_of_upstream(observation: Observation, primal: str) -> Iterator[Hypothesis]:  # noqa: ARG001 - every family's form
    """Yield that a part of the upstream gradient is left out, or alone used: along an axis, or of several outputs."""
    upstream = observation.question.cotangent
    if isinstance(upstream, tuple):
        for index in range(len(upstream)):
            told = f"what comes through output {index} is left out"
            yield sent_back(f"output-{index}-left-out", INDEX_SET, told, partial(_without_output, index=index))
        return
    for axis, (name, words, indices) in itertools.product(range(upstream.ndim), _PARTS):
        for alone in (False, True):
            told = "alone is used" if alone else "is left out"
            yield sent_back(
                f"upstream-axis-{axis}:{name}-{_kept(alone)}",
                INDEX_SET,
                f"of the upstream gradient the {words} along axis {axis} {told}",
                partial(_cleared, axis=axis, indices=indices, alone=alone),
            )


def _kept(alone: bool) -> str:
    return "alone" if alone else "missing"


def _cleared(array: Array, axis: int, indices: Callable[[int], Any], alone: bool) -> Array:
    """Return an array that is zero in a part of an axis, or everywhere else."""
    chosen = np.zeros(array.shape[axis], bool)
    chosen[indices(chosen.size)] = True
    keep = (chosen if alone else ~chosen).reshape([-1 if k == axis else 1 for k in range(array.ndim)])
    return np.where(keep, array, 0.0)


def _without_output(upstream: tuple[Array, ...], index: int) -> tuple[Array, ...]:
    return tuple(0 * part if k == index else part for k, part in enumerate(upstream))
