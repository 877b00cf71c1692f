"""How noisy a function really is: a difference table over nearby points."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from gradcheck.numeric.function import Function
from gradcheck.numeric.precision import DOUBLE, HALF, SINGLE, Precision
from gradcheck.numeric.space import Vector

_POINTS = 7
#: Spacing of the points in units of roundoff: far enough to round anew, near enough for f to be straight.
_SPACING = 16.0
#: Fewer of the outputs that should move than this do: the function stands still.
_STANDING_SHARE = 0.1
#: Where outputs stand still over wider lines too, this one is tried last: their rounding hides how they move.
_WIDEST = 2.0**-10
#: A line whose higher differences stay below this share of its rise may hold the noise of float32, but no kink: one
#: beside a flat piece leaves at least a twentieth.
_STRAIGHT_IN_SINGLE = 0.02
#: Half-way between two precisions some arguments of many cross a rounding boundary of the lower one.
_STANDING_SHARE_BETWEEN = 0.5

#: The move that shows how sensitive outputs are: larger than the roundoff of any lower precision but float16.
_RELATIVE = 2.0**-20
#: Noise of so many times the rounding that its sensitivity explains is that of a lower precision.
_MANY = 2.0**10


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Measured noise.

    Attributes
    ----------
    level : Vector
        Standard deviation of the noise of each output.
    precision : Precision
        The precision in which the function was seen to compute: the finest at whose roundoff its outputs move.
    """

    level: Vector
    precision: Precision


def measure_noise(function: Function, point: Vector, direction: Vector, outputs: Vector, slope: Vector) -> Noise:
    """Measure the noise of each output near `point`: six evaluations, and some thirty more where it stands still.

    Parameters
    ----------
    function : Function
    point, direction : Vector
        The points lie on the line ``point + t·direction``.
    outputs, slope : Vector
        ``f(point)``, and its slope along `direction` as far as it is known; 0 where it is not.

    Notes
    -----
    Over equally spaced points so close together that the function is a straight line, the k-th differences
    (k = 3 … 5) hold noise alone, with variance ``(2k)!/(k!)²`` times that of one value. An output that stands still
    there shows no noise, be it a small difference of large numbers or flat: the first wider line over which it moves
    tells, unless it only bends. One that moves nowhere may be rounded off beside numbers of ordinary size.

    A function that computes in a lower precision than its arguments stands still over a few of their roundoffs,
    although its slope says that it should move; it is then looked at over a few roundoffs of the next lower precision.

    References
    ----------
    J. J. Moré and S. M. Wild, Estimating computational noise, SIAM J. Sci. Comput. 33 (2011), section 3.
    """
    own = function.precision
    line = partial(_line, function, point, direction, outputs)
    nearest = line(_SPACING * own.unit)
    level, still = _level(nearest), ~_moves(nearest)
    # From float32 down the roundoffs are too close together to tell float16 from a difference of large numbers.
    spacings = (_SPACING * SINGLE.unit, _WIDEST) if own is DOUBLE else (_WIDEST,)
    hidden, wider = still, []
    for spacing in spacings:
        if not hidden.any():
            break
        wider.append(line(spacing))
        level = np.where(hidden & _wavers(wider[-1]), np.maximum(level, _level(wider[-1])), level)
        hidden = hidden & ~_moves(wider[-1])
    level = np.where(hidden, np.maximum(level, own.unit), level)
    lower = _lower_precision(line, function, point, still, wider[0], slope) if wider and own is DOUBLE else None
    return lower or Noise(level=level, precision=own)


