"""Layers that only arrange entries anew."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

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


@dataclass(frozen=True)
class Reshape:
    """Give the entries another shape, in row-major order.

    Parameters
    ----------
    shape : tuple of int
        Of the whole output, the batch included. One size may be -1, which stands for what is left.

    Notes
    -----
    ``∂/∂x`` is g in the shape of x: every entry of the output is one of the input.

    References
    ----------
    Derived here.

    Examples
    --------
    >>> y, cache = Reshape((-1, 2)).forward({}, np.arange(6.0).reshape(2, 3))
    >>> y.tolist(), Reshape((-1, 2)).backward({}, cache, y)[0].tolist()
    ([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]], [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]])
    """

    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        sizes: Any = self.shape
        if not (isinstance(sizes, tuple | list) and all(is_int(size) and size >= -1 for size in sizes)):
            raise ValueError(f"expected shape to be a tuple of ints from 0, or -1 once, got shape={sizes!r}")
        if sizes.count(-1) > 1:
            raise ValueError(f"expected at most one size to be -1, got shape={sizes!r}")
        object.__setattr__(self, "shape", tuple(map(int, sizes)))

    def init(self, rng: np.random.Generator) -> Params:  # noqa: ARG002 - every layer has this signature
        """Return no parameters."""
        return {}

    def forward(self, params: Params, x: Array) -> tuple[Array, tuple[tuple[int, ...], tuple[int, ...]]]:  # noqa: ARG002
        """Return a copy in the new shape, and the shapes of `x` and of the output.

        Raises
        ------
        ShapeError
            If the numbers of entries differ, or -1 could be any size because there are no entries.
        """
        known = math.prod(size for size in self.shape if size >= 0)
        fits = known > 0 and x.size % known == 0 if -1 in self.shape else x.size == known
        if not fits:
            raise ShapeError(
                f"expected x with the {known} entries of shape={self.shape}{_or_multiple(self.shape)}, got "
                f"shape={x.shape}"
            )
        y = x.reshape(self.shape).copy()
        return y, (x.shape, y.shape)

    def backward(
        self,
        params: Params,  # noqa: ARG002
        cache: tuple[tuple[int, ...], tuple[int, ...]],
        grad_output: Array,
    ) -> tuple[Array, Params]:
        """Return the gradient in the shape of the input; there are no parameters."""
        before, after = cache
        require_shape("grad_output", grad_output, after)
        return grad_output.reshape(before).copy(), {}


@dataclass(frozen=True)
class Concat:
    """Join several arrays along an axis.

    Parameters
    ----------
    axis : int
        Negative ones count from the last. Along the others all inputs have the same sizes.

    Notes
    -----
    The input is a tuple of arrays, and so is its gradient: the pieces into which g falls at the seams.

    References
    ----------
    Derived here.

    Examples
    --------
    >>> layer = Concat(axis=0)
    >>> y, cache = layer.forward({}, (np.array([1.0]), np.array([2.0, 3.0])))
    >>> y.tolist(), [piece.tolist() for piece in layer.backward({}, cache, 10 * y)[0]]
    ([1.0, 2.0, 3.0], [[10.0], [20.0, 30.0]])
    """

    axis: int = 1

    def __post_init__(self) -> None:
        if not is_int(self.axis):
            raise ValueError(f"expected axis to be an int, got axis={self.axis!r}")

    def init(self, rng: np.random.Generator) -> Params:  # noqa: ARG002 - every layer has this signature
        """Return no parameters."""
        return {}

    def forward(self, params: Params, x: tuple[Array, ...]) -> tuple[Array, tuple[tuple[int, ...], ...]]:  # noqa: ARG002
        """Return the joined array, and the shapes of its pieces.

        Raises
        ------
        ShapeError
            If there is nothing to join, no such axis, or another size differs.
        """
        shapes = tuple(piece.shape for piece in x)
        if not x or not -x[0].ndim <= self.axis < x[0].ndim or len({self._beside(shape) for shape in shapes}) > 1:
            raise ShapeError(f"expected arrays that differ in their size along axis={self.axis} alone, got {shapes=}")
        return np.concatenate(x, axis=self.axis), shapes

    def backward(
        self,
        params: Params,  # noqa: ARG002
        cache: tuple[tuple[int, ...], ...],
        grad_output: Array,
    ) -> tuple[tuple[Array, ...], Params]:
        """Return the gradients of the inputs; there are no parameters."""
        sizes = [shape[self.axis] for shape in cache]
        whole = list(cache[0])
        whole[self.axis] = sum(sizes)
        require_shape("grad_output", grad_output, tuple(whole))
        pieces = np.split(grad_output, np.cumsum(sizes)[:-1], axis=self.axis)
        return tuple(piece.copy() for piece in pieces), {}

    def _beside(self, shape: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
        """Return the rank and the sizes along the other axes."""
        axis = self.axis % len(shape) if shape else 0
        return len(shape), shape[:axis] + shape[axis + 1 :]


def _flat(shape: tuple[int, ...], start: int) -> tuple[int, ...]:
    return (*shape[:start], math.prod(shape[start:]))


def _or_multiple(shape: tuple[int, ...]) -> str:
    return " or a multiple of them" if -1 in shape else ""
