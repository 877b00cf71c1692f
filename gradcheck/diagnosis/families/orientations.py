"""Entries in the wrong places, of the gradient or of what was sent back: flipped, transposed, moved."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import partial

import numpy as np

from gradcheck.diagnosis.hypothesis import ORIENTATION, PATTERN, Hypothesis, sent_back, turned
from gradcheck.diagnosis.observation import Observation
from gradcheck.subject import Array

#: The axes of an upstream gradient with more of them have too many orders.
_MOST_AXES = 4


def orientations(observation: Observation, primal: str) -> Iterator[Hypothesis]:
    """Yield every flip, every order of the axes, and moves by one."""
    rank = observation.answers[primal].ndim
    for axes in _sets_of_axes(rank):
        sentence = f"the gradient is flipped along {_named(axes)}"
        yield turned(f"flipped:{_listed(axes)}", ORIENTATION, sentence, partial(np.flip, axis=axes))
    for order in _other_orders(rank):
        sentence = f"the gradient has its axes in the order {order}"
        yield turned(f"transposed:{_listed(order)}", ORIENTATION, sentence, partial(np.transpose, axes=order))
    for axis, by in _moves(rank):
        sentence = f"the gradient is moved by {by:+d} along {_named((axis,))}"
        yield turned(f"rolled:{axis}:{by:+d}", ORIENTATION, sentence, partial(np.roll, shift=by, axis=axis))


def orientations_of_upstream(observation: Observation, primal: str) -> Iterator[Hypothesis]:  # noqa: ARG001 - a family's form
    """Yield moves and flips of the upstream gradient, and every order of its axes from which it may be reshaped."""
    upstream = observation.question.cotangent
    rank = 0 if isinstance(upstream, tuple) else upstream.ndim
    if rank > _MOST_AXES:
        return
    for axis, by in _moves(rank):
        told = f"the upstream gradient is moved by {by:+d} along {_named((axis,))}"
        yield sent_back(f"upstream-rolled:{axis}:{by:+d}", PATTERN, told, partial(np.roll, shift=by, axis=axis))
    for order in _other_orders(rank):
        told = f"the upstream gradient is reshaped from its axes in the order {order}"
        yield sent_back(f"upstream-reordered:{_listed(order)}", PATTERN, told, partial(_reshaped, order=order))
    for axes in _sets_of_axes(rank):
        told = f"the upstream gradient is flipped along {_named(axes)}"
        yield sent_back(f"upstream-flipped:{_listed(axes)}", PATTERN, told, partial(np.flip, axis=axes))


def _sets_of_axes(rank: int) -> Iterator[tuple[int, ...]]:
    for count in range(1, rank + 1):
        yield from itertools.combinations(range(rank), count)


def _other_orders(rank: int) -> Iterator[tuple[int, ...]]:
    """Yield the orders of the axes that are not their own."""
    return itertools.islice(itertools.permutations(range(rank)), 1, None)


def _moves(rank: int) -> Iterator[tuple[int, int]]:
    """Yield each axis with a step forward, and with one back."""
    return itertools.product(range(rank), (1, -1))


def _reshaped(array: Array, order: tuple[int, ...]) -> Array:
    return array.transpose(order).reshape(array.shape)


def _named(axes: tuple[int, ...]) -> str:
    return f"axis {axes[0]}" if len(axes) == 1 else f"axes {', '.join(map(str, axes))}"


def _listed(axes: tuple[int, ...]) -> str:
    return ",".join(map(str, axes))
