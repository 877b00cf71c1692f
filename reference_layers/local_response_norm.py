"""Normalisation of channels by their neighbours."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from reference_layers.layer import Array, Params, ShapeError, require_positive, require_shape
from reference_layers.normalization import widened


class LocalResponseCache(NamedTuple):
    """What the backward pass of `LocalResponseNorm` needs: the input, in float32 at least, and D."""

    x: Array
    denominator: Array
    dtype: np.dtype[Any]


@dataclass(frozen=True)
class LocalResponseNorm:
    """Every entry divided by a power of the mean square of its neighbours across channels.

    Parameters
    ----------
    size : int
        Channels in a window: ``size // 2`` before the entry's own, ``(size − 1) // 2`` after it.
    alpha : float
        At least 0. It is divided by `size`, as torch does; AlexNet's article does not divide.
    beta : float
        The power.
    k : float
        Positive, so that D is.

    Notes
    -----
    ``y_c = x_c D_c^−β`` with ``D_c = k + α/size · Σ x_j²`` over the window of c, channels outside counting as 0. x and
    y (N, C, …)::

        ∂/∂x_i = g_i D_i^−β − 2αβ/size · x_i Σ g_c x_c D_c^(−β−1)     (sum over the windows c that hold i)

    These windows are the mirrored ones, which differ from the others where `size` is even. float16 is calculated in
    float32.

    References
    ----------
    Krizhevsky, Sutskever, Hinton: ImageNet Classification with Deep Convolutional Neural Networks (2012), section 3.3;
    division by the size: ``torch.nn.LocalResponseNorm``. The gradient is derived here.

    Examples
    --------
    >>> layer = LocalResponseNorm(2, alpha=2.0, beta=1.0, k=1.0)
    >>> y, cache = layer.forward({}, np.array([[[1.0], [3.0]]]))
    >>> y.round(6).tolist(), layer.backward({}, cache, np.array([[[0.0], [1.0]]]))[0].round(6).tolist()
    ([[[0.5], [0.272727]]], [[[-0.049587], [-0.057851]]])
    """

    size: int = 5
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 1.0

    def __post_init__(self) -> None:
        require_positive(size=self.size)
        for name, value in (("alpha", self.alpha), ("beta", self.beta), ("k", self.k)):
            if not isinstance(value, Real) or isinstance(value, bool) or not math.isfinite(value):
                raise ValueError(f"expected {name} to be a finite number, got {name}={value!r}")
        if self.alpha < 0:
            raise ValueError(f"expected alpha to be at least 0, got alpha={self.alpha!r}")
        if self.k <= 0:
            raise ValueError(f"expected k to be positive, or zeros would be divided by zero, got k={self.k!r}")

    def init(self, rng: np.random.Generator) -> Params:  # noqa: ARG002 - every layer has this signature
        """Return no parameters."""
        return {}

    def forward(self, params: Params, x: Array) -> tuple[Array, LocalResponseCache]:  # noqa: ARG002
        """Return the output and what `backward` needs.

        Raises
        ------
        ShapeError
            If `x` has no channels.
        """
        if x.ndim < 2:
            raise ShapeError(f"expected x of shape (N, C, …), got shape={x.shape}")
        wide = widened(x)
        before, after = self.size // 2, (self.size - 1) // 2
        denominator = float(self.k) + float(self.alpha) / self.size * _window_sums(wide * wide, before, after)
        y = wide * denominator ** -float(self.beta)
        return y.astype(x.dtype, copy=False), LocalResponseCache(wide, denominator, x.dtype)

    def backward(self, params: Params, cache: LocalResponseCache, grad_output: Array) -> tuple[Array, Params]:  # noqa: ARG002
        """Return the gradient of the input; there are no parameters."""
        require_shape("grad_output", grad_output, cache.x.shape)
        before, after = self.size // 2, (self.size - 1) // 2
        beta = float(self.beta)
        direct = widened(grad_output) * cache.denominator**-beta
        through = _window_sums(direct * cache.x / cache.denominator, after, before)
        gradient = direct - (2 * float(self.alpha) * beta / self.size) * cache.x * through
        return gradient.astype(cache.dtype, copy=False), {}


def _window_sums(terms: Array, before: int, after: int) -> Array:
    """Return the sums over windows of channels; those outside count as 0."""
    channels = terms.shape[1]
    before, after = min(before, channels), min(after, channels)
    padded = np.pad(terms, [(0, 0), (before, after), *[(0, 0)] * (terms.ndim - 2)])
    sums = np.zeros_like(terms)
    for tap in range(before + after + 1):
        sums += padded[:, tap : tap + channels]
    return sums
