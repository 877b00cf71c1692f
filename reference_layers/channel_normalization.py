"""Normalisation of channels, axis 1: over the batch, in groups, and one by one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real

import numpy as np

from reference_layers.layer import Array, Params, ShapeError, require_flag, require_positive, require_shape
from reference_layers.normalization import (
    NormCache,
    center,
    pull_back_scale,
    require_eps,
    scale_and_shift,
    standardize,
    standardize_backward,
    unit_scale,
    widened,
)


@dataclass(frozen=True)
class BatchNorm:
    """Every channel normalised over the batch and all positions, then scaled and shifted.

    Parameters
    ----------
    num_features : int
        Channels, axis 1 of the input.
    eps : float
        Added to the variance: positive, so that constant channels have a gradient.
    training : bool
        Whether mean and variance are those of the batch, or the running ones that `forward` is given.
    affine : bool
        Whether there are a scale gamma and a shift beta, one per channel.

    Notes
    -----
    ``y = γ x̂ + β`` with ``x̂ = (x − μ) r`` and ``r = 1/√(σ² + ε)``. x and y (N, C), (N, C, L) or (N, C, H, W), gamma
    and beta (C,). With ``ĝ = γ g``::

        training:      ∂/∂x = r (ĝ − mean ĝ − x̂ mean(ĝ x̂)),   μ and σ² (biased) of the batch
        otherwise:     ∂/∂x = r ĝ,                             μ and σ² are constants
        in both modes: ∂/∂γ = Σ g x̂,   ∂/∂β = Σ g

    with means and sums over all axes but 1. One value per channel is refused in training, as torch does: whatever it
    is, x̂ would be 0. An empty batch is not. float16 is calculated in float32.

    References
    ----------
    Ioffe, Szegedy: Batch Normalization (2015), arXiv:1502.03167, which gives the gradient in parts; they are put
    together here.

    Examples
    --------
    >>> x, params = np.array([[1.0], [5.0]]), {"gamma": np.array([2.0]), "beta": np.array([0.0])}
    >>> BatchNorm(1).forward(params, x)[0].round(4).tolist()
    [[-2.0], [2.0]]
    >>> running_mean, running_var = BatchNorm(1).updated_statistics(x, np.array([0.0]), np.array([1.0]))
    >>> running_mean.round(6).tolist(), running_var.round(6).tolist()
    ([0.3], [1.7])
    >>> BatchNorm(1, training=False).forward(params, x, running_mean, running_var)[0].round(4).tolist()
    [[1.0737], [7.2094]]
    """

    num_features: int
    eps: float = 1e-5
    training: bool = True
    affine: bool = True

    def __post_init__(self) -> None:
        require_positive(num_features=self.num_features)
        require_eps(self.eps)
        require_flag(training=self.training, affine=self.affine)

    def init(self, rng: np.random.Generator) -> Params:  # noqa: ARG002 - every layer has this signature
        """Return a scale of ones and a shift of zeros, or nothing."""
        return unit_scale((self.num_features,)) if self.affine else {}

    def forward(
        self, params: Params, x: Array, running_mean: Array | None = None, running_var: Array | None = None
    ) -> tuple[Array, NormCache]:
        """Return the output and what `backward` needs.

        Parameters
        ----------
        params : dict of ndarray
        x : ndarray
        running_mean, running_var : ndarray of shape (C,)
            Constants, needed unless in training, where they take no part.

        Raises
        ------
        ShapeError
            If axis 1 of `x` is not `num_features`, or the rank is not 2, 3 or 4.
        ValueError
            If there is one value per channel in training, or no running statistics otherwise.
        """
        _require_channels(x, self.num_features, (2, 3, 4))
        wide = widened(x)
        if self.training:
            _require_several(x, 0)
            normalized, inverse = standardize(wide, _all_but_1(x), self.eps)
        else:
            centers, variances = self._running(running_mean, running_var, x.ndim - 2)
            inverse = (1 / np.sqrt(variances + float(self.eps))).astype(wide.dtype, copy=False)
            normalized = (wide - centers.astype(wide.dtype, copy=False)) * inverse
        cache = NormCache(normalized, inverse, x.dtype)
        return scale_and_shift(params, cache, _per_channel(self.num_features, self.affine), x.ndim - 2), cache

    def backward(self, params: Params, cache: NormCache, grad_output: Array) -> tuple[Array, Params]:
        """Return the gradient of the input and, with `affine`, ``{"gamma": …, "beta": …}``."""
        shape = cache.normalized.shape
        require_shape("grad_output", grad_output, shape)
        scaled, gradients = pull_back_scale(
            params, cache, widened(grad_output), _per_channel(self.num_features, self.affine), len(shape) - 2
        )
        if self.training:
            return standardize_backward(cache, _all_but_1(scaled), scaled), gradients
        return (scaled * cache.inverse).astype(cache.dtype, copy=False), gradients

    def updated_statistics(
        self, x: Array, running_mean: Array, running_var: Array, momentum: float = 0.1
    ) -> tuple[Array, Array]:
        """Return the running mean and variance after a batch: ``(1 − momentum)·old + momentum·new``.

        The variance of the batch is the unbiased one, as torch takes it. Neither array is changed; an empty batch
        leaves the statistics as they are.

        Raises
        ------
        ValueError
            If `momentum` is not from 0 to 1, or there is one value per channel.
        """
        if not isinstance(momentum, Real) or not 0 <= momentum <= 1:
            raise ValueError(f"expected momentum to be a number from 0 to 1, got momentum={momentum!r}")
        _require_channels(x, self.num_features, (2, 3, 4))
        old_mean, old_variance = self._running(running_mean, running_var, 0)
        if x.size == 0:
            return old_mean.copy(), old_variance.copy()
        count = _require_several(x, 0)
        wide, axes = widened(x), _all_but_1(x)
        new_mean, new_variance = wide.mean(axis=axes), center(wide, axes)[1].reshape(-1) * (count / (count - 1))
        kept, taken = 1 - float(momentum), float(momentum)
        return (
            (kept * old_mean + taken * new_mean).astype(old_mean.dtype, copy=False),
            (kept * old_variance + taken * new_variance).astype(old_variance.dtype, copy=False),
        )

    def _running(self, mean: Array | None, variance: Array | None, after: int) -> tuple[Array, Array]:
        """Return the running statistics with so many axes behind their own."""
        if mean is None or variance is None:
            raise ValueError("expected running_mean and running_var with training=False, got None")
        for name, array in (("running_mean", mean), ("running_var", variance)):
            require_shape(name, array, (self.num_features,))
        if (variance < 0).any():
            raise ValueError(f"expected running_var to be at least 0, got running_var={variance.min()}")
        shape = (self.num_features, *(1,) * after)
        return mean.reshape(shape), variance.reshape(shape)


@dataclass(frozen=True)
class GroupNorm:
    """Every group of neighbouring channels of a sample normalised together, then each channel scaled and shifted.

    Parameters
    ----------
    groups : int
        A divisor of `channels`. 1 normalises all channels together, `channels` each by itself.
    channels : int
        Axis 1 of the input; a group is ``channels // groups`` of them.
    eps : float
        Added to the variance: positive, so that constant groups have a gradient.
    affine : bool
        Whether there are a scale gamma and a shift beta, one per channel.

    Notes
    -----
    ``y = γ x̂ + β`` with ``x̂ = (x − μ) r`` and ``r = 1/√(σ² + ε)``, where μ and σ² (biased) are those of a sample's
    group: its channels at all positions. x and y (N, C, L) or (N, C, H, W), gamma and beta (C,)::

        ĝ = γ g,   ∂/∂x = r (ĝ − mean ĝ − x̂ mean(ĝ x̂)),   ∂/∂γ = Σ g x̂,   ∂/∂β = Σ g

    with means over a group and sums over all axes but 1. In a group of one value x̂ is 0, and so is its gradient.
    float16 is calculated in float32.

    References
    ----------
    Wu, He: Group Normalization (2018), arXiv:1803.08494. The gradient is derived here.

    Examples
    --------
    >>> x = np.array([[[1.0], [5.0], [7.0], [7.0]]])
    >>> GroupNorm(2, 4, affine=False).forward({}, x)[0].round(4).tolist()
    [[[-1.0], [1.0], [0.0], [0.0]]]
    """

    groups: int
    channels: int
    eps: float = 1e-5
    affine: bool = True

    def __post_init__(self) -> None:
        require_positive(groups=self.groups, channels=self.channels)
        if self.channels % self.groups:
            raise ValueError(
                f"expected groups to divide channels, got groups={self.groups} and channels={self.channels}; "
                f"groups={math.gcd(self.groups, self.channels)} works"
            )
        require_eps(self.eps)
        require_flag(affine=self.affine)

    def init(self, rng: np.random.Generator) -> Params:  # noqa: ARG002 - every layer has this signature
        """Return a scale of ones and a shift of zeros, or nothing."""
        return unit_scale((self.channels,)) if self.affine else {}

    def forward(self, params: Params, x: Array) -> tuple[Array, NormCache]:
        """Return the output and what `backward` needs.

        Raises
        ------
        ShapeError
            If axis 1 of `x` is not `channels`, or the rank is not 3 or 4.
        """
        _require_channels(x, self.channels, (3, 4))
        normalized, inverse = standardize(widened(x).reshape(self._by_group(x.shape)), (2,), self.eps)
        cache = NormCache(normalized.reshape(x.shape), inverse, x.dtype)
        return scale_and_shift(params, cache, _per_channel(self.channels, self.affine), x.ndim - 2), cache

    def backward(self, params: Params, cache: NormCache, grad_output: Array) -> tuple[Array, Params]:
        """Return the gradient of the input and, with `affine`, ``{"gamma": …, "beta": …}``."""
        shape = cache.normalized.shape
        require_shape("grad_output", grad_output, shape)
        scaled, gradients = pull_back_scale(
            params, cache, widened(grad_output), _per_channel(self.channels, self.affine), len(shape) - 2
        )
        grouped = cache._replace(normalized=cache.normalized.reshape(self._by_group(shape)))
        gradient = standardize_backward(grouped, (2,), scaled.reshape(self._by_group(shape)))
        return gradient.reshape(shape), gradients

    def _by_group(self, shape: tuple[int, ...]) -> tuple[int, int, int]:
        return shape[0], self.groups, math.prod(shape[1:]) // self.groups


@dataclass(frozen=True)
class InstanceNorm:
    """Every channel of a sample normalised over its positions, then scaled and shifted.

    Parameters
    ----------
    num_features : int
        Channels, axis 1 of the input.
    eps : float
        Added to the variance: positive, so that constant channels have a gradient.
    affine : bool
        Whether there are a scale gamma and a shift beta, one per channel.

    Notes
    -----
    As `GroupNorm` with as many groups as channels: x and y (N, C, L) or (N, C, H, W), gamma and beta (C,), means over
    the positions of one channel of one sample. A single position is refused, as torch does.

    References
    ----------
    Ulyanov, Vedaldi, Lempitsky: Instance Normalization (2016), arXiv:1607.08022. The gradient is derived here.

    Examples
    --------
    >>> layer, x = InstanceNorm(2, affine=False), np.array([[[3.0, 5.0], [8.0, 2.0]]])
    >>> layer.forward({}, x)[0].round(4).tolist()
    [[[-1.0, 1.0], [1.0, -1.0]]]
    """

    num_features: int
    eps: float = 1e-5
    affine: bool = True

    def __post_init__(self) -> None:
        require_positive(num_features=self.num_features)
        require_eps(self.eps)
        require_flag(affine=self.affine)

    def init(self, rng: np.random.Generator) -> Params:  # noqa: ARG002 - every layer has this signature
        """Return a scale of ones and a shift of zeros, or nothing."""
        return unit_scale((self.num_features,)) if self.affine else {}

    def forward(self, params: Params, x: Array) -> tuple[Array, NormCache]:
        """Return the output and what `backward` needs.

        Raises
        ------
        ShapeError
            If axis 1 of `x` is not `num_features`, or the rank is not 3 or 4.
        ValueError
            If `x` has one position.
        """
        _require_channels(x, self.num_features, (3, 4))
        _require_several(x, 2)
        normalized, inverse = standardize(widened(x), _positions(x), self.eps)
        cache = NormCache(normalized, inverse, x.dtype)
        return scale_and_shift(params, cache, _per_channel(self.num_features, self.affine), x.ndim - 2), cache

    def backward(self, params: Params, cache: NormCache, grad_output: Array) -> tuple[Array, Params]:
        """Return the gradient of the input and, with `affine`, ``{"gamma": …, "beta": …}``."""
        shape = cache.normalized.shape
        require_shape("grad_output", grad_output, shape)
        scaled, gradients = pull_back_scale(
            params, cache, widened(grad_output), _per_channel(self.num_features, self.affine), len(shape) - 2
        )
        return standardize_backward(cache, _positions(scaled), scaled), gradients


def _require_channels(x: Array, channels: int, ranks: tuple[int, ...]) -> None:
    if x.ndim not in ranks or x.shape[1] != channels:
        shapes = [f"(N, {', '.join((str(channels), *('', 'L', 'HW')[rank - 2]))})" for rank in ranks]
        raise ShapeError(f"expected x of shape {', '.join(shapes[:-1])} or {shapes[-1]}, got shape={x.shape}")


def _require_several(x: Array, first: int) -> int:
    """Return how many values a channel has, over the axes from `first` on; refuse a single one."""
    count: int = math.prod(size for axis, size in enumerate(x.shape) if axis >= first and axis != 1)
    if count == 1:
        raise ValueError(f"expected more than one value per channel to normalise over, got shape={x.shape}")
    return count


def _per_channel(channels: int, affine: bool) -> tuple[int, ...] | None:
    return (channels,) if affine else None


def _positions(x: Array) -> tuple[int, ...]:
    return tuple(range(2, x.ndim))


def _all_but_1(x: Array) -> tuple[int, ...]:
    return (0, *range(2, x.ndim))
