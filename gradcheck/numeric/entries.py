"""The gradient of a weighted sum of outputs, entry by entry."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradcheck.numeric.function import Function
from gradcheck.numeric.space import Vector


@dataclass(frozen=True, kw_only=True)
class Entries:
    """Numeric gradient of some entries.

    Attributes
    ----------
    positions : ndarray of int
        Which entries.
    value : Vector
        ``⟨g, f(p + h e_i) - f(p - h e_i)⟩ / d_i``, with d_i the distance really taken.
    gap : Vector
        ``Σ |g|·|D⁺ - D⁻|`` per entry: ∝ h where the function is smooth, large at a kink.
    distance : Vector
        d_i.
    """

    positions: NDArray[np.int_]
    value: Vector
    gap: Vector
    distance: Vector


def entry_gradient(
    function: Function,
    point: Vector,
    outputs: Vector,
    cotangent: Vector,
    positions: Iterable[int],
    steps: Vector,
) -> Entries:
    """Differentiate ``⟨cotangent, f⟩`` in single entries: two evaluations per entry.

    Parameters
    ----------
    function : Function
    point, outputs, cotangent : Vector
        Where, ``f(point)`` and the weights of the outputs.
    positions : iterable of int
        The entries to move.
    steps : Vector
        A step for every entry of the point, in its units.
    """
    chosen = np.fromiter(positions, dtype=np.int_)
    value, gap, distance = np.empty(chosen.size), np.empty(chosen.size), np.empty(chosen.size)
    weights, twice = np.abs(cotangent), 2 * outputs
    for k, position in enumerate(chosen.tolist()):
        above, below = (_moved(function, point, position, step) for step in (steps[position], -steps[position]))
        distance[k] = above[position] - below[position]
        plus, minus = function.evaluate(above), function.evaluate(below)
        value[k] = np.dot(cotangent, plus - minus) / distance[k]
        gap[k] = 2 * np.dot(weights, np.abs(plus + minus - twice)) / distance[k]
    return Entries(positions=chosen, value=value, gap=gap, distance=distance)


def _moved(function: Function, point: Vector, position: int, step: float) -> Vector:
    moved = point.copy()
    moved[position] += step
    return function.round(moved)
