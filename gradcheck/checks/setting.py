"""Everything that the stages of one gradient check share: the subject, its linearization, the numeric forward."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from gradcheck.checks.probe import FormError, Linearization, Probe
from gradcheck.numeric.directions import random_tangent, signed_random
from gradcheck.numeric.function import Function
from gradcheck.numeric.ladder import a_priori_noise
from gradcheck.numeric.noise import Noise, measure_noise
from gradcheck.numeric.precision import DOUBLE, Precision
from gradcheck.numeric.space import Space, Vector

#: Standard deviations of measured noise that an error bar allows for.
SIGMAS = 4.0
#: Evaluations of the pullback from which the rounding of the analytic side is measured.
_SPREAD_DRAWS = 6


@dataclass
class Setting:
    """One subject at one point, ready to be differenced.

    Attributes
    ----------
    probe : Probe
    linearization : Linearization
    function : Function
        The forward as differences see it.
    outputs : Vector
        Its value at the point.
    rng : numpy.random.Generator
    noise : Vector
        Error of each output: trusted from the dtype at first, measured when that is contradicted.
    measured : Noise or None
    """

    probe: Probe
    linearization: Linearization
    function: Function
    outputs: Vector
    rng: np.random.Generator
    noise: Vector
    measured: Noise | None = field(default=None)

    @classmethod
    def of(cls, probe: Probe, rng: np.random.Generator) -> Setting:
        """Linearize the subject and find in which precision its forward can be differenced."""
        linearization = probe.linearize()
        function = probe.numeric_function()
        same = probe.analytic_precision is DOUBLE or function.precision is not DOUBLE
        outputs = linearization.outputs if same else function.evaluate(probe.point)
        if outputs.shape != linearization.outputs.shape:
            raise FormError(
                "forward",
                f"expected forward to return the outputs of vjp, {linearization.outputs.size} entries, "
                f"got {outputs.size}",
            )
        return cls(probe, linearization, function, outputs, rng, a_priori_noise(outputs, function.precision))

    @property
    def space(self) -> Space:
        """The primals as one vector."""
        return self.probe.space

    @property
    def point(self) -> Vector:
        """The primals."""
        return self.probe.point

    def tangent(self) -> Vector:
        """Draw a tangent that moves every entry."""
        return random_tangent(self.space, self.point, self.rng)

    def cotangent(self) -> Vector:
        """Draw a cotangent that weights every output, exact in the dtypes of the outputs."""
        return self.linearization.form.space.round(signed_random(self.outputs.size, self.rng))

    @property
    def declared(self) -> Precision | None:
        """The precision that the subject declares for its forward."""
        return self.probe.declared_precision

    def measure(self) -> bool:
        """Measure the noise of the forward, once; return whether that was the first time."""
        if self.measured is not None:
            return False
        self.measured = measure_noise(self.function, self.point, self.tangent(), self.outputs)
        typical = float(np.sqrt(np.mean(self.measured.level**2)))
        noise = np.maximum(self.noise, SIGMAS * np.maximum(self.measured.level, typical / 2))
        self.noise = noise
        self.function = Function(self.function.evaluate, self.function.round, self.measured.precision)
        return True

    def analytic_spread(self, cotangent: Vector, tangent: Vector) -> float:
        """Measure how far rounding alone moves ``⟨A, d⟩``: the standard deviation over inputs a few roundoffs apart."""
        unit = 2 * self.probe.analytic_precision.unit
        form = self.linearization.form.space

        def rounded_anew() -> float:
            point = self.space.round(self.point * (1 + unit * self.rng.uniform(-1, 1, self.space.size)))
            weights = form.round(cotangent * (1 + unit * self.rng.uniform(-1, 1, cotangent.size)))
            return float(np.dot(self.probe.linearize(point).pullback(weights), tangent))

        return float(np.std([rounded_anew() for _ in range(_SPREAD_DRAWS)], ddof=1))
