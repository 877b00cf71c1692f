"""Elementwise nonlinearities."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real

import numpy as np

from reference_layers.layer import Array, Params, require_shape


@dataclass(frozen=True)
class ReLU:
    """``max(x, 0)``.

    Parameters
    ----------
    at_zero : float
        The derivative at exactly 0, from 0 to 1. The five-layer network's article takes 0, the lecture slides 1; both
        are subgradients, and central differences give 1/2.

    Examples
    --------
    >>> layer = ReLU()
    >>> y, cache = layer.forward({}, np.array([-1.0, 0.0, 2.0]))
    >>> y.tolist(), layer.backward({}, cache, np.ones(3))[0].tolist()
    ([0.0, 0.0, 2.0], [0.0, 0.0, 1.0])
    """

    at_zero: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.at_zero, Real) or not 0.0 <= self.at_zero <= 1.0:
            raise ValueError(f"expected at_zero to be a subgradient, 0 to 1, got at_zero={self.at_zero!r}")

    def init(self, rng: np.random.Generator) -> Params:  # noqa: ARG002 - every layer has this signature
        """Return no parameters."""
        return {}

    def forward(self, params: Params, x: Array) -> tuple[Array, Array]:  # noqa: ARG002
        """Return the output and the derivative."""
        y = np.asarray(np.maximum(x, 0))  # of a 0-dimensional array NumPy makes a scalar
        slope = np.asarray(x > 0, dtype=x.dtype)
        if self.at_zero:
            slope[x == 0] = self.at_zero
        return y, slope

    def backward(self, params: Params, cache: Array, grad_output: Array) -> tuple[Array, Params]:  # noqa: ARG002
        """Return the gradient of the input; there are no parameters."""
        require_shape("grad_output", grad_output, cache.shape)
        return np.asarray(grad_output * cache), {}
