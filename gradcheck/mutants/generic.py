"""Mutants that any backward pass can make: they need to know nothing of the layer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from gradcheck.mutants.mutant import Mutant, Question, mapped
from gradcheck.subject import Array, Arrays


def _each(change: Callable[[Array], Array | None]) -> Callable[[Question], Arrays]:
    """Return what changes every gradient by itself; None leaves one as it is."""

    def gradients(question: Question) -> Arrays:
        changed = {name: change(np.array(gradient)) for name, gradient in question.gradients.items()}
        return {name: gradient for name, gradient in changed.items() if gradient is not None}

    return gradients


def scaled(factor: float) -> Callable[[Question], Arrays]:
    """Return what multiplies every gradient."""
    return _each(lambda gradient: factor * gradient)


def _first(question: Question) -> Any:
    """The cotangent, or the first of several."""
    return question.cotangent[0] if isinstance(question.cotangent, tuple) else question.cotangent


def batch_size(question: Question) -> int:
    """Return the size of the first axis of x; where nothing is called x, of the output or else of the first primal."""
    arrays = (question.primals.get("x", 0.0), _first(question), next(iter(question.primals.values())))
    return next((int(np.shape(array)[0]) for array in arrays if np.ndim(array)), 1)


def _by_batch(power: int) -> Callable[[Question], Arrays]:
    return lambda question: scaled(float(batch_size(question)) ** power)(question)


def asked_with(change: Callable[[Array], Array]) -> Callable[[Question], Arrays]:
    """Return what pulls something else than the cotangent back."""
    return lambda question: question.altered(mapped(change, question.cotangent))


def _one_entry(factor: float) -> Callable[[Array], Array]:
    """Return what multiplies the largest entry."""

    def change(gradient: Array) -> Array:
        place = np.unravel_index(int(np.argmax(np.abs(gradient))), gradient.shape)
        gradient[place] *= factor
        return gradient

    return change


def _without(*index: Any) -> Callable[[Array], Array]:
    """Return what sets a part to zero; axes that are not there are left out of the index."""

    def change(array: Array) -> Array:
        if array.ndim:
            array = np.array(array)
            array[index if ... in index else index[: array.ndim]] = 0
        return array

    return change


def _border_dropped(gradient: Array) -> Array | None:
    if gradient.ndim < 3:
        return None
    inner = np.zeros_like(gradient)
    space = (slice(None), slice(None), *(slice(1, -1),) * (gradient.ndim - 2))
    inner[space] = gradient[space]
    return inner


def _turned(change: Callable[[Array], Array], rank: int) -> Callable[[Array], Array | None]:
    return lambda gradient: np.array(change(gradient)) if gradient.ndim >= rank else None


def _exchanged(question: Question) -> Arrays:
    """Give the gradients of primals of equal shape to one another."""
    by_shape: dict[tuple[int, ...], list[str]] = {}
    for name, gradient in question.gradients.items():
        by_shape.setdefault(np.shape(gradient), []).append(name)
    return {
        name: question.gradients[other]
        for names in by_shape.values()
        if len(names) > 1
        for name, other in zip(names, (*names[1:], names[0]), strict=True)
    }


def _half_left_out(cotangent: Array) -> Array:
    return _without(slice(len(cotangent) // 2, None))(cotangent) if cotangent.ndim else cotangent


def _last_sample_alone(cotangent: Array) -> Array:
    return _without(slice(None, -1))(cotangent) if cotangent.ndim else cotangent


def _summed_in(dtype: type) -> Callable[[Question], Arrays]:
    """Return what adds the gradients of the rows of the upstream gradient up in another dtype, one after another."""

    def gradients(question: Question) -> Arrays:
        rows = len(_first(question)) if np.ndim(_first(question)) else 1
        total: dict[str, Array] = {name: np.zeros(np.shape(array), dtype) for name, array in question.gradients.items()}
        for row in range(rows):
            of_row = question.altered(mapped(partial(_row_alone, row), question.cotangent))
            total = {name: (array + of_row[name]).astype(dtype) for name, array in total.items()}
        return total

    return gradients


def _row_alone(row: int, cotangent: Array) -> Array:
    return _without(slice(row + 1, None))(_without(slice(None, row))(cotangent))


#: Mutants that are planted into any layer; those of `CORE_MUTANTS` into a person's own.
GENERIC: tuple[Mutant, ...] = (
    Mutant("scale:2", "the gradient is twice the right one", scaled(2.0)),
    Mutant("scale:1/2", "the gradient is half the right one", scaled(0.5)),
    Mutant("scale:-1", "the gradient has the wrong sign", scaled(-1.0)),
    Mutant("scale:N", "the gradient is N times the right one, for N samples", _by_batch(1)),
    Mutant("scale:1/N", "the gradient is divided by the number N of samples", _by_batch(-1)),
    Mutant("scale:1.001", "the gradient is a thousandth too large", scaled(1.001)),
    Mutant("zero", "the gradient is zero", scaled(0.0)),
    Mutant("one-entry", "the largest entry of the gradient is twice the right one", _each(_one_entry(2.0))),
    Mutant(
        "one-entry-slightly", "the largest entry of the gradient is a thousandth too large", _each(_one_entry(1.001))
    ),
    Mutant("last-row-dropped", "the last row of the gradient is zero", _each(_without(-1))),
    Mutant("last-column-dropped", "the last column of the gradient is zero", _each(_without(..., -1))),
    Mutant("border-dropped", "the gradient is zero along the border", _each(_border_dropped)),
    Mutant(
        "transposed", "the gradient has its first two axes exchanged", _each(_turned(lambda a: a.swapaxes(0, 1), 2))
    ),
    Mutant(
        "transposed-last",
        "the gradient has its last two axes exchanged",
        _each(_turned(lambda a: a.swapaxes(-1, -2), 2)),
    ),
    Mutant("flipped", "the gradient is flipped along its last axis", _each(_turned(lambda a: a[..., ::-1], 1))),
    Mutant("flipped-first", "the gradient is flipped along its first axis", _each(_turned(lambda a: a[::-1], 1))),
    Mutant(
        "rolled", "the gradient is moved by one along its last axis", _each(_turned(lambda a: np.roll(a, 1, -1), 1))
    ),
    Mutant(
        "rolled-first",
        "the gradient is moved by one along its first axis",
        _each(_turned(lambda a: np.roll(a, 1, 0), 1)),
    ),
    Mutant(
        "sum-in-every-entry", "every entry of the gradient is the sum of all", _each(lambda a: np.full_like(a, a.sum()))
    ),
    Mutant(
        "mean-in-every-entry",
        "every entry of the gradient is the mean of all",
        _each(lambda a: np.full_like(a, a.mean())),
    ),
    Mutant("exchanged", "the gradients of primals of equal shape are exchanged", _exchanged),
    Mutant("upstream-ignored", "the upstream gradient is treated as ones", asked_with(np.ones_like)),
    Mutant("upstream-squared", "the upstream gradient is used twice", asked_with(np.square)),
    Mutant("upstream-sign", "the upstream gradient is used without its sign", asked_with(np.abs)),
    Mutant("sample-left-out", "the first row of the upstream gradient is left out", asked_with(_without(0))),
    Mutant("last-sample-left-out", "the last row of the upstream gradient is left out", asked_with(_without(-1))),
    Mutant("last-sample-alone", "only the last row of the upstream gradient is used", asked_with(_last_sample_alone)),
    Mutant("half-batch", "only the first half of the upstream gradient is used", asked_with(_half_left_out)),
    Mutant(
        "summed-in-float16",
        "the gradient is summed over the upstream gradient's rows in float16",
        _summed_in(np.float16),
    ),
    Mutant(
        "summed-in-float32",
        "the gradient is summed over the upstream gradient's rows in float32",
        _summed_in(np.float32),
    ),
    Mutant(
        "last-output-left-out", "the last column of the upstream gradient is left out", asked_with(_without(..., -1))
    ),
)

#: Every check of a gradient must notice these.
CORE_MUTANTS: tuple[Mutant, ...] = tuple(
    mutant
    for mutant in GENERIC
    if mutant.slug in ("scale:2", "scale:-1", "zero", "one-entry", "last-row-dropped", "exchanged")
)
