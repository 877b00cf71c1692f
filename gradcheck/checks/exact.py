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
    moved = _exact_slope(setting, tangent)
    if moved is None:
        return None
    slope, taken, error = moved
    cotangent, gradient = setting.pull(0)
    terms = gradient * taken
    analytic, numeric = float(terms.sum()), float(np.dot(cotangent, slope))
    scale = max(norm(terms), norm(cotangent * slope))
    bar = TOLERANCE * scale + 2 * SIGMAS * norm(cotangent * error)
    found = ExactTest(primals=names, analytic=analytic, numeric=numeric, bar=bar)
    if found.agrees:
        return found
    # Ill-conditioned sums are no fault: see how far rounding alone moves the analytic side.
    bar += setting.analytic_floor(cotangent, float(np.abs(tangent).max()), gradient)
    for careful in (False, True):
        spread = setting.analytic_spread(cotangent, taken, careful=careful)
        found = replace(found, bar=bar + 2 * SIGMAS * spread)
        if found.agrees:
            break
    return found


def _exact_slope(setting: Setting, tangent: Vector) -> tuple[Vector, Vector, Vector] | None:
    """Return slope, direction taken and error of the slope per output, or None where the function bends."""
    function, point, middle = setting.function, setting.point, setting.outputs
    try:
        near = evaluate_pair(function, point, tangent)
        if not _finite(near.plus, near.minus):
            return None
        far = function.evaluate(function.round(point + 2 * tangent))
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
    # Of a third derivative too small to be seen, the slope holds a sixth of the third difference.
    return (near.plus - near.minus) / 2, displacement(function, point, tangent) / 2, noise + bent / 6


def _finite(*vectors: Vector) -> bool:
    return all(is_finite(vector) for vector in vectors)
