"""The fully connected layer, of one input and of two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from reference_layers.layer import Array, Params, ShapeError, require_flag, require_positive, require_shape


@dataclass(frozen=True)
class Affine:
    """``y = x wᵀ + b`` over the last axis.

    Parameters
    ----------
    in_features, out_features : int
    bias : bool

    Notes
    -----
    x (…, in_features), weight (out_features, in_features), bias (out_features,), y (…, out_features)::

        ∂/∂x = g w,   ∂/∂w = Σ gᵀ x,   ∂/∂b = Σ g     (sums over all leading axes)

    References
    ----------
    ``dx_j = Σ_i g_i w_ij`` in the article on the five-layer network, the other two in the lecture slides, see
    ``docs/design.md``; the sums over leading axes are derived here: every row uses the same weight and bias.

    Examples
    --------
    >>> layer = Affine(2, 1)
    >>> params = {"weight": np.array([[3.0, 4.0]]), "bias": np.array([1.0])}
    >>> y, cache = layer.forward(params, np.array([[1.0, 2.0]]))
    >>> y.tolist(), layer.backward(params, cache, np.array([[2.0]]))[0].tolist()
    ([[12.0]], [[6.0, 8.0]])
    """

    in_features: int
    out_features: int
    bias: bool = True

    def __post_init__(self) -> None:
        require_positive(in_features=self.in_features, out_features=self.out_features)
        require_flag(bias=self.bias)

    def init(self, rng: np.random.Generator) -> Params:
        """Return a weight of variance 2/in_features and, with a bias, zeros for it."""
        weight = rng.standard_normal((self.out_features, self.in_features)) * np.sqrt(2.0 / self.in_features)
        return {"weight": weight} | ({"bias": np.zeros(self.out_features)} if self.bias else {})

    def forward(self, params: Params, x: Array) -> tuple[Array, Array]:
        """Return the output and `x`, which is all that `backward` needs.

        Raises
        ------
        ShapeError
            If the last axis of `x` is not `in_features`.
        """
        if x.ndim == 0 or x.shape[-1] != self.in_features:
            raise ShapeError(f"expected x of shape (…, {self.in_features}), got shape={x.shape}")
        require_shape("weight", params["weight"], (self.out_features, self.in_features))
        if self.bias:
            require_shape("bias", params["bias"], (self.out_features,))
        y = x @ params["weight"].T
        if self.bias:
            y += params["bias"]
        return y, x

    def backward(self, params: Params, cache: Array, grad_output: Array) -> tuple[Array, Params]:
        """Return the gradient of the input and ``{"weight": …, "bias": …}``."""
        require_shape("grad_output", grad_output, (*cache.shape[:-1], self.out_features))
        rows, inputs = grad_output.reshape(-1, self.out_features), cache.reshape(-1, self.in_features)
        gradients = {"weight": rows.T @ inputs}
        if self.bias:
            gradients["bias"] = rows.sum(axis=0)
        return grad_output @ params["weight"], gradients


class BilinearCache(NamedTuple):
    """What the backward pass of a bilinear layer needs: both inputs."""

    x1: Array
    x2: Array


@dataclass(frozen=True)
class Bilinear:
    """``y_k = x₁ᵀ w_k x₂ + b_k`` over the last axes of two inputs.

    Parameters
    ----------
    in1_features, in2_features, out_features : int
    bias : bool

    Notes
    -----
    The input is a pair, and so is its gradient: x₁ (…, in1_features) and x₂ (…, in2_features), equal in all axes but
    the last. weight (out_features, in1_features, in2_features), bias (out_features,), y (…, out_features)::

        ∂/∂x₁ = Σ_k g_k w_k x₂,   ∂/∂x₂ = Σ_k g_k w_kᵀ x₁,   ∂/∂w_k = Σ g_k x₁ x₂ᵀ,   ∂/∂b = Σ g

    (the last two with sums over all leading axes).

    References
    ----------
    Derived here: with the other input held fixed it is the fully connected layer.

    Examples
    --------
    >>> layer = Bilinear(2, 1, 1)
    >>> params = {"weight": np.array([[[3.0], [4.0]]]), "bias": np.array([1.0])}
    >>> y, cache = layer.forward(params, (np.array([[1.0, 2.0]]), np.array([[10.0]])))
    >>> y.tolist(), [array.tolist() for array in layer.backward(params, cache, np.array([[1.0]]))[0]]
    ([[111.0]], [[[30.0, 40.0]], [[11.0]]])
    """

    in1_features: int
    in2_features: int
    out_features: int
    bias: bool = True

    def __post_init__(self) -> None:
        require_positive(in1_features=self.in1_features, in2_features=self.in2_features, out_features=self.out_features)
        require_flag(bias=self.bias)

    @property
    def weight_shape(self) -> tuple[int, int, int]:
        """Shape of the weight."""
        return self.out_features, self.in1_features, self.in2_features

    def init(self, rng: np.random.Generator) -> Params:
        """Return a weight of variance 1/in1_features and, with a bias, zeros for it."""
        weight = rng.standard_normal(self.weight_shape) / np.sqrt(self.in1_features)
        return {"weight": weight} | ({"bias": np.zeros(self.out_features)} if self.bias else {})

    def forward(self, params: Params, x: tuple[Array, Array]) -> tuple[Array, BilinearCache]:
        """Return the output, and both inputs.

        Raises
        ------
        ShapeError
            If an input or a parameter does not have the shape above.
        """
        x1, x2 = x
        leading = x1.shape[:-1]
        if x1.shape != (*leading, self.in1_features) or x2.shape != (*leading, self.in2_features):
            raise ShapeError(
                f"expected x of shapes (…, {self.in1_features}) and (…, {self.in2_features}), equal up to there, got "
                f"shapes={(x1.shape, x2.shape)}"
            )
        require_shape("weight", params["weight"], self.weight_shape)
        if self.bias:
            require_shape("bias", params["bias"], (self.out_features,))
        y = np.matmul(self._by_output(params, x1), x2.reshape(-1, self.in2_features, 1))
        y = y.reshape(*leading, self.out_features)
        if self.bias:
            y += params["bias"]
        return y, BilinearCache(x1, x2)

    def backward(self, params: Params, cache: BilinearCache, grad_output: Array) -> tuple[tuple[Array, Array], Params]:
        """Return the gradients of both inputs and ``{"weight": …, "bias": …}``."""
        x1, x2 = cache
        require_shape("grad_output", grad_output, (*x1.shape[:-1], self.out_features))
        rows1, rows2 = x1.reshape(-1, self.in1_features), x2.reshape(-1, self.in2_features)
        rows = grad_output.reshape(-1, self.out_features)
        outer = rows[:, :, None] * rows2[:, None, :]  # g_k x₂, which both ∂/∂x₁ and ∂/∂w need
        flat = outer.reshape(len(rows), self.out_features * self.in2_features)
        grad1 = flat @ self._by_input1(params).T
        grad2 = np.matmul(rows[:, None, :], self._by_output(params, x1))
        weight = (rows1.T @ flat).reshape(self.in1_features, self.out_features, self.in2_features)
        gradients = {"weight": np.ascontiguousarray(weight.swapaxes(0, 1))}
        if self.bias:
            gradients["bias"] = rows.sum(axis=0)
        return (grad1.reshape(x1.shape), grad2.reshape(x2.shape)), gradients

    def _by_input1(self, params: Params) -> Array:
        """Return the weight as a matrix (in1_features, out_features·in2_features)."""
        return params["weight"].swapaxes(0, 1).reshape(self.in1_features, -1)

    def _by_output(self, params: Params, x1: Array) -> Array:
        """Return ``x₁ᵀ w_k`` for every row and k: (rows, out_features, in2_features)."""
        rows = x1.reshape(-1, self.in1_features)
        return (rows @ self._by_input1(params)).reshape(len(rows), self.out_features, self.in2_features)
