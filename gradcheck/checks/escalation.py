"""A disagreement looked at closely: a ladder of steps, rough outputs left out, an error bar, a verdict."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gradcheck.checks.numeric_forward import SIGMAS
from gradcheck.checks.setting import Setting
from gradcheck.numeric.ladder import RATIO, Rung, Slopes, climb, read
from gradcheck.numeric.precision import DOUBLE, HALF, Precision
from gradcheck.numeric.space import Vector, norm, rms

State: TypeAlias = Literal["right", "wrong", "unknown"]

_RUNGS = 3
#: Where no more of the outputs than this are smooth, the noise of the forward is measured.
_MOSTLY_SMOOTH = 0.5
#: Roundings that any pullback may make on the way to a projection.
_ANALYTIC_ROUNDINGS = 64.0
#: Truncation errors of different outputs are added as if independent (the cotangent's signs are random).
_TRUNCATION_SIGMAS = 3.0
#: Slopes along two parts of a tangent that miss the slope along it by more than this share do not add up.
_CREASE = 1e-2
#: An order statistic may take the same entry along all three by chance.
_CREASE_TRIALS = 3
#: A kink is seen on steps so many times smaller too.
_CLOSER = 32.0


@dataclass(frozen=True, kw_only=True)
class Examination:
    """What a ladder along one tangent says of the gradient.

    Attributes
    ----------
    state : {"right", "wrong", "unknown"}
    analytic, numeric, bar : float
        ``⟨A, d⟩``, ``⟨g, J d⟩`` and how far apart they may be.
    scale : float
        Size of the terms that were summed.
    slopes : Slopes
    cotangent : Vector
        Zero on the outputs that are not smooth.
    gradient : Vector
        The pullback of `cotangent`.
    tangent : Vector
    """

    state: State
    analytic: float
    numeric: float
    bar: float
    scale: float
    slopes: Slopes
    cotangent: Vector
    gradient: Vector
    tangent: Vector

    @property
    def judged(self) -> float:
        """Share of the outputs that were smooth."""
        return float(np.mean(self.slopes.smooth))


def examine(setting: Setting, tangent: Vector) -> Examination:
    """Examine the gradient along one tangent, with a fresh cotangent."""
    cotangent = setting.cotangent()
    rungs = _climb(setting, tangent, setting.first_step)
    still = _examine_still(setting, rungs, tangent, cotangent)
    if still is not None and still.state == "wrong" and setting.forward.measure(still.slopes):
        still = _examine_still(setting, rungs, tangent, cotangent)
    if still is not None and still.state == "wrong":
        return still
    rungs = _climb_until_clear(setting, tangent, rungs)
    found = _judge(setting, _read(setting, rungs), cotangent, tangent)
    if found.state != "right" or found.judged <= _MOSTLY_SMOOTH:
        before = setting.function.precision
        if setting.forward.measure(found.slopes) and setting.function.precision is not before:
            rungs = _climb_until_clear(setting, tangent, _climb(setting, tangent, setting.first_step))
        found = _judge_with_spread(setting, _read(setting, rungs), cotangent, tangent)
    if still is not None and still.state == "right" and found.state == "unknown":
        return still
    return _examine_rest(setting, rungs, found, cotangent) if found.state == "right" else found


def examine_twice(setting: Setting, first: Vector, second: Vector) -> Examination:
    """Examine along two tangents; where they disagree, the one that finds the gradient wrong is examined again."""
    found, again = examine(setting, first), examine(setting, second)
    if found.state == again.state:
        # An error must hide from both, so that the sharper one tells what could have been missed.
        return min(found, again, key=lambda one: (-one.judged, one.bar))
    if "unknown" in (found.state, again.state):
        return again if found.state == "wrong" else found
    return examine(setting, first if found.state == "wrong" else second)


def _examine_still(setting: Setting, rungs: tuple[Rung, ...], tangent: Vector, cotangent: Vector) -> Examination | None:
    """Examine along a tangent where all outputs stand still on small steps; None where one moves.

    Their slopes are zero to within their rounding. A ladder that looks for a slope climbs on from there, until it meets
    the kink at which a dead unit wakes up or a satisfied margin ends.
    """
    slopes = _read(setting, rungs)
    if any(rung.slope.any() or rung.gap.any() for rung in rungs) or not slopes.smooth.all():
        return None
    return _judge_with_spread(setting, slopes, cotangent, tangent)


def find_creased(setting: Setting) -> NDArray[np.bool_]:
    """Return the outputs that are not linear near the point, although they look smooth along every tangent.

    The one-sided slopes of an order statistic such as a median are the same along a tangent and against it, but the
    slope along a tangent is not the sum of those along two parts of it.
    """
    step = min(setting.function.precision.one_sided_step, setting.straight or math.inf)
    creased = np.zeros(setting.outputs.size, bool)
    for _ in range(_CREASE_TRIALS):
        tangent, chosen = setting.tangent(), _every_other(setting)
        bent, is_clear = _bend(setting, tangent, chosen, step)
        if is_clear.any():
            # What is curved and smooth is straight on smaller steps.
            closer, is_still_clear = _bend(setting, tangent, chosen, step / _CLOSER)
            creased |= is_clear & is_still_clear & (closer > bent / 2)
    return creased


def _every_other(setting: Setting) -> NDArray[np.bool_]:
    """Choose every other entry in the order of their values, so that the entries of a tie are parted."""
    chosen = np.zeros(setting.space.size, bool)
    order = np.lexsort((setting.rng.random(setting.space.size), setting.point))
    chosen[order[int(setting.rng.integers(2)) :: 2]] = True
    return chosen


def _bend(
    setting: Setting, tangent: Vector, chosen: NDArray[np.bool_], step: float
) -> tuple[Vector, NDArray[np.bool_]]:
    """Return by how much slopes along parts of a tangent miss those of their sum and difference, and where clearly."""
    first, rest = tangent * chosen, tangent * ~chosen
    slopes = [
        climb(setting.function, setting.point, setting.outputs, move, step, rungs=1)[0].slope
        for move in (first, rest, first + rest, first - rest)
    ]
    of_first, of_rest, of_sum, of_difference = slopes
    bent = np.maximum(np.abs(of_sum - of_first - of_rest), np.abs(of_difference - of_first + of_rest))
    expected = _CREASE * np.sum(np.abs(slopes), axis=0) + 2 * SIGMAS * setting.noise / step
    return bent, bent > expected


def _read(setting: Setting, rungs: tuple[Rung, ...], chosen: NDArray[np.bool_] | None = None) -> Slopes:
    """Return the slopes that a ladder shows; outputs that are known to have a kink at the point are not smooth."""
    slopes = read(rungs, setting.noise, setting.function.precision, chosen)
    if setting.creased is None:
        return slopes
    return replace(slopes, smooth=slopes.smooth & ~setting.creased, at_point=slopes.at_point | setting.creased)


def _examine_rest(setting: Setting, rungs: tuple[Rung, ...], found: Examination, cotangent: Vector) -> Examination:
    """Judge the outputs that were rough at the chosen step at the step that suits them, if there is one."""
    rough = ~found.slopes.smooth
    if not rough.any() or setting.function.precision is not DOUBLE:
        return found
    slopes = _read(setting, rungs, rough)
    rest = replace(slopes, smooth=slopes.smooth & rough)
    if not rest.smooth.any():
        return found
    further = _judge_with_spread(setting, rest, cotangent, found.tangent)
    if further.state == "wrong" and setting.forward.measure(found.slopes):
        # What looked rough, or still, may have been rounding.
        found = _judge_with_spread(setting, _read(setting, rungs), cotangent, found.tangent)
        return _examine_rest(setting, rungs, found, cotangent) if found.state == "right" else found
    if further.state == "wrong":
        return further
    if further.state == "unknown":
        return found
    seen = replace(
        found.slopes, smooth=found.slopes.smooth | rest.smooth, at_point=found.slopes.at_point & ~rest.smooth
    )
    return replace(found, slopes=seen)


def _judge_with_spread(setting: Setting, slopes: Slopes, cotangent: Vector, tangent: Vector) -> Examination:
    """Judge with the rounding of the analytic side as it is measured."""
    found = _judge(setting, slopes, cotangent, tangent)
    measured = 2 * SIGMAS * setting.analytic_spread(found.cotangent, slopes.taken)
    measured += setting.analytic_floor(found.cotangent, float(np.abs(tangent).max()), found.gradient)
    granted = _analytic_rounding(setting, found.scale)
    found = replace(found, bar=found.bar - granted + max(granted, measured))
    return replace(found, state=_state(found, setting))


def _analytic_rounding(setting: Setting, scale: float) -> float:
    """Return the rounding of a projection that any pullback is granted."""
    return _ANALYTIC_ROUNDINGS * setting.probe.analytic_precision.unit * scale


def _climb(setting: Setting, tangent: Vector, step: float) -> tuple[Rung, ...]:
    return climb(setting.function, setting.point, setting.outputs, tangent, step, _RUNGS)


def _climb_until_clear(setting: Setting, tangent: Vector, rungs: tuple[Rung, ...]) -> tuple[Rung, ...]:
    """Climb on to larger steps where rounding drowns the slope, to smaller ones past kinks close by."""
    # A forward of hidden lower precision looks rough everywhere, and flat on steps too small for it to move.
    slopes = read(rungs, setting.noise, setting.function.precision)
    suspect = setting.function.precision is DOUBLE and np.mean(slopes.smooth) <= _MOSTLY_SMOOTH
    if suspect and setting.forward.measure(slopes) and setting.function.precision is not DOUBLE:
        rungs = _climb(setting, tangent, setting.first_step)
    precision = setting.function.precision
    while len(rungs) < precision.most_rungs:
        slopes = read(rungs, setting.noise, precision)
        if _drowned(slopes, precision):
            rungs = _climb(setting, tangent, rungs[0].step * RATIO**_RUNGS) + rungs
        elif precision is not HALF and _may_clear_up(slopes, len(rungs)):
            rungs += _climb(setting, tangent, rungs[-1].step / RATIO)
        else:
            break
    return rungs


def _drowned(slopes: Slopes, precision: Precision) -> bool:
    """Whether rounding alone makes the error bars larger than is useful, and truncation does not yet."""
    if not slopes.smooth.any():  # where steps leave the domain, larger ones do too
        return False
    useful = precision.allowed / 50 * rms(slopes.value)
    return rms(slopes.rounding) > useful and rms(slopes.rounding) > rms(slopes.truncation[slopes.smooth])


def _may_clear_up(slopes: Slopes, climbed: int) -> bool:
    rough = ~slopes.smooth
    if rough.any():
        # The gap of a kink close by looks constant on large steps: the first look is not trusted.
        return climbed == _RUNGS or bool((rough & ~slopes.at_point).any())
    return rms(slopes.truncation) > 1e-6 * rms(slopes.value)


def _judge(setting: Setting, slopes: Slopes, cotangent: Vector, tangent: Vector) -> Examination:
    weights = np.where(slopes.smooth, cotangent, 0.0)
    gradient = setting.linearization.pullback(weights) if slopes.smooth.any() else np.zeros(setting.space.size)
    terms = gradient * slopes.taken
    weighted = weights * slopes.value
    analytic, numeric = float(terms.sum()), float(weighted.sum())
    scale = max(norm(terms), norm(weighted))
    rounding = SIGMAS * norm(weights * slopes.rounding)
    truncation = _TRUNCATION_SIGMAS * norm(weights * slopes.truncation)
    bar = rounding + truncation + _analytic_rounding(setting, scale)
    found = Examination(
        state="unknown",
        analytic=analytic,
        numeric=numeric,
        bar=bar,
        scale=scale,
        slopes=slopes,
        cotangent=weights,
        gradient=gradient,
        tangent=tangent,
    )
    return replace(found, state=_state(found, setting))


def _state(found: Examination, setting: Setting) -> State:
    if not found.slopes.smooth.any():
        return "unknown"
    error = abs(found.analytic - found.numeric)
    if not (math.isfinite(found.bar) and math.isfinite(error)):
        return "unknown"
    if error > found.bar:
        return "wrong"
    coarsest = max(setting.probe.analytic_precision, setting.function.precision, key=lambda p: p.unit)
    if found.scale == 0.0:  # of terms that are not zero but too small for a float64 nothing was seen
        return "unknown" if found.gradient.any() else "right"
    return "right" if found.bar <= coarsest.allowed * found.scale < math.inf else "unknown"
