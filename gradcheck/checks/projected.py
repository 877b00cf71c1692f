"""The projected check: one scalar test per pair of directions, whatever the number of entries."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gradcheck.checks.setting import Setting
from gradcheck.numeric.directions import TYPICAL_MAGNITUDE
from gradcheck.numeric.function import Function
from gradcheck.numeric.ladder import a_priori_noise
from gradcheck.numeric.precision import DOUBLE, Precision
from gradcheck.numeric.space import SMALLEST, Vector, norm

#: Relative step: central differences in float64 are then wrong by 1e-12 from truncation, 1e-10 from rounding.
STEP = 1e-6
#: Steps that are tried where kinks lie within the first one, as they do in large networks. The last two are so close
#: that they see the same rounding.
FINER_STEPS = (1e-8, 1e-10, 7e-11)
#: A kink that is still within this step counts as one at the point.
AT_POINT = 1e-10
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
#: The same for finer steps, which see less sharply, but past kinks that a ladder would take long to get by.
BLUNT_FINER = 1000.0
#: What moved the difference, and not the gradient, is larger than what a finer step could miss by this factor.
_CLEARLY = 10.0


@dataclass(frozen=True, kw_only=True)
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


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What two forwards tell about one tangent.

    Attributes
    ----------
    point, tangent : Vector
    step : float
    slope : Vector
        Central slope per output.
    gap : Vector
        How much the one-sided slopes of each output differ.
    size : float
        Norm of `slope`.
    kinked : bool
        Whether some output has one-sided slopes that differ by more than curvature and rounding make them.
    """

    point: Vector
    tangent: Vector
    step: float
    slope: Vector
    gap: Vector
    size: float
    kinked: bool

    def project(self, gradients: Sequence[Vector]) -> list[float]:
        """Return ``⟨gradient, d⟩`` of each for the tangent d really taken: that between the two points as rounded."""
        totals = np.zeros(len(gradients))
        for block in _blocks(self.point.size):
            move = self.step * self.tangent[block]
            taken = self.point[block] + move
            taken -= self.point[block] - move
            totals += [np.dot(gradient[block], taken) for gradient in gradients]
        return [float(total) for total in totals / (2 * self.step)]


@dataclass(frozen=True, kw_only=True)
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


def pull(setting: Setting, k: int) -> Pulled:
    """Return the k-th random cotangent of a setting with what the pullback made of it."""
    cotangent, gradient = setting.pull(k)
    return Pulled(cotangent=cotangent, gradient=gradient, sizes=setting.sizes(gradient))


def difference(function: Function, point: Vector, outputs: Vector, tangent: Vector, step: float = STEP) -> Difference:
    """Difference the outputs along a tangent: two forwards.

    One vector is made beside the tangent, since a large network leaves room for few.
    """
    moved = np.empty_like(point)
    plus = function.evaluate(_move(point, tangent, step, moved))
    minus = function.evaluate(_move(point, tangent, -step, moved))
    slope = plus - minus
    slope *= 1 / (2 * step)
    gap = plus
    gap += minus
    gap -= outputs
    gap -= outputs
    gap *= 1 / step
    size = norm(slope)
    kinked = _is_kinked(function, outputs, gap, slope, size, step)
    return Difference(point=point, tangent=tangent, step=step, slope=slope, gap=gap, size=size, kinked=kinked)


def _move(point: Vector, tangent: Vector, step: float, moved: Vector) -> Vector:
    """Put ``point + step·tangent`` into `moved`, a block that fits into the cache at a time."""
    for block in _blocks(point.size):
        np.multiply(tangent[block], step, out=moved[block])
        moved[block] += point[block]
    return moved


def _blocks(size: int) -> Iterator[slice]:
    return (slice(start, start + _BLOCK) for start in range(0, size, _BLOCK))


def _is_kinked(function: Function, outputs: Vector, gap: Vector, slope: Vector, size: float, step: float) -> bool:
    """Whether the one-sided slopes of some output differ by more than curvature and rounding do."""
    typical = SUSPICIOUS_GAP * size / math.sqrt(slope.size)
    if norm(gap) <= typical:
        return False
    noise = 16 / step * a_priori_noise(outputs, function.precision)
    return bool((np.abs(gap) > typical + SUSPICIOUS_GAP * np.abs(slope) + noise).any())


def lies_at_point(coarse: Difference, fine: Difference) -> bool:
    """Whether some kink seen with a step is still there with a much finer one, and so lies at the point itself."""
    if not fine.kinked or fine.step > AT_POINT:
        return False
    size = SUSPICIOUS_GAP * (np.abs(fine.slope) + fine.size / math.sqrt(fine.slope.size))
    return bool((np.abs(fine.gap) > np.maximum(np.abs(coarse.gap) / 2, size)).any())


def is_explained(coarse: Test, fine: Test) -> bool:
    """Whether a disagreement was that of the difference: it went away with a finer step, which would have seen it.

    A disagreement too small for the finer step to see may be the gradient's.
    """
    disagreement = abs(coarse.analytic - coarse.numeric)
    return fine.agrees and fine.sharp and (coarse.agrees or disagreement > _CLEARLY * fine.tolerance)


def noise_floor(outputs: Vector, step: float = STEP, seen: float = 0.0) -> float:
    """Return what the rounding of the outputs does to a projection of their slopes: ``4u‖g∘y‖₂/h``, or what is seen.

    `seen` is the norm of ``f(p⁺) - 2f(p) + f(p⁻)`` with steps so fine that it holds rounding alone: on the average
    three times that of the central difference.
    """
    rounding = NOISE_FLOOR * (DOUBLE.unit * norm(outputs) + SMALLEST * math.sqrt(outputs.size))
    return TYPICAL_MAGNITUDE * (rounding + 2 * seen) / step


def compare(
    pulled: Sequence[Pulled],
    moved: Difference,
    names: Collection[str],
    precision: Precision,
    floor: float,
    zero: float = 0.0,
) -> list[Test]:
    """Test gradients against one difference.

    Parameters
    ----------
    pulled : sequence of Pulled
    moved : Difference
    names : collection of str
        The primals that were moved.
    precision : Precision
        Of the gradients.
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
    noise = floor + zero
    blunt = BLUNT if moved.step == STEP else BLUNT_FINER
    tests = []
    for one, analytic in zip(pulled, moved.project([one.gradient for one in pulled]), strict=True):
        numeric = float(np.dot(one.cotangent, moved.slope))
        scale = TYPICAL_MAGNITUDE * max(math.hypot(*(one.sizes[name] for name in names)), moved.size)
        proper = precision.analytic_tolerance * scale
        tolerance, sharp = proper + noise, noise <= blunt * proper
        tests.append(Test(analytic=analytic, numeric=numeric, tolerance=tolerance, scale=scale, sharp=sharp))
    return tests


def compare_once(setting: Setting, names: Collection[str], step: float = STEP) -> tuple[Test, Difference]:
    """Test the first gradient of a setting against one difference along which the named primals move."""
    tangent = setting.restricted(setting.tangent(), names)
    moved = difference(setting.function, setting.point, setting.outputs, tangent, step)
    floor = noise_floor(setting.outputs, step, 0.0 if step == STEP else norm(moved.gap) * step)
    (test,) = compare([pull(setting, 0)], moved, names, setting.probe.analytic_precision, floor)
    return test, moved


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
