"""Normalisation over trailing axes, and what all normalising layers share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from reference_layers.layer import Array, Params, ShapeError, is_int, require_flag, require_shape


class NormCache(NamedTuple):
    """What the backward pass of a normalising layer needs.

    Attributes
    ----------
    normalized : ndarray
        The input before scale and shift, in float32 at least.
    inverse : ndarray
        What the input was multiplied by: the reciprocal of its deviation, for broadcasting with `normalized`.
    dtype : dtype
        That of the input.
    """

    normalized: Array
    inverse: Array
    dtype: np.dtype[Any]


@dataclass(frozen=True)
class LayerNorm:
    """Every sample normalised by its own mean and variance, then scaled and shifted.

    Parameters
    ----------
    normalized_shape : int or tuple of int
        The trailing axes that are normalised together.
    eps : float
        Added to the variance: positive, so that constant rows have a gradient.
    affine : bool
        Whether there are a scale gamma and a shift beta, one per normalised entry.

    Notes
    -----
    ``y = γ x̂ + β`` with ``x̂ = (x − μ) r`` and ``r = 1/√(σ² + ε)``, where μ and σ² (biased) are those of the
    normalised axes. x and y (…, *normalized_shape), gamma and beta (*normalized_shape)::

        ĝ = γ g,   ∂/∂x = r (ĝ − mean ĝ − x̂ mean(ĝ x̂)),   ∂/∂γ = Σ g x̂,   ∂/∂β = Σ g

    with means over the normalised axes and sums over all others. Of a single entry x̂ is 0, and so is its gradient.
    float16 is calculated in float32, where squares do not overflow.

    References
    ----------
    Ba, Kiros, Hinton: Layer Normalization (2016), arXiv:1607.06450. The gradient is derived here.

    Examples
    --------
    >>> layer = LayerNorm(2)
    >>> params = {"gamma": np.array([1.0, 2.0]), "beta": np.array([0.0, 5.0])}
    >>> y, cache = layer.forward(params, np.array([[3.0, 7.0]]))
    >>> y.round(4).tolist(), layer.backward(params, cache, np.ones((1, 2)))[1]["gamma"].round(4).tolist()
    ([[-1.0, 7.0]], [-1.0, 1.0])
    """

    normalized_shape: int | tuple[int, ...]
    eps: float = 1e-5
    affine: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "normalized_shape", _normal_shape(self.normalized_shape))
        require_eps(self.eps)
        require_flag(affine=self.affine)

    def init(self, rng: np.random.Generator) -> Params:  # noqa: ARG002 - every layer has this signature
        """Return a scale of ones and a shift of zeros, or nothing."""
        return unit_scale(_tuple(self.normalized_shape)) if self.affine else {}

    def forward(self, params: Params, x: Array) -> tuple[Array, NormCache]:
        """Return the output and what `backward` needs.

        Raises
        ------
        ShapeError
            If the last axes of `x` are not `normalized_shape`.
        """
        shape = _tuple(self.normalized_shape)
        axes = _trailing_axes(x, shape)
        normalized, inverse = standardize(widened(x), axes, self.eps)
        cache = NormCache(normalized, inverse, x.dtype)
        return scale_and_shift(params, cache, shape if self.affine else None), cache

    def backward(self, params: Params, cache: NormCache, grad_output: Array) -> tuple[Array, Params]:
        """Return the gradient of the input and, with `affine`, ``{"gamma": …, "beta": …}``."""
        require_shape("grad_output", grad_output, cache.normalized.shape)
        shape = _tuple(self.normalized_shape)
        g = widened(grad_output)
        scaled, gradients = pull_back_scale(params, cache, g, shape if self.affine else None)
        axes = _trailing_axes(cache.normalized, shape)
        return standardize_backward(cache, axes, scaled), gradients


@dataclass(frozen=True)
class RMSNorm:
    """Every sample divided by the root of its mean square, then scaled.

    Parameters
    ----------
    normalized_shape : int or tuple of int
        The trailing axes that are normalised together.
    eps : float
        Added to the mean square: positive, so that rows of zeros have a gradient.

    Notes
    -----
    ``y = γ x̂`` with ``x̂ = x r`` and ``r = 1/√(mean x² + ε)``. x and y (…, *normalized_shape), gamma
    (*normalized_shape)::

        ĝ = γ g,   ∂/∂x = r (ĝ − x̂ mean(ĝ x̂)),   ∂/∂γ = Σ g x̂

    with means over the normalised axes and the sum over all others. float16 is calculated in float32.

    References
    ----------
    Zhang, Sennrich: Root Mean Square Layer Normalization (2019), arXiv:1910.07467. The gradient is derived here.

    Examples
    --------
    >>> layer = RMSNorm(2)
    >>> y, cache = layer.forward({"gamma": np.array([1.0, 2.0])}, np.array([[1.0, -7.0]]))
    >>> y.round(4).tolist()
    [[0.2, -2.8]]
    """

    normalized_shape: int | tuple[int, ...]
    eps: float = 1e-6

    def __post_init__(self) -> None:
        object.__setattr__(self, "normalized_shape", _normal_shape(self.normalized_shape))
        require_eps(self.eps)

    def init(self, rng: np.random.Generator) -> Params:  # noqa: ARG002 - every layer has this signature
        """Return a scale of ones."""
        return {"gamma": np.ones(_tuple(self.normalized_shape))}

    def forward(self, params: Params, x: Array) -> tuple[Array, NormCache]:
        """Return the output and what `backward` needs.

        Raises
        ------
        ShapeError
            If the last axes of `x` are not `normalized_shape`.
        """
        shape = _tuple(self.normalized_shape)
        axes = _trailing_axes(x, shape)
        require_shape("gamma", params["gamma"], shape)
        wide = widened(x)
        inverse = 1 / np.sqrt(mean(wide * wide, axes) + float(self.eps))
        cache = NormCache(wide * inverse, inverse, x.dtype)
        return (cache.normalized * params["gamma"]).astype(x.dtype, copy=False), cache

    def backward(self, params: Params, cache: NormCache, grad_output: Array) -> tuple[Array, Params]:
        """Return the gradient of the input and ``{"gamma": …}``."""
        require_shape("grad_output", grad_output, cache.normalized.shape)
        axes = _trailing_axes(cache.normalized, _tuple(self.normalized_shape))
        g, gamma = widened(grad_output), params["gamma"]
        along = mean(g * gamma * cache.normalized, axes)
        gradient = cache.inverse * (g * gamma - cache.normalized * along)
        grad_gamma = (g * cache.normalized).sum(axis=tuple(range(g.ndim - len(axes))))
        return gradient.astype(cache.dtype, copy=False), {"gamma": grad_gamma.astype(gamma.dtype, copy=False)}


def standardize(x: Array, axes: tuple[int, ...], eps: float) -> tuple[Array, Array]:
    """Return x with mean 0 and variance 1 over the axes, and the reciprocal of its deviation.

    Examples
    --------
    >>> normalized, inverse = standardize(np.array([[1e9 + 1, 1e9 + 3]]), (1,), 1e-9)
    >>> normalized.round(6).tolist(), inverse.round(6).tolist()
    ([[-1.0, 1.0]], [[1.0]])
    """
    centered, variance = center(x, axes)
    inverse = 1 / np.sqrt(variance + float(eps))
    return centered * inverse, inverse


def center(x: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
    """Return x less its mean over the axes, and its biased variance over them."""
    centered = x - mean(x, axes)
    centered -= mean(centered, axes)  # the mean of values far from 0 is rounded: take off what is left of it
    return centered, mean(centered * centered, axes)


def standardize_backward(cache: NormCache, axes: tuple[int, ...], grad_normalized: Array) -> Array:
    """Return the gradient of x in `standardize`: mean and variance depend on x as well."""
    g, normalized = grad_normalized, cache.normalized
    gradient: Array = cache.inverse * (g - mean(g, axes) - normalized * mean(g * normalized, axes))
    return gradient.astype(cache.dtype, copy=False)


def scale_and_shift(params: Params, cache: NormCache, shape: tuple[int, ...] | None, after: int = 0) -> Array:
    """Return ``γ x̂ + β`` in the dtype of the input.

    Parameters
    ----------
    params : dict of ndarray
    cache : NormCache
    shape : tuple of int or None
        Shape of gamma and beta, None without them.
    after : int
        How many axes of x̂ follow those of gamma and beta.
    """
    if shape is None:
        return cache.normalized.astype(cache.dtype)
    for name in ("gamma", "beta"):
        require_shape(name, params[name], shape)
    gamma, beta = (_spread(params[name], after) for name in ("gamma", "beta"))
    return (cache.normalized * gamma + beta).astype(cache.dtype, copy=False)


def pull_back_scale(
    params: Params, cache: NormCache, g: Array, shape: tuple[int, ...] | None, after: int = 0
) -> tuple[Array, Params]:
    """Return the gradients of x̂, and of gamma and beta, in `scale_and_shift`."""
    if shape is None:
        return g, {}
    first = g.ndim - after - len(shape)
    others = (*range(first), *range(g.ndim - after, g.ndim))
    sums = {"gamma": (g * cache.normalized).sum(axis=others), "beta": g.sum(axis=others)}
    gradients = {name: total.astype(params[name].dtype, copy=False) for name, total in sums.items()}
    return g * _spread(params["gamma"], after), gradients


def unit_scale(shape: tuple[int, ...]) -> Params:
    """Return a scale of ones and a shift of zeros."""
    return {"gamma": np.ones(shape), "beta": np.zeros(shape)}


def mean(array: Array, axes: tuple[int, ...]) -> Array:
    """Return the mean over the axes, which stay as axes of size 1; the mean of nothing is 0.

    Examples
    --------
    >>> mean(np.array([[1.0, 2.0]]), (1,)).tolist(), mean(np.ones((0, 2)), (0,)).tolist()
    ([[1.5]], [[0.0, 0.0]])
    """
    count = math.prod(array.shape[axis] for axis in axes)
    return np.asarray(array.sum(axis=axes, keepdims=True) / max(count, 1))


def widened(array: Array) -> Array:
    """Return the array in float32 at least: squares of float16 overflow from 256."""
    wide: Array = array.astype(np.promote_types(array.dtype, np.float32), copy=False)
    return wide


def require_eps(eps: float) -> None:
    """Refuse an ε that does not keep the root away from zero.

    Raises
    ------
    ValueError

    Examples
    --------
    >>> require_eps(0)
    Traceback (most recent call last):
    ValueError: expected eps to be a positive number, such as 1e-05, got eps=0
    """
    if not isinstance(eps, Real) or isinstance(eps, bool) or not 0 < eps < math.inf:
        raise ValueError(f"expected eps to be a positive number, such as 1e-05, got eps={eps!r}")


def _spread(parameter: Array, after: int) -> Array:
    return parameter.reshape(*parameter.shape, *(1,) * after)


def _normal_shape(shape: Any) -> tuple[int, ...]:
    sizes = (shape,) if is_int(shape) else shape
    if not (isinstance(sizes, tuple | list) and sizes and all(is_int(size) and size > 0 for size in sizes)):
        raise ValueError(
            f"expected normalized_shape to be a positive int or a tuple of them, got normalized_shape={shape!r}"
        )
    return tuple(map(int, sizes))


def _tuple(shape: int | tuple[int, ...]) -> tuple[int, ...]:
    return (shape,) if isinstance(shape, int) else shape


def _trailing_axes(x: Array, shape: tuple[int, ...]) -> tuple[int, ...]:
    first = x.ndim - len(shape)
    if first < 0 or x.shape[first:] != shape:
        raise ShapeError(f"expected x of shape (…, {', '.join(map(str, shape))}), got shape={x.shape}")
    return tuple(range(first, x.ndim))
