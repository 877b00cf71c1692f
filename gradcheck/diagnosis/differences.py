"""The right gradient of a layer of which nothing is known but its forward: every slope, by differences."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from gradcheck.checks.answers import flatten_outputs
from gradcheck.checks.probe import Probe
from gradcheck.numeric.function import Function
from gradcheck.numeric.precision import DOUBLE
from gradcheck.numeric.space import Space, Vector
from gradcheck.subject import Array, Arrays, Outputs, Pullback, Vjp

#: Tables of slopes that are larger are not made.
ENTRIES = 4_000_000
#: So many forwards tell how long one takes.
_TIMED = 2
#: One-sided slopes that differ by more than this share of the largest gradient are those of a kink.
_ROUGH = 1e-4
#: Rounding in float64 that may come to more than this share of the largest gradient hides it.
_NOISY = 1e-6


class TooExpensiveError(Exception):
    """All slopes would take too long."""


def differentiated(probe: Probe, deadline: float) -> Vjp:
    """Return the vjp of the forward of a subject, by central differences: two forwards per entry of the primals.

    Entries of the gradient that an output with a kink takes part in are nan, and such as rounding hides. The pullback
    raises `TooExpensiveError` where it would not be done before the deadline, a reading of `time.monotonic`.
    """
    function = probe.numeric_function()
    space = Space.of(probe.subject.primals, np.dtype(np.float64))
    valued: dict[bytes, Vector] = {}
    known: dict[bytes, tuple[Array, Array]] = {}

    def vjp(primals: Arrays) -> tuple[Outputs, Pullback]:
        point = space.join(primals)
        key = point.tobytes()
        if key not in valued:
            valued[key] = function.evaluate(function.round(point))
        assert probe.form is not None
        outputs = probe.form.cotangent(valued[key])

        def pullback(cotangent: Any) -> Arrays:
            if key not in known:
                known[key] = _jacobian(function, point, space, deadline)
            slopes, gaps = known[key]
            weights = flatten_outputs(cotangent)
            gradient, doubt = weights @ slopes, np.abs(weights) @ gaps
            gradient[doubt > _ROUGH * np.abs(gradient).max(initial=0.0)] = np.nan
            return {name: np.array(array) for name, array in space.split(gradient).items()}

        return outputs, pullback

    return vjp


def _jacobian(function: Function, point: Vector, space: Space, deadline: float) -> tuple[Array, Array]:
    """Return all slopes (outputs × entries), and how far from the truth they may be."""
    begun = time.monotonic()
    seconds = np.inf
    for _ in range(_TIMED):
        before = time.monotonic()
        outputs = function.evaluate(function.round(point))
        seconds = min(seconds, time.monotonic() - before)  # the others were held up by something else
    if outputs.size * point.size > ENTRIES or begun + 2 * point.size * seconds > deadline:
        raise TooExpensiveError
    steps = function.precision.unit ** (1 / 3) * _typical(point, space)
    slopes, gaps = np.empty((outputs.size, point.size)), np.empty((outputs.size, point.size))
    for entry, step in enumerate(steps):
        if time.monotonic() > deadline:
            raise TooExpensiveError
        above, below = _moved(function, point, entry, step), _moved(function, point, entry, -step)
        distance = above[entry] - below[entry]
        plus, minus = function.evaluate(above), function.evaluate(below)
        slopes[:, entry] = (plus - minus) / distance
        gaps[:, entry] = 2 * np.abs(plus + minus - 2 * outputs) / distance
        if function.precision is DOUBLE:
            gaps[:, entry] += _ROUGH / _NOISY * 4 * DOUBLE.unit * np.abs(outputs) / distance
    return slopes, gaps


def _typical(point: Vector, space: Space) -> Vector:
    """Return the size of each entry: its own, or the root mean square of its primal where it is smaller."""
    typical = np.abs(point)
    for part in space:
        mean = float(np.sqrt(np.mean(point[part.slice] ** 2)))
        typical[part.slice] = np.maximum(typical[part.slice], mean or 1.0)
    return typical


def _moved(function: Function, point: Vector, entry: int, step: float) -> Vector:
    moved = point.copy()
    moved[entry] += step
    return function.round(moved)
