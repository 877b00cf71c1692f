"""Entries in the wrong places, of the gradient or of what was sent back: flipped, transposed, moved."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from gradcheck.diagnosis.exhibit import Exhibit
from gradcheck.diagnosis.hypothesis import ORIENTATION, PATTERN, Hypothesis, plainly, turned
from gradcheck.subject import Array

#: The axes of an upstream gradient with more of them have too many orders.
_MOST_AXES = 4


def orientations(exhibit: Exhibit, primal: str) -> Iterator[Hypothesis]:
    """Yield every flip, every order of the axes, and moves by one."""
    rank = exhibit.answers[primal].ndim
    for count in range(1, rank + 1):
        for axes in itertools.combinations(range(rank), count):
            sentence = f"the gradient is flipped along {_named(axes)}"
            yield turned(f"flipped:{_listed(axes)}", ORIENTATION, sentence, partial(np.flip, axis=axes))
    for order in itertools.permutations(range(rank)):
        if order != tuple(range(rank)):
            sentence = f"the gradient has its axes in the order {order}"
            yield turned(f"transposed:{_listed(order)}", ORIENTATION, sentence, partial(np.transpose, axes=order))
    for axis, by in itertools.product(range(rank), (1, -1)):
        sentence = f"the gradient is moved by {by:+d} along {_named((axis,))}"
        yield turned(f"rolled:{axis}:{by:+d}", ORIENTATION, sentence, partial(np.roll, shift=by, axis=axis))


def orientations_of_upstream(exhibit: Exhibit, primal: str) -> Iterator[Hypothesis]:  # noqa: ARG001 - a family's form
    """Yield moves and flips of the upstream gradient, and every order of its axes from which it may be reshaped."""
    upstream = exhibit.question.cotangent
    rank = 0 if isinstance(upstream, tuple) else upstream.ndim
    if rank > _MOST_AXES:
        return
    for axis, by in itertools.product(range(rank), (1, -1)):
        told = f"the upstream gradient is moved by {by:+d} along {_named((axis,))}"
        yield _sent_back(f"upstream-rolled:{axis}:{by:+d}", told, partial(np.roll, shift=by, axis=axis))
    for order in itertools.permutations(range(rank)):
        if order != tuple(range(rank)):
            told = f"the upstream gradient is reshaped from its axes in the order {order}"
            turn = partial(_reshaped, order=order)
            yield _sent_back(f"upstream-reordered:{_listed(order)}", told, turn)
    for count in range(1, rank + 1):
        for axes in itertools.combinations(range(rank), count):
            told = f"the upstream gradient is flipped along {_named(axes)}"
            yield _sent_back(f"upstream-flipped:{_listed(axes)}", told, partial(np.flip, axis=axes))


def _reshaped(array: Array, order: tuple[int, ...]) -> Array:
    return array.transpose(order).reshape(array.shape)


def _sent_back(slug: str, sentence: str, turn: Callable[[Array], Array]) -> Hypothesis:
    """Return that something was done to the upstream gradient."""

    def predict(exhibit: Exhibit, primal: str) -> Array | None:
        upstream = exhibit.question.cotangent
        if isinstance(upstream, tuple):
            return None
        try:
            return exhibit.altered(primal, turn(upstream))
        except ValueError:  # fewer axes than where it was read off
            return None

    return Hypothesis(slug, PATTERN, plainly(sentence), predict)


def _named(axes: tuple[int, ...]) -> str:
    return f"axis {axes[0]}" if len(axes) == 1 else f"axes {', '.join(map(str, axes))}"


def _listed(axes: tuple[int, ...]) -> str:
    return ",".join(map(str, axes))
