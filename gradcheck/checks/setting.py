"""What all checks of a gradient at one point share: the subject, its linearization, the numeric forward."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gradcheck.checks.answers import FormError, SubjectRaisedError
from gradcheck.checks.numeric_forward import NumericForward
from gradcheck.checks.probe import Linearization, Probe
from gradcheck.numeric.directions import random_tangent, rounded_anew, scaled, scales, shortened, signed_random
from gradcheck.numeric.function import Function
from gradcheck.numeric.ladder import RATIO
from gradcheck.numeric.precision import DOUBLE
from gradcheck.numeric.space import Space, Vector, norm, rms, spread

#: Evaluations of the pullback from which the rounding of the analytic side is measured.
_SPREAD_DRAWS = 6
#: The same before a failure is reported: the spread of few draws may be small by chance.
_CAREFUL_DRAWS = 30
#: Roundings of one output's cotangent that any pullback may make, whatever becomes of it later.
ENTRY_ROUNDINGS = 8.0
#: How many times itself an entry may move, for a step of 1, by itself; and beside others where those that move farther
#: leave the domain. Ladders, of which steps are larger, begin so many steps later there.
NEAR = 1e2
FAR = 1e3
_SMALLER = 3
#: Gradients below this share of the rounding of ordinary numbers do not come from these.
_FAR_BELOW = 2.0**-60
#: Gradients of which one is so many times smaller than another are balanced; balance makes up for as much at most.
_BALANCED_RANGE = 100.0
#: A primal whose gradient is smaller than this share of the largest is not brought into balance with it.
_BEYOND_BALANCE = 1e-4
#: Values that agree to so many decimals of their primal's scale count as equal.
_EQUAL_DIGITS = 9


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One subject at one point, ready to be differenced.

    Attributes
    ----------
    probe : Probe
    point : Vector
        The primals, or another point.
    linearization : Linearization
    forward : NumericForward
        The forward as differences see it.
    rng : numpy.random.Generator
    scales : Vector
        The natural size of a move of each primal: its root mean square.
    moves : Vector
        How far tangents move each primal: by its scale, unless gradients were balanced.
    reach : float
        Tangents move no entry farther than so many times itself (an entry of zero: as far as its primal).
    straight : float or None
        A step within which the forward was seen to have no kinks, where larger ones had.
    creased : ndarray of bool or None
        The outputs that have a kink at the point although their one-sided slopes are the same along every tangent.
    pulls : list of (Vector, Vector)
        The random cotangents that were pulled back so far, with their gradients.
    """

    probe: Probe
    point: Vector
    linearization: Linearization
    forward: NumericForward
    rng: np.random.Generator
    scales: Vector
    moves: Vector
    reach: float = math.inf
    straight: float | None = None
    creased: NDArray[np.bool_] | None = None
    pulls: list[tuple[Vector, Vector]] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        probe: Probe,
        rng: np.random.Generator,
        point: Vector | None = None,
        function: Function | None = None,
    ) -> Setting:
        """Linearize the subject (default: at its own point) and find how its forward can be differenced.

        `function` is that, where it is known.
        """
        point = probe.point if point is None else point
        linearization = probe.linearize(point)
        if linearization.outputs.size == 0:
            raise FormError("form", "expected outputs with at least one entry, got none")
        function = function or probe.numeric_function()
        same = probe.analytic_precision is DOUBLE or function.precision is not DOUBLE
        outputs = linearization.outputs if same else function.evaluate(point)
        if outputs.shape != linearization.outputs.shape:
            raise FormError(
                "forward",
                f"expected forward to return the outputs of vjp, {linearization.outputs.size} entries, "
                f"got {outputs.size}",
            )
        sizes = scales(probe.space, point)
        return cls(
            probe=probe,
            point=point,
            linearization=linearization,
            forward=NumericForward(function, point, outputs),
            rng=rng,
            scales=sizes,
            moves=sizes,
        )

    @property
    def space(self) -> Space:
        """The primals as one vector."""
        return self.probe.space

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all primals."""
        return tuple(part.name for part in self.space)

    @property
    def function(self) -> Function:
        """The forward as a function of one vector."""
        return self.forward.function

    @property
    def outputs(self) -> Vector:
        """The value of that function at the point."""
        return self.forward.outputs

    @property
    def noise(self) -> Vector:
        """Error of each output."""
        return self.forward.noise

    def balanced(self) -> Setting:
        """Move primals of large gradients less, and those of small ones more, so that one test sees all of them.

        Nothing is changed where a joint test sees them anyway. Moves stay within a factor of 10 of the scale of their
        primal, so that rounding and truncation stay small beside the tolerance.
        """
        _, gradient = self.pull(0)
        sizes = np.array(list(self.sizes(gradient).values()))
        largest = sizes.max()
        seen = sizes[sizes > _BEYOND_BALANCE * largest]
        if not seen.size or seen.min() * _BALANCED_RANGE >= largest:
            return self
        reach = math.sqrt(_BALANCED_RANGE)
        middle = largest / reach
        with np.errstate(divide="ignore"):
            factors = np.clip(middle / sizes, 1 / reach, reach)
        return replace(self, moves=self.scales * np.where(sizes > 0, factors, 1.0))

    @cached_property
    def scale_of_entry(self) -> Vector:
        """The scale of the primal of each entry."""
        return scaled(self.space, np.ones(self.space.size), self.scales)

    @cached_property
    def step_of_entry(self) -> Vector:
        """How far each entry may move by itself, for a step of 1: the scale of its primal, less for one near zero."""
        return shortened(self.space, self.scale_of_entry.copy(), self.point, self.scales, NEAR)

    @cached_property
    def size_of_entry(self) -> Vector:
        """The size of each entry, at most the scale of its primal; that where the entry is zero."""
        return shortened(self.space, self.scale_of_entry.copy(), self.point, self.scales, 1.0)

    def tangent(self) -> Vector:
        """Draw a tangent that moves every entry, by 1 to 2 times the move of its primal or, if less, its own reach."""
        return self._within_reach(random_tangent(self.space, self.moves, self.rng))

    def tangents(self, names: Collection[str]) -> tuple[Vector, Vector]:
        """Draw two tangents of the named primals: their entries move alike, and in proportion to themselves."""
        return self.restricted(self.tangent(), names), self.restricted(self.proportional().tangent(), names)

    def proportional(self) -> Setting:
        """Return this with tangents that move entries in proportion to themselves, so that small ones are seen too."""
        return replace(self, reach=1.0)

    def _within_reach(self, vector: Vector) -> Vector:
        if self.reach == math.inf:
            return vector
        return shortened(self.space, vector, self.point, self.scales, self.reach)

    def uniform_tangent(self) -> Vector:
        """Return the tangent that moves all entries of a primal together, which keeps ties between them."""
        return self.scale_of_entry.copy()

    def tie_keeping_tangent(self) -> Vector:
        """Draw a tangent along which ties between equal values of a primal stay ties, and exact zeros stay zero.

        Entries of one value move together (every other entry by itself), so that flat regions of an image stay flat
        under any layer that sees them alike. A single wrong entry still shows: it is moved.
        """
        tangent = np.empty(self.space.size)
        for part, scale, move in zip(self.space, self.scales, self.moves, strict=True):
            _, group = np.unique(np.round(self.point[part.slice] / scale, _EQUAL_DIGITS), return_inverse=True)
            moves = float(move) * signed_random(int(group.max()) + 1, self.rng)
            tangent[part.slice] = moves[group]
        return np.where(self.point == 0.0, 0.0, tangent)

    def restricted(self, tangent: Vector, names: Collection[str]) -> Vector:
        """Return the tangent with all primals but those named held still."""
        moved = tangent.copy()
        for part in self.space:
            if part.name not in names:
                moved[part.slice] = 0.0
        return moved

    def sizes(self, gradient: Vector) -> dict[str, float]:
        """Return per primal the norm of its gradient times its moves: the size of its part of a projection."""
        if self.reach < math.inf:
            gradient = self._within_reach(gradient.copy())
        return {
            part.name: float(move) * norm(gradient[part.slice])
            for part, move in zip(self.space, self.moves, strict=True)
        }

    def resolution(self, sizes: Mapping[str, float], tolerance: float, names: Collection[str]) -> float:
        """Return the largest error of one entry, relative to the rms entry of its gradient, that `tolerance` can hide.

        Every tangent moves each entry by at least its move m, so that an error e of one entry shows as ``|e|·m``.
        Gradients that are zero throughout have no such measure and are left out.
        """
        measured = [part for part in self.space if part.name in names and sizes[part.name] > 0]
        return max((tolerance * math.sqrt(part.size) / sizes[part.name] for part in measured), default=0.0)

    def cotangent(self) -> Vector:
        """Draw a cotangent that weights every output, exact in the dtypes of the outputs."""
        return self.linearization.form.space.round(signed_random(self.outputs.size, self.rng))

    def pull(self, k: int) -> tuple[Vector, Vector]:
        """Return the k-th random cotangent and its gradient; the pullback is called where it was not asked before."""
        while len(self.pulls) <= k:
            cotangent = self.cotangent()
            self.pulls.append((cotangent, self.linearization.pullback(cotangent)))
        return self.pulls[k]

    @property
    def first_step(self) -> float:
        """Where a ladder begins."""
        precision = self.function.precision
        if self.straight is None or precision is not DOUBLE:
            return precision.first_step / (RATIO**_SMALLER if self.reach == FAR else 1.0)
        return RATIO * self.straight

    def analytic_spread(self, cotangent: Vector, tangent: Vector, *, careful: bool = False) -> float:
        """Measure how far rounding alone moves ``⟨A, d⟩``: the standard deviation over inputs a few roundoffs apart."""
        unit = self.probe.analytic_precision.unit
        drawn = []
        for _ in range(_CAREFUL_DRAWS if careful else _SPREAD_DRAWS):
            point = rounded_anew(self.space, self.point, unit, self.rng)
            weights = rounded_anew(self.linearization.form.space, cotangent, unit, self.rng)
            try:
                drawn.append(np.dot(self.probe.linearize(point).pullback(weights), tangent))
            except (FormError, SubjectRaisedError):  # the domain ends a few roundoffs away
                return math.inf
        return float(spread(drawn))

    def analytic_floor(self, cotangent: Vector, moved: float, gradient: Vector | None = None) -> float:
        """Return the rounding of ``⟨A, d⟩`` that no change of the inputs shows.

        A pullback that forms ``1 - y²`` near ``y = 1`` loses what is below one roundoff of 1, always in the same way:
        a few roundoffs of ``|g|·max(1, |y|)`` in an entry, which is `moved` so far, must be granted to any pullback;
        where primals are large, of ``|g|·max(1, |y|/moved)``. A `gradient` that is not zero but far below them is not
        what is left of such numbers.
        """
        rounding = ENTRY_ROUNDINGS * self.probe.analytic_precision.unit * norm(cotangent)
        of_outputs = rounding * rms(self.outputs) * min(1.0, moved)
        if gradient is not None and 0.0 < np.abs(gradient).max() < _FAR_BELOW * rounding:
            return of_outputs
        return max(rounding * moved, of_outputs)
