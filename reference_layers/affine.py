"""The fully connected layer."""

from __future__ import annotations

from dataclasses import dataclass

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
