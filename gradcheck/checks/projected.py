"""The projected check: one scalar test per pair of directions, whatever the number of entries."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradcheck.checks.probe import Linearization
from gradcheck.numeric.function import Function, evaluate_pair
from gradcheck.numeric.precision import DOUBLE, Precision
from gradcheck.numeric.space import Space, Vector, norm, rms

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
#: A test whose tolerance is this many times wider than its proper one is left to a ladder of steps.
BLUNT = 10.0


@dataclass(frozen=True)
class Difference:
    """What two forwards tell about one tangent.

    Attributes
    ----------
    taken : Vector
        The tangent really taken.
    slope : Vector
        Central slope per output.
    kinked : bool
        Whether some output has one-sided slopes that differ.
    """

    taken: Vector
    slope: Vector
    kinked: bool


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
        return abs(self.analytic - self.numeric) <= self.tolerance


def difference(function: Function, point: Vector, outputs: Vector, tangent: Vector) -> Difference:
    """Difference the outputs along a tangent: two forwards."""
    pair = evaluate_pair(function, point, STEP * tangent)
    slope = (pair.plus - pair.minus) / (2 * STEP)
    gap = np.abs(pair.plus - 2 * outputs + pair.minus) / STEP
    magnitude = np.abs(slope)
    floor = 8 * NOISE_FLOOR * function.precision.unit / STEP * (np.abs(outputs) + rms(outputs))
    kinked = bool((gap > SUSPICIOUS_GAP * (magnitude + rms(slope)) + floor).any())
    pair.displacement[...] /= 2 * STEP
    return Difference(pair.displacement, slope, kinked)


def compare(
    outputs: Vector,
    gradient: Vector,
    cotangent: Vector,
    moved: Difference,
    precision: Precision,
    zero: float = 0.0,
) -> Test:
    """Test one gradient against one difference; values up to `zero` count as zero.

    Notes
    -----
    N = ⟨g, f(p⁺) - f(p⁻)⟩/2h and Â = ⟨A, d⟩ agree when ``|N - Â| ≤ tol·S + 4u‖g∘y‖₂/h``, with the scale
    ``S = max(‖A∘d‖₂, ‖g∘J d‖₂)``, which does not grow with the number of entries as their sum would.
    """
    terms = gradient * moved.taken
    weighted = cotangent * moved.slope
    scale = max(norm(terms), norm(weighted))
    floor = NOISE_FLOOR * DOUBLE.unit * norm(cotangent * outputs) / STEP
    proper = precision.analytic_tolerance * scale
    sharp = floor + zero <= BLUNT * proper
    return Test(float(terms.sum()), float(weighted.sum()), proper + floor + zero, scale, sharp)


def small_primals(space: Space, gradient: Vector, taken: Vector) -> list[str]:
    """Return the primals whose share of the scale is so small that a joint test would drown their errors."""
    norms = {part.name: norm(gradient[part.slice] * taken[part.slice]) for part in space}
    total = float(np.sqrt(sum(norm**2 for norm in norms.values())))
    return [name for name, norm in norms.items() if norm < SMALL_SHARE * total or total == 0.0]


def pair_up(
    linearization: Linearization, cotangents: Sequence[Vector], moved: Sequence[Difference]
) -> list[tuple[Vector, Vector, Difference]]:
    """Return every pair of gradient and difference: K tangents and L cotangents give K·L tests."""
    gradients = [(cotangent, linearization.pullback(cotangent)) for cotangent in cotangents]
    return [(cotangent, gradient, one) for (cotangent, gradient), one in itertools.product(gradients, moved)]
