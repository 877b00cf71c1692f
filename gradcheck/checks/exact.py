"""Where a forward is linear (or quadratic) along a tangent, its central difference is exact at any step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from gradcheck.checks.answers import FormError, SubjectRaisedError
from gradcheck.checks.numeric_forward import SIGMAS
from gradcheck.checks.setting import Setting
from gradcheck.numeric.function import displacement, evaluate_pair
from gradcheck.numeric.ladder import a_priori_noise
from gradcheck.numeric.space import Vector, is_finite, norm

#: Relative error that long sums may make on either side, beside the rounding of the outputs.
TOLERANCE = 1e-12
#: A third difference of no more roundings of the outputs than four times this is none.
_SAME = 64.0
#: Lengths of the shorter steps that confirm a disagreement, before each is stretched at random. Over the first of them
#: truncation falls to a quarter at most; the last lie within one piece of most periodic and step functions.
_SHORTER = np.array([0.4, 0.1, 0.02])
#: Beyond this many primals they are tried together only.
_MAX_PRIMALS = 4


@dataclass(frozen=True, kw_only=True)
class ExactTest:
    """A comparison in which the numeric side has no truncation error.

    Attributes
    ----------
    primals : tuple of str
        The arguments moved, in which the function is linear (two of them together: at most bilinear).
    analytic, numeric, bar : float
    """

    primals: tuple[str, ...]
    analytic: float
    numeric: float
    bar: float

    @property
    def agrees(self) -> bool:
        """Whether the two values agree within the bar."""
        return abs(self.analytic - self.numeric) <= self.bar


def exact_tests(setting: Setting) -> Iterator[ExactTest]:
    """Find the arguments in which the function is linear, and compare there with steps as large as the arguments.

    Notes
    -----
    Tested, not believed: along a tangent d the third difference ``f(p + 2d) - 3f(p + d) + 3f(p) - f(p - d)`` must
    vanish to rounding, which it does not at a kink. First all primals move together, which a bilinear layer such as a
    convolution allows; if that fails each primal moves alone. Three evaluations each.

    A third difference may vanish by chance: that of a periodic or a step function where its points fall on like
    pieces, that of a smooth function where it is symmetric about a zero of the third derivative. Where the gradient
    disagrees, shorter steps of random lengths must show the same slope, and what they leave open widens the bar.
    """
    names = tuple(part.name for part in setting.space)
    together = _exact_test(setting, names, setting.tangent())
    if together is not None:
        yield together
    elif 1 < len(names) <= _MAX_PRIMALS:
        for name in names:
            alone = _exact_test(setting, (name,), setting.restricted(setting.tangent(), (name,)))
            if alone is not None:
                yield alone


def _exact_test(setting: Setting, names: tuple[str, ...], tangent: Vector) -> ExactTest | None:
    secant = _secant(setting, tangent, 1.0)
    if secant is None:
        return None
    found = _compared(setting, names, secant)
    if found.agrees:
        return found
    confirmed = _confirmed(setting, tangent, secant)
    if confirmed is None:
        return None
    found = _compared(setting, names, confirmed)
    if found.agrees:
        return found
    # Ill-conditioned sums are no fault: see how far rounding alone moves the analytic side.
    cotangent, gradient = setting.pull(0)
    bar = found.bar + setting.analytic_floor(cotangent, float(np.abs(tangent).max()), gradient)
    for careful in (False, True):
        spread = setting.analytic_spread(cotangent, secant.taken, careful=careful)
        found = replace(found, bar=bar + 2 * SIGMAS * spread)
        if found.agrees:
            break
    return found


@dataclass(frozen=True, kw_only=True)
class _Secant:
    """The slope of a function over one step along a tangent, where it does not bend.

    Attributes
    ----------
    slope : Vector
        Per output.
    taken : Vector
        The direction to which it belongs.
    error : Vector
        Error of the slope per output.
    """

    slope: Vector
    taken: Vector
    error: Vector


def _compared(setting: Setting, names: tuple[str, ...], secant: _Secant) -> ExactTest:
    cotangent, gradient = setting.pull(0)
    terms = gradient * secant.taken
    scale = max(norm(terms), norm(cotangent * secant.slope))
    return ExactTest(
        primals=names,
        analytic=float(terms.sum()),
        numeric=float(np.dot(cotangent, secant.slope)),
        bar=TOLERANCE * scale + 2 * SIGMAS * norm(cotangent * secant.error),
    )


def _confirmed(setting: Setting, tangent: Vector, secant: _Secant) -> _Secant | None:
    """Return a secant with the error that shorter ones show, or None where one of them has another slope."""
    error = secant.error
    for step in _SHORTER * setting.rng.uniform(0.75, 1.25, len(_SHORTER)):
        shorter = _secant(setting, tangent, float(step))
        if shorter is None:
            return None
        apart = np.abs(shorter.slope - secant.slope)
        if (apart > _SAME * (shorter.error + secant.error)).any():
            return None
        error = np.maximum(error, apart)
    return replace(secant, error=error)


def _secant(setting: Setting, tangent: Vector, step: float) -> _Secant | None:
    """Return the slope over a step along a tangent, or None where the function bends or has no value."""
    function, point, middle = setting.function, setting.point, setting.outputs
    move = step * tangent
    try:
        near = evaluate_pair(function, point, move)
        if not _finite(near.plus, near.minus):
            return None
        far = function.evaluate(function.round(point + 2 * move))
    except (SubjectRaisedError, FormError):
        # Moving as far as this may leave the domain of the function; it is then not linear.
        return None
    if not _finite(far):
        return None
    third = far - 3 * near.plus + 3 * middle - near.minus
    largest = np.abs(middle)
    for values in (near.plus, near.minus, far):
        np.maximum(largest, np.abs(values), out=largest)
    noise = np.maximum(a_priori_noise(largest, function.precision), setting.noise)
    bent = np.abs(third)
    if (bent > 4 * _SAME * noise).any():
        return None
    return _Secant(
        slope=(near.plus - near.minus) / (2 * step),
        taken=displacement(function, point, move) / (2 * step),
        # Of a third derivative too small to be seen, the slope holds a sixth of the third difference.
        error=(noise + bent / 6) / step,
    )


def _finite(*vectors: Vector) -> bool:
    return all(is_finite(vector) for vector in vectors)
