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
from gradcheck.numeric.space import Vector, rms

_POINTS = 7
#: Spacing of the points in units of roundoff: far enough to round anew, near enough for f to be straight.
_SPACING = 16.0
#: Spacings at which roundings of a lower precision leave little of a rise, along a direction that moves little too.
_SPACING_IN_SINGLE, _SPACING_IN_HALF = 64 * SINGLE.unit, 16 * HALF.unit
#: Fewer of the outputs that should move than this do: the function stands still.
_STANDING_SHARE = 0.1
#: Where outputs stand still over wider lines too, this one is tried last: their rounding hides how they move.
_WIDEST = 2.0**-10
#: A line whose higher differences stay below this share of its rise may hold the noise of a lower precision, but no
#: kink: one beside a flat piece leaves at least a twentieth.
_STRAIGHT_IN_LOWER = 0.02
#: Half-way between two precisions some arguments of many cross a rounding boundary of the lower one.
_STANDING_SHARE_BETWEEN = 0.5

#: The move that shows how sensitive outputs are: larger than the roundoff of any lower precision but float16.
_RELATIVE = 2.0**-20
#: A step on which everything moves that depends on what moves at all.
_LARGE = 2.0**-10
#: An output that should move by so many roundoffs moves.
_CLEARLY = 8.0


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
    hidden = still
    for spacing in spacings:
        if not hidden.any():
            break
        values = line(spacing)
        level = np.where(hidden & _wavers(values), np.maximum(level, _level(values)), level)
        hidden = hidden & ~_moves(values)
    level = np.where(hidden, np.maximum(level, own.unit), level)
    lower = _lower_precision(line, function, point, still, np.abs(slope)) if own is DOUBLE and still.any() else None
    return lower or Noise(level=level, precision=own)


def _lower_precision(
    line: Callable[[float], Vector], function: Function, point: Vector, still: NDArray[np.bool_], slope: Vector
) -> Noise | None:
    """Return the noise of a float64 function that is seen to compute in a lower precision, else None.

    `still` are the outputs that do not move over a few roundoffs of float64.
    """
    least: Vector | None = None
    for finer, precision, spacing in ((DOUBLE, SINGLE, _SPACING_IN_SINGLE), (SINGLE, HALF, _SPACING_IN_HALF)):
        values = line(spacing)
        outputs, coarse, rise = values[_POINTS // 2], _level(values), np.abs(values[-1] - values[0])
        if least is None:
            # From point to point a function that computes in float64 moves if its slope makes that several roundoffs.
            least = _CLEARLY * DOUBLE.unit * np.maximum(np.abs(outputs), _explained(function, point, outputs))
        # Over these points the slope shows too, where no smaller step showed it.
        seen = np.where(coarse < _STRAIGHT_IN_LOWER * rise, rise / ((_POINTS - 1) * spacing), 0.0)
        slope = np.where(slope == 0, seen, slope)
        half_way = math.sqrt(finer.unit * precision.unit)
        should_move = slope * half_way > least
        if not should_move.any() or np.mean(~still[should_move]) >= _STANDING_SHARE:
            continue
        if np.mean(_moves(values)[should_move]) < _STANDING_SHARE:
            continue
        # An output that is a small difference of large numbers stands still over a few roundoffs too; but it moves
        # long before the roundoff of a lower precision is reached.
        if np.mean(_moves(line(half_way))[should_move]) < _STANDING_SHARE_BETWEEN:
            # Where the points happen to lie on its grid, a rounding leaves no noise.
            return Noise(level=np.maximum(coarse, precision.unit / 2 * slope), precision=precision)
    return None


def hidden_precision(function: Function, point: Vector, direction: Vector, outputs: Vector) -> Noise:
    """Return the noise and the precision that show along a direction: one evaluation where all outputs move.

    Along a direction that moves one argument no other one hides that its part of the function stands still.
    """
    known = Noise(level=np.zeros(outputs.size), precision=function.precision)
    if function.precision is not DOUBLE:
        return known
    still = _moved(function, point, math.sqrt(DOUBLE.unit * SINGLE.unit) * direction) == outputs
    # What stands still on a large step too does not depend on what moves.
    if not still.any() or (_moved(function, point, _LARGE * direction) == outputs)[still].all():
        return known
    found = measure_noise(function, point, direction, outputs, np.zeros(outputs.size))
    return known if found.precision is DOUBLE else found


def differ_by_rounding(low: Vector, high: Vector, precision: Precision, function: Function, point: Vector) -> bool:
    """Whether a function has the values `low` in a lower precision and `high` in float64, as `function` has them.

    One evaluation where more than the roundoff of the values themselves must explain what they differ by.
    """
    if low.shape != high.shape:
        return False
    allowed, apart = precision.same * precision.unit, np.abs(low - high)
    size = np.abs(high) + rms(high)
    return bool((apart <= allowed * size).all()) or bool(
        (apart <= allowed * (size + _explained(function, point, high))).all()
    )


def _explained(function: Function, point: Vector, outputs: Vector) -> Vector:
    """How much each output changes, for each unit by which all entries of the point change relatively: one evaluation.

    The rounding of a function that computes in the precision of its arguments is some roundoffs of that, however small
    a difference of large numbers the output is. Numbers of order one stand in many functions, such as ``1 - cos x``,
    and no argument moves them.
    """
    irregular = np.cos(np.arange(point.size))
    moved = _moved(function, point, _RELATIVE * irregular * point)
    return np.maximum(1.0, np.abs(moved - outputs) / _RELATIVE)


def _moved(function: Function, point: Vector, move: Vector) -> Vector:
    return function.evaluate(function.round(point + move))


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
