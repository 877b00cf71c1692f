"""The residual block: what a chain of layers adds to its input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from reference_layers.activations import ReLU
from reference_layers.layer import Array, Params, ShapeError
from reference_layers.sequential import Sequential, own_params


class ResidualCache(NamedTuple):
    """What the backward pass of `ResidualBlock` needs."""

    body: Any
    shortcut: Any
    slope: Array


@dataclass(frozen=True)
class ResidualBlock:
    """``y = max(F(x) + S(x), 0)``: a chain F, and a shortcut S beside it.

    Parameters
    ----------
    body : Sequential
        The chain F.
    shortcut : Sequential, optional
        A projection, where F changes the shape. Default: the input itself.

    Notes
    -----
    Both ways receive the gradient g of the sum, and the gradients of the input add up:
    ``∂/∂x = Fᵀg + Sᵀg``, which for the identity is ``Fᵀg + g``. Parameters are called ``body.…`` and ``shortcut.…``.

    Raises
    ------
    ShapeError
        If F(x) and S(x) have different shapes.

    References
    ----------
    He and others, *Deep residual learning for image recognition*, 2015; the article on residual networks, see
    ``docs/design.md``.

    Examples
    --------
    >>> from reference_layers import Affine
    >>> block = ResidualBlock(Sequential((("a", Affine(2, 2, bias=False)),)))
    >>> y, cache = block.forward({"body.a.weight": np.eye(2)}, np.array([[1.0, -3.0]]))
    >>> y.tolist(), block.backward({"body.a.weight": np.eye(2)}, cache, np.ones((1, 2)))[0].tolist()
    ([[2.0, 0.0]], [[2.0, 0.0]])
    """

    body: Sequential
    shortcut: Sequential | None = None

    def init(self, rng: np.random.Generator) -> Params:
        """Return fresh parameters of both ways."""
        params = {f"body.{name}": array for name, array in self.body.init(rng).items()}
        beside = {} if self.shortcut is None else self.shortcut.init(rng)
        return params | {f"shortcut.{name}": array for name, array in beside.items()}

    def forward(self, params: Params, x: Array) -> tuple[Array, ResidualCache]:
        """Return the output and what `backward` needs."""
        changed, body_cache = self.body.forward(own_params(params, "body"), x)
        kept, shortcut_cache = x, None
        if self.shortcut is not None:
            kept, shortcut_cache = self.shortcut.forward(own_params(params, "shortcut"), x)
        if changed.shape != kept.shape:
            raise ShapeError(
                f"expected the body and the shortcut to give one shape, got {changed.shape} and {kept.shape}; a "
                f"projection in the shortcut (a convolution of kernel 1) makes them equal"
            )
        y, slope = ReLU().forward({}, changed + kept)
        return y, ResidualCache(body_cache, shortcut_cache, slope)

    def backward(self, params: Params, cache: ResidualCache, grad_output: Array) -> tuple[Array, Params]:
        """Return the gradients of the input and of every parameter."""
        grad_sum, _ = ReLU().backward({}, cache.slope, grad_output)
        grad_input, found = self.body.backward(own_params(params, "body"), cache.body, grad_sum)
        gradients = {f"body.{name}": array for name, array in found.items()}
        if self.shortcut is None:
            return grad_input + grad_sum, gradients
        beside, found = self.shortcut.backward(own_params(params, "shortcut"), cache.shortcut, grad_sum)
        return grad_input + beside, gradients | {f"shortcut.{name}": array for name, array in found.items()}