def _lower_precision(
    line: Callable[[float], Vector],
    function: Function,
    point: Vector,
    still: NDArray[np.bool_],
    values: Vector,
    slope: Vector,
) -> Noise | None:
    """Return the noise of a float64 function that is seen to compute in a lower precision, else None.

    `still` are the outputs that do not move over a few roundoffs of float64, `values` those over a few of float32.
    """
    outputs, rise = values[_POINTS // 2], np.abs(values[-1] - values[0])
    # Over these the slope shows too, where no smaller step showed it.
    straight = _level(values) < _STRAIGHT_IN_SINGLE * rise
    seen = np.where(straight, rise / ((_POINTS - 1) * _SPACING * SINGLE.unit), 0.0)
    slope = np.where(slope == 0, seen, np.abs(slope))
    should_move = slope * _SPACING > np.abs(outputs) + np.finfo(float).tiny  # by a roundoff from point to point

    def stands_still(moves: NDArray[np.bool_], share: float) -> bool:
        return bool(should_move.any() and np.mean(moves[should_move]) < share)

    if not stands_still(~still, _STANDING_SHARE):
        return None
    for precision in (SINGLE, HALF):
        if precision is HALF:
            values = line(_SPACING * HALF.unit)
        if stands_still(_moves(values), _STANDING_SHARE):
            continue
        # An output that is a small difference of large numbers stands still over a few roundoffs too; but it moves
        # long before the roundoff of a lower precision is reached.
        between = line(math.sqrt(DOUBLE.unit * precision.unit))
        lower = stands_still(_moves(between), _STANDING_SHARE_BETWEEN)
        if lower and _is_coarse(values, outputs, should_move, precision):
            explained = _explained(function, point, outputs) * DOUBLE.unit
            if np.median(_level(values)[should_move]) > _MANY * np.median(explained[should_move]):
                return Noise(level=_level(values), precision=precision)
        break
    return None


def _is_coarse(values: Vector, outputs: Vector, chosen: NDArray[np.bool_], precision: Precision) -> bool:
    """Whether the noise of the outputs chosen is of the order of that precision's roundoff."""
    return bool(np.median(_level(values)[chosen]) > precision.unit / 64 * np.median(np.abs(outputs[chosen])))


def _explained(function: Function, point: Vector, outputs: Vector) -> Vector:
    """How much each output changes, for each unit by which all entries of the point change relatively: one evaluation.

    The rounding of a function that computes in the precision of its arguments is some roundoffs of that, however small
    a difference of large numbers the output is; or of 1, the size of the constants that it may be a difference of.
    """
    irregular = np.cos(np.arange(point.size))
    moved = function.evaluate(function.round(point * (1 + _RELATIVE * irregular)))
    return np.maximum(np.abs(moved - outputs) / _RELATIVE, 1.0)


def _line(function: Function, point: Vector, direction: Vector, outputs: Vector, spacing: float) -> Vector:
    half = _POINTS // 2
    offsets = [k for k in range(-half, half + 1) if k]
    values = [function.evaluate(function.round(point + k * spacing * direction)) for k in offsets]
    return np.array([*values[:half], outputs, *values[half:]])


def _moves(values: Vector) -> NDArray[np.bool_]:
    """Which outputs take more than two values on the line."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.count_nonzero(np.diff(values, axis=0), axis=0) >= 2)


def _wavers(values: Vector) -> NDArray[np.bool_]:
    """Which outputs waver on the line: their third differences change sign twice, at a kink they do so once."""
    with np.errstate(invalid="ignore"):
        signs = np.sign(np.diff(values, 3, axis=0))
        return np.asarray(np.count_nonzero(signs[1:] * signs[:-1] < 0, axis=0) >= 2)


def _level(values: Vector) -> Vector:
    with np.errstate(invalid="ignore"):
        differences = [np.diff(values, k, axis=0) / math.sqrt(math.comb(2 * k, k)) for k in (3, 4, 5)]
        largest = np.max([np.abs(one).max(axis=0) for one in differences], axis=0)
        sizes = np.where(largest > 0.0, largest, 1.0)
        levels = [np.sqrt(np.mean((one / sizes) ** 2, axis=0)) for one in differences]
    level = sizes * np.max(levels, axis=0)
    return np.where(np.isfinite(level), level, np.inf)
