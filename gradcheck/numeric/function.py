"""A function of one vector, as differences see it, and its symmetric pair of values around a point."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from gradcheck.numeric.precision import Precision
from gradcheck.numeric.space import Vector


@dataclass(frozen=True, kw_only=True)
class Function:
    """A function from vectors to vectors.

    Attributes
    ----------
    evaluate : callable
        Returns the outputs at a point, as a new float64 vector.
    round : callable
        Returns a point as the function will see it: rounded to the dtypes of its arguments.
    precision : Precision
        The precision in which it computes.
    """

    evaluate: Callable[[Vector], Vector]
    round: Callable[[Vector], Vector]
    precision: Precision


class Pair(NamedTuple):
    """The values on both sides of a point."""

    plus: Vector
    minus: Vector


def evaluate_pair(function: Function, point: Vector, step: Vector) -> Pair:
    """Evaluate ``f(point + step)`` and ``f(point - step)``: two evaluations."""
    return Pair(function.evaluate(function.round(point + step)), function.evaluate(function.round(point - step)))


def displacement(function: Function, point: Vector, step: Vector) -> Vector:
    """Return the displacement really taken between ``point - step`` and ``point + step``.

    It is the difference of the two points after rounding, not ``2·step``: in float32 and float16 the two are not the
    same.
    """
    return function.round(point + step) - function.round(point - step)
