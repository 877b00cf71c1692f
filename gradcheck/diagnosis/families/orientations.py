"""Gradients whose entries are right and in the wrong places: flipped, transposed, moved."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import partial

import numpy as np

from gradcheck.diagnosis.exhibit import Exhibit
from gradcheck.diagnosis.hypothesis import ORIENTATION, Hypothesis, turned


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


def _named(axes: tuple[int, ...]) -> str:
    return f"axis {axes[0]}" if len(axes) == 1 else f"axes {', '.join(map(str, axes))}"


def _listed(axes: tuple[int, ...]) -> str:
    return ",".join(map(str, axes))
