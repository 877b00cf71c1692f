"""The forward as differences see it: in which precision it computes, and how far its values can be trusted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from gradcheck.numeric.function import Function
from gradcheck.numeric.ladder import Slopes, a_priori_noise
from gradcheck.numeric.noise import hidden_precision, measure_noise
from gradcheck.numeric.space import Vector, rms

#: Standard deviations of measured noise that an error bar allows for.
SIGMAS = 4.0


def noise_at(function: Function, point: Vector, direction: Vector, outputs: Vector) -> Vector:
    """Measure the standard deviation of the noise of each output of a function at a point."""
    return _evened(measure_noise(function, point, direction, outputs, np.zeros_like(outputs)).level)


def _evened(level: Vector) -> Vector:
    """Return levels of which none is less than half of the typical one: that of a few values is small by chance."""
    return np.maximum(level, rms(level) / 2)


class NumericForward:
    """A forward at one point; its noise is trusted from the dtype at first, and measured when that is contradicted.

    Attributes
    ----------
    function : Function
        The forward as a function of one vector; its precision is that in which it was seen to compute.
    outputs : Vector
        Its value at the point.
    noise : Vector
        Error of each output.
    """

    def __init__(self, function: Function, point: Vector, outputs: Vector) -> None:
        self.function = function
        self.outputs = outputs
        self.noise = a_priori_noise(outputs, function.precision)
        self._point = point
        self._is_measured = False

    def look_for_casts(self, directions: Iterable[Vector]) -> None:
        """See whether the forward computes in a lower precision along some directions, each of which moves one primal.

        Where several primals are rounded, each adds its noise.
        """
        promised = self.function
        for direction in directions:
            seen = hidden_precision(promised, self._point, direction, self.outputs)
            precision = max(self.function.precision, seen.precision, key=lambda one: one.unit)
            self.function = replace(self.function, precision=precision)
            self.noise = np.hypot(self.noise, SIGMAS * seen.level)

    def measure(self, slopes: Slopes) -> bool:
        """Measure the noise along slopes already known, once; return whether that was the first time."""
        if self._is_measured:
            return False
        # A slope that changes from step to step is not the slope here.
        local = np.where(slopes.truncation < np.abs(slopes.value) / 10, slopes.value, 0.0)
        return self.measure_along(slopes.taken, local)

    def measure_along(self, direction: Vector, slope: Vector) -> bool:
        """Measure the noise along a direction, once; `slope` is 0 where it is not known."""
        if self._is_measured:
            return False
        measured = measure_noise(self.function, self._point, direction, self.outputs, slope)
        self.noise = np.maximum(self.noise, SIGMAS * _evened(measured.level))
        self.function = replace(self.function, precision=measured.precision)
        self._is_measured = True
        return True
