"""Layers that only arrange entries anew."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from reference_layers.layer import Array, Params, ShapeError, is_int, require_shape


@dataclass(frozen=True)
class Flatten:
    """Join all axes from `start_axis` on into one, in row-major order.

    Parameters
    ----------
    start_axis : int
        At least 0; the axes before it stay.

    Examples
    --------
    >>> Flatten().forward({}, np.zeros((16, 12, 4, 4)))[0].shape
    (16, 192)
    """

    start_axis: int = 1

    def __post_init__(self) -> None:
        if not is_int(self.start_axis) or self.start_axis < 0:
            raise ValueError(f"expected start_axis to be an int of at least 0, got start_axis={self.start_axis!r}")

    def init(self, rng: np.random.Generator) -> Params:  # noqa: ARG002 - every layer has this signature
        """Return no parameters."""
        return {}

    def forward(self, params: Params, x: Array) -> tuple[Array, tuple[int, ...]]:  # noqa: ARG002
        """Return a flat copy and the shape of `x`."""
        if x.ndim <= self.start_axis:
            raise ShapeError(f"expected x to have more than {self.start_axis} axes, got shape={x.shape}")
        return x.reshape(_flat(x.shape, self.start_axis)).copy(), x.shape

    def backward(
        self,
        params: Params,  # noqa: ARG002
        cache: tuple[int, ...],
        grad_output: Array,
    ) -> tuple[Array, Params]:
        """Return the gradient in the shape of the input; there are no parameters."""
        require_shape("grad_output", grad_output, _flat(cache, self.start_axis))
        return grad_output.reshape(cache).copy(), {}


def _flat(shape: tuple[int, ...], start: int) -> tuple[int, ...]:
    return (*shape[:start], math.prod(shape[start:]))
