"""Softmax and its logarithm, along any axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from reference_layers.layer import Array, Params, ShapeError, is_int, require_shape


@dataclass(frozen=True)
class _AlongAxis:
    """A layer without parameters that works along one axis.

    Parameters
    ----------
    axis : int
        Counted from the end if negative.
    """

    axis: int = -1

    def __post_init__(self) -> None:
        if not is_int(self.axis):
            raise ValueError(f"expected axis to be an int, got axis={self.axis!r}")

    def init(self, rng: np.random.Generator) -> Params:  # noqa: ARG002 - every layer has this signature
        """Return no parameters."""
        return {}

    def _shifted(self, x: Array) -> Array:
        """Take the largest entry off, which changes nothing and keeps `exp` from overflowing."""
        if not -x.ndim <= self.axis < x.ndim:
            raise ShapeError(f"expected x to have the axis {self.axis}, got shape={x.shape}")
        if x.shape[self.axis] == 0:
            raise ShapeError(f"expected at least one entry along axis {self.axis}, got shape={x.shape}")
        return np.asarray(x - x.max(axis=self.axis, keepdims=True))

    def _sum(self, array: Array) -> Any:
        return array.sum(axis=self.axis, keepdims=True)


@dataclass(frozen=True)
class Softmax(_AlongAxis):
    """``s_i = exp x_i / Σ_j exp x_j`` along an axis.

    Parameters
    ----------
    axis : int

    Notes
    -----
    ``dx = s ∘ (g - Σ_j g_j s_j)``: every output depends on every input of its row.

    Examples
    --------
    >>> layer = Softmax()
    >>> y, cache = layer.forward({}, np.array([[0.0, 0.0]]))
    >>> y.tolist(), layer.backward({}, cache, np.array([[1.0, 0.0]]))[0].tolist()
    ([[0.5, 0.5]], [[0.25, -0.25]])
    """

    def forward(self, params: Params, x: Array) -> tuple[Array, Array]:  # noqa: ARG002
        """Return the shares, twice: as output and as cache."""
        exponentials = np.exp(self._shifted(x))
        shares = np.asarray(exponentials / self._sum(exponentials))
        return shares, shares.copy()

    def backward(self, params: Params, cache: Array, grad_output: Array) -> tuple[Array, Params]:  # noqa: ARG002
        """Return the gradient of the input; there are no parameters."""
        require_shape("grad_output", grad_output, cache.shape)
        return np.asarray(cache * (grad_output - self._sum(grad_output * cache))), {}


@dataclass(frozen=True)
class LogSoftmax(_AlongAxis):
    """``y_i = x_i - log Σ_j exp x_j`` along an axis.

    Parameters
    ----------
    axis : int

    Notes
    -----
    ``dx = g - softmax(x)·Σ_j g_j``.

    Examples
    --------
    >>> layer = LogSoftmax()
    >>> y, cache = layer.forward({}, np.array([[0.0, 1000.0]]))
    >>> y.tolist(), layer.backward({}, cache, np.array([[1.0, 0.0]]))[0].tolist()
    ([[-1000.0, 0.0]], [[1.0, -1.0]])
    """

    def forward(self, params: Params, x: Array) -> tuple[Array, Array]:  # noqa: ARG002
        """Return the logarithms, and the shares for `backward`."""
        shifted = self._shifted(x)
        exponentials = np.exp(shifted)
        total = self._sum(exponentials)
        return np.asarray(shifted - np.log(total)), np.asarray(exponentials / total)

    def backward(self, params: Params, cache: Array, grad_output: Array) -> tuple[Array, Params]:  # noqa: ARG002
        """Return the gradient of the input; there are no parameters."""
        require_shape("grad_output", grad_output, cache.shape)
        return np.asarray(grad_output - cache * self._sum(grad_output)), {}
