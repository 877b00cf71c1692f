"""The projected check: one scalar test per pair of directions, whatever the number of entries."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from gradcheck.numeric.directions import TYPICAL_MAGNITUDE
from gradcheck.numeric.function import Function
from gradcheck.numeric.ladder import a_priori_noise
from gradcheck.numeric.precision import DOUBLE, Precision
from gradcheck.numeric.space import Vector, norm

#: Relative step: central differences in float64 are then wrong by 1e-12 from truncation, 1e-10 from rounding.
STEP = 1e-6
#: Rounding of an output value, in units of roundoff, that is expected whatever the forward computes.
NOISE_FLOOR = 4.0
#: A gradient below this share of the largest one of the call cannot be told from rounding: it counts as zero.
ZERO_SHARE = 1e-11
#: A primal with a smaller share of the projection's scale gets a trial of its own.
SMALL_SHARE = 1e-2
#: A one-sided gap above this share of the typical slope makes an output suspect of a kink.
SUSPICIOUS_GAP = 1e-2
#: Entries that are projected at a time.
_BLOCK = 2**16
#: A test whose tolerance is this many times wider than its proper one is left to a ladder of steps.
BLUNT = 10.0


@dataclass(frozen=True)
class Pulled:
    """A cotangent and what the pullback made of it.

    Attributes
    ----------
    cotangent, gradient : Vector
    sizes : dict of str to float
        Per primal the norm of its gradient times the scale of its tangents.
    """

    cotangent: Vector
    gradient: Vector
    sizes: dict[str, float]


@dataclass(frozen=True)
class Difference:
    """What two forwards tell about one tangent.

    Attributes
    ----------
    point, tangent : Vector
    slope : Vector
        Central slope per output.
    size : float
        Norm of `slope`.
    kinked : bool
        Whether some output has one-sided slopes that differ.
    """

    point: Vector
    tangent: Vector
    slope: Vector
    size: float
    kinked: bool

    def project(self, gradient: Vector) -> float:
        """Return ``⟨gradient, d⟩`` for the tangent d really taken: that between the two points after rounding."""
        total = 0.0
        for start in range(0, gradient.size, _BLOCK):
            block = slice(start, start + _BLOCK)
            move = STEP * self.tangent[block]
            taken = self.point[block] + move
            taken -= self.point[block] - move
            total += float(np.dot(gradient[block], taken))
        return total / (2 * STEP)


@dataclass(frozen=True)
class Test:
    """One scalar test of a gradient against a slope.

    Attributes
    ----------
    analytic, numeric : float
        ``⟨A, d⟩`` and ``⟨g, J d⟩``.
    tolerance : float
        What rounding and truncation may have done to them.
    scale : float
        Size of the terms that were summed.
    sharp : bool
        Whether the tolerance is not much wider than it would be without the rounding of the outputs.
    """

    analytic: float
    numeric: float
    tolerance: float
    scale: float
    sharp: bool

    @property
    def agrees(self) -> bool:
        """Whether the two values agree within the tolerance."""
        return math.isfinite(self.tolerance) and abs(self.analytic - self.numeric) <= self.tolerance


def difference(function: Function, point: Vector, outputs: Vector, tangent: Vector) -> Difference:
    """Difference the outputs along a tangent: two forwards.

    One vector is made beside the tangent, since a large network leaves room for few.
    """
    moved = STEP * tangent
    moved += point
    plus = function.evaluate(moved)
    np.multiply(tangent, -STEP, out=moved)
    moved += point
    minus = function.evaluate(moved)
    slope = plus - minus
    slope *= 1 / (2 * STEP)
    size = norm(slope)
    bend = plus
    bend += minus
    bend -= outputs
    bend -= outputs
    return Difference(point, tangent, slope, size, _is_kinked(function, outputs, bend, slope, size))


def _is_kinked(function: Function, outputs: Vector, bend: Vector, slope: Vector, size: float) -> bool:
    """Whether the one-sided slopes of some output, ``bend/h`` apart, differ by more than curvature and rounding do."""
    typical = SUSPICIOUS_GAP * size / math.sqrt(slope.size)
    if norm(bend) <= typical * STEP:
        return False
    noise = 16 * a_priori_noise(outputs, function.precision)
    return bool((np.abs(bend) > STEP * (typical + SUSPICIOUS_GAP * np.abs(slope)) + noise).any())


def noise_floor(outputs: Vector) -> float:
    """Return what the rounding of the outputs does to a projection of their slopes."""
    return NOISE_FLOOR * DOUBLE.unit * TYPICAL_MAGNITUDE * norm(outputs) / STEP


def compare(
    pulled: Pulled, moved: Difference, names: Collection[str], precision: Precision, floor: float, zero: float = 0.0
) -> Test:
    """Test one gradient against one difference.

    Parameters
    ----------
    pulled : Pulled
    moved : Difference
    names : collection of str
        The primals that were moved.
    precision : Precision
        Of the gradient.
    floor : float
        What the rounding of the outputs does to their weighted difference: ``4u‖g∘y‖₂/h``.
    zero : float
        Values up to this count as zero.

    Notes
    -----
    N = ⟨g, f(p⁺) - f(p⁻)⟩/2h and Â = ⟨A, d⟩ agree when ``|N - Â| ≤ tol·S + 4u‖g∘y‖₂/h``, with the scale
    ``S = max(‖A∘d‖₂, ‖g∘J d‖₂)``, which does not grow with the number of entries as their sum would. Tangents and
    cotangents have magnitudes between 1 and 2 scales, so that both norms follow from those of A and of J d.
    """
    analytic = moved.project(pulled.gradient)
    numeric = float(np.dot(pulled.cotangent, moved.slope))
    scale = TYPICAL_MAGNITUDE * max(math.hypot(*(pulled.sizes[name] for name in names)), moved.size)
    proper = precision.analytic_tolerance * scale
    return Test(analytic, numeric, proper + floor + zero, scale, floor + zero <= BLUNT * proper)


def by_magnitude(pulled: Pulled) -> list[tuple[str, ...]]:
    """Return the primals in groups, those with the largest gradients first.

    A primal whose share of the scale of its group is too small, so that a joint test would drown its errors, belongs
    to a later group; those whose gradient is zero make the last one.
    """
    groups, rest = [], dict(pulled.sizes)
    while rest:
        total = math.hypot(*rest.values())
        seen = tuple(name for name, size in rest.items() if size >= SMALL_SHARE * total)
        groups.append(seen)
        rest = {name: size for name, size in rest.items() if name not in seen}
    return groups
