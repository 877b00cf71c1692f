"""Sums and products of two arrays that are broadcast against each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from reference_layers.layer import Array, Params, ShapeError, require_shape


class Factors(NamedTuple):
    """What the backward pass of a product needs."""

    x: Array
    other: Array


@dataclass(frozen=True)
class Add:
    """``x₁ + x₂``, broadcast as in NumPy.

    Notes
    -----
    The input is a pair of arrays, and so is its gradient: g for both, summed over the axes along which the array was
    repeated (see `unbroadcast`). The same array may stand in both places; its gradient is then the sum of the two.

    References
    ----------
    Derived here: what is used several times receives the sum of the gradients.

    Examples
    --------
    >>> layer = Add()
    >>> y, cache = layer.forward({}, (np.array([[1.0], [2.0]]), np.array([10.0, 20.0, 30.0])))
    >>> y.tolist(), [array.tolist() for array in layer.backward({}, cache, np.ones((2, 3)))[0]]
    ([[11.0, 21.0, 31.0], [12.0, 22.0, 32.0]], [[[3.0], [3.0]], [2.0, 2.0, 2.0]])
    """

    def init(self, rng: np.random.Generator) -> Params:  # noqa: ARG002 - every layer has this signature
        """Return no parameters."""
        return {}

    def forward(
        self,
        params: Params,  # noqa: ARG002
        x: tuple[Array, Array],
    ) -> tuple[Array, tuple[tuple[int, ...], tuple[int, ...]]]:
        """Return the sum, and the shapes of both arrays.

        Raises
        ------
        ShapeError
            If the shapes cannot be broadcast together.
        """
        shapes = (x[0].shape, x[1].shape)
        _broadcast_shape(*shapes)
        return np.asarray(x[0] + x[1]), shapes

    def backward(
        self,
        params: Params,  # noqa: ARG002
        cache: tuple[tuple[int, ...], tuple[int, ...]],
        grad_output: Array,
    ) -> tuple[tuple[Array, Array], Params]:
        """Return the gradients of both arrays; there are no parameters."""
        require_shape("grad_output", grad_output, _broadcast_shape(*cache))
        return (unbroadcast(grad_output, cache[0]), unbroadcast(grad_output, cache[1])), {}


@dataclass(frozen=True)
class Multiply:
    """``x₁ · x₂``, entry by entry, broadcast as in NumPy.

    Notes
    -----
    The input is a pair of arrays, and so is its gradient: ``g x₂`` and ``g x₁``, summed over the axes along which the
    array was repeated (see `unbroadcast`). The same array may stand in both places; its gradient is then the sum of
    the two.

    References
    ----------
    Derived here: the product rule, and the sum of the gradients for what is used several times.

    Examples
    --------
    >>> layer = Multiply()
    >>> y, cache = layer.forward({}, (np.array([1.0, 2.0]), np.array(5.0)))
    >>> y.tolist(), [array.tolist() for array in layer.backward({}, cache, np.ones(2))[0]]
    ([5.0, 10.0], [[5.0, 5.0], 3.0])
    """

    def init(self, rng: np.random.Generator) -> Params:  # noqa: ARG002 - every layer has this signature
        """Return no parameters."""
        return {}

    def forward(self, params: Params, x: tuple[Array, Array]) -> tuple[Array, Factors]:  # noqa: ARG002
        """Return the product, and both factors.

        Raises
        ------
        ShapeError
            If the shapes cannot be broadcast together.
        """
        _broadcast_shape(x[0].shape, x[1].shape)
        return np.asarray(x[0] * x[1]), Factors(*x)

    def backward(
        self,
        params: Params,  # noqa: ARG002
        cache: Factors,
        grad_output: Array,
    ) -> tuple[tuple[Array, Array], Params]:
        """Return the gradients of both arrays; there are no parameters."""
        x, other = cache
        require_shape("grad_output", grad_output, _broadcast_shape(x.shape, other.shape))
        return (unbroadcast(grad_output * other, x.shape), unbroadcast(grad_output * x, other.shape)), {}


def unbroadcast(gradient: Array, shape: tuple[int, ...]) -> Array:
    """Return the sum over the axes that broadcasting to the shape of `gradient` adds or repeats: its adjoint.

    Examples
    --------
    >>> unbroadcast(np.ones((2, 3, 4)), (3, 1)).tolist()
    [[8.0], [8.0], [8.0]]
    """
    added = gradient.ndim - len(shape)
    repeated = tuple(added + k for k, size in enumerate(shape) if size == 1)
    return np.asarray(gradient.sum(axis=(*range(added), *repeated))).reshape(shape)


def _broadcast_shape(first: tuple[int, ...], second: tuple[int, ...]) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(first, second)
    except ValueError:
        raise ShapeError(
            f"expected shapes whose sizes, counted from the last, are equal or 1, got shapes={(first, second)}"
        ) from None
