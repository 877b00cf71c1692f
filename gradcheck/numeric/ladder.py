"""A ladder of steps: slopes per output entry, each with its error bar, and which of them are not smooth."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from gradcheck.numeric.function import Function, displacement, evaluate_pair
from gradcheck.numeric.precision import Precision
from gradcheck.numeric.space import SMALLEST, Vector, rms

#: Ratio of neighbouring steps. A power of two, so that scaling a step never rounds.
RATIO = 4.0
#: A priori, an output is wrong by this many roundings of itself and of the typical output.
ROUNDINGS = 2.0


@dataclass(frozen=True, kw_only=True)
class Rung:
    """Central slope and one-sided gap at one step.

    Attributes
    ----------
    step : float
    slope : Vector
        ``D = (f(p + h·d) - f(p - h·d)) / 2h`` per output.
    gap : Vector
        ``D⁺ - D⁻``, the difference of the one-sided slopes: ∝ h where the output is smooth, constant at a kink.
    take : callable
        Returns the direction really taken, after rounding: found when it is asked for, since a ladder over a large
        network leaves no room for one at each step.
    """

    step: float
    slope: Vector
    gap: Vector
    take: Callable[[], Vector]


@dataclass(frozen=True, kw_only=True)
class Slopes:
    """Slopes of all outputs along one direction, at the step that shows them best.

    Attributes
    ----------
    value : Vector
        Central slope per output; 0 where it is not finite.
    rounding, truncation : Vector
        The two parts of the error bar per output; `truncation` contains half the gap of an undetected kink.
    smooth : ndarray of bool
        Which outputs may be used.
    at_point : ndarray of bool
        Which of the others have their kink at the point itself (the gap does not shrink with the step).
    take : callable
        Returns the direction to which the values belong.
    step : float
    """

    value: Vector
    rounding: Vector
    truncation: Vector
    smooth: NDArray[np.bool_]
    at_point: NDArray[np.bool_]
    take: Callable[[], Vector]
    step: float

    @cached_property
    def taken(self) -> Vector:
        """The direction to which the values belong."""
        return self.take()


def a_priori_noise(outputs: Vector, precision: Precision) -> Vector:
    """Return the error expected in each output if the dtype is to be trusted: ``2u(|y| + rms y)``."""
    return np.asarray(ROUNDINGS * precision.unit * (np.abs(outputs) + rms(outputs)) + SMALLEST)


def climb(
    function: Function, point: Vector, outputs: Vector, direction: Vector, first_step: float, rungs: int = 3
) -> tuple[Rung, ...]:
    """Evaluate `rungs` steps, each a quarter of the one before: two evaluations per step.

    Parameters
    ----------
    function : Function
    point, direction : Vector
    outputs : Vector
        ``f(point)``.
    first_step : float
    rungs : int
    """
    climbed = []
    for k in range(rungs):
        step = first_step / RATIO**k
        pair = evaluate_pair(function, point, step * direction)
        with np.errstate(invalid="ignore", over="ignore"):
            slope = (pair.plus - pair.minus) / (2 * step)
            gap = (pair.plus - 2 * outputs + pair.minus) / step
        take = partial(_direction_taken, function, point, direction, step)
        climbed.append(Rung(step=step, slope=slope, gap=gap, take=take))
    return tuple(climbed)


def read(
    rungs: tuple[Rung, ...], noise: Vector, precision: Precision, chosen: NDArray[np.bool_] | None = None
) -> Slopes:
    """Return the slopes at the step whose error bars are least on the whole.

    Parameters
    ----------
    rungs : tuple of Rung
        At least two.
    noise : Vector
        Error of each output value.
    precision : Precision
    chosen : ndarray of bool, optional
        The outputs whose error bars count. Default: all.

    Notes
    -----
    Between neighbouring steps 4h and h of a smooth output the slope changes by ``(15/6)·h²·f'''`` and the gap falls
    to a quarter. What is left of the gap, ``(4/3)·|Δ(h) - Δ(4h)/4|``, is the jump of slope at a kink; an analytic
    value between the one-sided slopes is at most half of it away from the central slope, so half of it enters the
    error bar. An output whose bar is then no longer small, for another reason than rounding, is not smooth.
    """
    candidates = [_slopes(coarse, fine, noise, precision) for coarse, fine in itertools.pairwise(rungs)]
    return min(candidates, key=lambda slopes: _badness(slopes, chosen))


def _direction_taken(function: Function, point: Vector, direction: Vector, step: float) -> Vector:
    """Return the direction between the two points of a step as they are rounded."""
    return displacement(function, point, step * direction) / (2 * step)


def _slopes(coarse: Rung, fine: Rung, noise: Vector, precision: Precision) -> Slopes:
    finite = np.isfinite(coarse.slope) & np.isfinite(fine.slope) & np.isfinite(coarse.gap) & np.isfinite(fine.gap)
    value, before = np.where(finite, fine.slope, 0.0), np.where(finite, coarse.slope, 0.0)
    gap, gap_before = np.where(finite, fine.gap, 0.0), np.where(finite, coarse.gap, 0.0)
    rounding = noise / fine.step
    change = np.abs(value - before)
    jump = 4 / 3 * np.abs(gap - gap_before / RATIO)
    truncation = change / precision.change_per_error + jump / 2
    typical = np.abs(value) + rms(value)
    rough = (change + jump > precision.kink_share * typical) & (change + jump > 8 * rounding)
    at_point = rough & (np.abs(gap) > 0.7 * np.abs(gap_before)) & (np.abs(gap) > 8 * rounding)
    return Slopes(
        value=value,
        rounding=rounding,
        truncation=truncation,
        smooth=finite & ~rough,
        at_point=finite & at_point,
        take=fine.take,
        step=fine.step,
    )


def _badness(slopes: Slopes, chosen: NDArray[np.bool_] | None) -> float:
    """Return the mean error bar relative to the typical slope, where a rough output counts as much as any can."""
    typical = np.abs(slopes.value) + rms(slopes.value)
    bars = slopes.rounding + slopes.truncation
    usable = slopes.smooth & (bars < typical)
    relative = np.divide(bars, typical, out=np.ones_like(bars), where=usable)
    # Between steps that drown everything the smaller error is still the better one.
    drowned = rms(np.where(slopes.smooth, bars, 0.0))
    mean = float(np.mean(relative if chosen is None else relative[chosen]))
    return mean + 1e-6 * drowned / (1e-5 * rms(slopes.value) + drowned + np.finfo(float).tiny)
