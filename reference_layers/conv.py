"""Convolution of lines, images and volumes, by which the field means cross-correlation; and true convolution."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from reference_layers.layer import (
    SPACE,
    Array,
    Params,
    per_axis,
    require_flag,
    require_positive,
    require_shape,
)
from reference_layers.windows import (
    Padding,
    Sides,
    Sizes,
    Spatial,
    crop,
    normal_padding,
    pad,
    require_fit,
    scatter,
    sides,
    windows,
)


class ConvCache(NamedTuple):
    """What the backward pass of a convolution needs."""

    padded: Array
    around: Sides
    output_shape: tuple[int, ...]


@dataclass(frozen=True)
class ConvParameters(Spatial):
    """Hyper-parameters of convolutions over `rank` axes of space, and what follows from them alone.

    Raises
    ------
    ValueError
        If a hyper-parameter is impossible; the message shows its value.
    """

    in_channels: int
    out_channels: int
    kernel_size: int | tuple[int, ...]
    stride: int | tuple[int, ...] = 1
    padding: Padding = 0
    dilation: int | tuple[int, ...] = 1
    groups: int = 1
    bias: bool = True

    def __post_init__(self) -> None:
        require_positive(in_channels=self.in_channels, out_channels=self.out_channels, groups=self.groups)
        require_flag(bias=self.bias)
        for name in ("kernel_size", "stride", "dilation"):
            object.__setattr__(self, name, per_axis(name, getattr(self, name), self.rank))
        object.__setattr__(self, "padding", normal_padding(self.padding, self.rank, self.padding_words))
        for name in ("in_channels", "out_channels"):
            channels = getattr(self, name)
            if channels % self.groups:
                common = math.gcd(self.in_channels, self.out_channels)
                raise ValueError(
                    f"expected groups to divide {name}, got groups={self.groups} and {name}={channels}; the divisors "
                    f"of {common} divide both numbers of channels"
                )

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """Shape of the weight."""
        return self.out_channels, self.in_channels // self.groups, *self._sizes("kernel_size")

    def init(self, rng: np.random.Generator) -> Params:
        """Return a weight of variance 2/fan_in and, with a bias, zeros for it."""
        fan_in = self.in_channels // self.groups * math.prod(self._sizes("kernel_size"))
        params = {"weight": rng.standard_normal(self.weight_shape) * np.sqrt(2.0 / fan_in)}
        return params | ({"bias": np.zeros(self.out_channels)} if self.bias else {})

    def _require_shapes(self, params: Params, x: Array) -> None:
        require_shape("x", x, ("N", self.in_channels, *SPACE[self.rank]))
        require_shape("weight", params["weight"], self.weight_shape)
        if self.bias:
            require_shape("bias", params["bias"], (self.out_channels,))

    def _grad_bias(self, grad_output: Array) -> Array:
        n, channels = grad_output.shape[:2]
        gradient: Array = grad_output.reshape(n, channels, math.prod(grad_output.shape[2:])).sum(axis=(0, 2))
        return gradient

    def _by_group(self, maps: Array) -> Array:
        """Return maps (N, C, …) as one matrix per sample and group: a row for each channel."""
        n, channels = maps.shape[:2]
        return maps.reshape(n, self.groups, channels // self.groups, math.prod(maps.shape[2:]))

    def _columns(self, view: Array) -> Array:
        """Return windows as one matrix per sample and group: this copy is what makes the rest a matrix product."""
        n, channels = view.shape[:2]
        taps, places = view.shape[2 : 2 + self.rank], view.shape[2 + self.rank :]
        return view.reshape(n, self.groups, channels // self.groups * math.prod(taps), math.prod(places))

    def _windows(self, padded: Array) -> Array:
        return windows(padded, self._sizes("kernel_size"), self._sizes("stride"), self._sizes("dilation"))

    def _scatter(self, taps: Array, size: Sizes) -> Array:
        return scatter(taps, size, self._sizes("stride"), self._sizes("dilation"))

    def _sizes(self, name: str) -> Sizes:
        value: Sizes = getattr(self, name)
        return value


@dataclass(frozen=True)
class _Conv(ConvParameters):
    """Cross-correlation over any number of axes of space: all that the public classes below share."""

    def forward(self, params: Params, x: Array) -> tuple[Array, ConvCache]:
        """Return the output (N, out_channels, …) and what `backward` needs.

        Raises
        ------
        ShapeError
            If `x` or a parameter does not have the shape above, or no window fits.
        """
        self._require_shapes(params, x)
        kernel, stride, dilation = self._sizes("kernel_size"), self._sizes("stride"), self._sizes("dilation")
        around = sides(self.padding, x.shape[2:], kernel, stride, dilation)  # type: ignore[arg-type]
        require_fit(x.shape[2:], kernel, stride, around, dilation)
        padded = pad(x, around)
        view = self._windows(padded)
        y = np.matmul(self._weight_matrix(params), self._columns(view))
        y = y.reshape(x.shape[0], self.out_channels, y.shape[-1])
        if self.bias:
            y += params["bias"][:, None]
        y = y.reshape(x.shape[0], self.out_channels, *view.shape[2 + self.rank :])
        return y, ConvCache(padded, around, y.shape)

    def backward(self, params: Params, cache: ConvCache, grad_output: Array) -> tuple[Array, Params]:
        """Return the gradient of the input and ``{"weight": …, "bias": …}``.

        Raises
        ------
        ShapeError
            If `grad_output` does not have the shape of the output.
        """
        require_shape("grad_output", grad_output, cache.output_shape)
        gradients = {"weight": self.grad_weight(cache, grad_output)}
        if self.bias:
            gradients["bias"] = self._grad_bias(grad_output)
        return self.grad_input_scatter(params, cache, grad_output), gradients

    def grad_weight(self, cache: ConvCache, grad_output: Array) -> Array:
        """Correlate the padded input with the gradient map, summed over batch and positions."""
        columns = self._columns(self._windows(cache.padded))
        gradient = np.matmul(self._by_group(grad_output), columns.swapaxes(-1, -2)).sum(axis=0)
        return self._correlated(gradient.reshape(self.weight_shape))

    def grad_input_scatter(self, params: Params, cache: ConvCache, grad_output: Array) -> Array:
        """Add every ``g·w`` into a buffer of the padded shape at the place of its window, then cut the border off."""
        n, places = grad_output.shape[0], grad_output.shape[2:]
        spread = np.matmul(self._weight_matrix(params).swapaxes(-1, -2), self._by_group(grad_output))
        taps = spread.reshape(n, self.in_channels, *self._sizes("kernel_size"), *places)
        return np.ascontiguousarray(crop(self._scatter(taps, cache.padded.shape[2:]), cache.around))

    def grad_input_full(self, params: Params, cache: ConvCache, grad_output: Array) -> Array:
        """Slide the kernel, rotated by 180° and with its channels exchanged, over the padded gradient map.

        Entries of the input that no window reached, because the stride leaves a remainder, see zeros.
        """
        kernel, dilation = self._sizes("kernel_size"), self._sizes("dilation")
        reach = tuple(d * (k - 1) for k, d in zip(kernel, dilation, strict=True))
        n, space = grad_output.shape[0], cache.padded.shape[2:]
        spread = self._spread_by_stride(grad_output, tuple(np.subtract(space, reach)))
        around = tuple(np.repeat(reach, 2))
        view = windows(pad(spread, around), kernel, (1,) * self.rank, dilation)
        full = np.matmul(self._rotated_matrix(params), self._columns(view)).reshape(n, self.in_channels, *space)
        return np.ascontiguousarray(crop(full, cache.around))

    def _spread_by_stride(self, grad_output: Array, size: Sizes) -> Array:
        """Put zeros between the entries of the map, as many as a stride skips, and after them up to `size`."""
        spread = np.zeros((*grad_output.shape[:2], *size), grad_output.dtype)
        strided = spread[:, :, *(slice(None, None, step) for step in self._sizes("stride"))]
        strided[:, :, *map(slice, grad_output.shape[2:])] = grad_output
        return spread

    def _rotated_matrix(self, params: Params) -> Array:
        rotated = self._rotated(self._correlated(params["weight"]))
        by_group = rotated.reshape(self.groups, self.out_channels // self.groups, *self.weight_shape[1:])
        return by_group.swapaxes(1, 2).reshape(self.groups, self.in_channels // self.groups, -1)

    def _weight_matrix(self, params: Params) -> Array:
        return self._correlated(params["weight"]).reshape(self.groups, self.out_channels // self.groups, -1)

    def _correlated(self, weight: Array) -> Array:
        """Return the kernel that is slid over the input, and for its gradient that of the weight."""
        return weight

    def _rotated(self, weight: Array) -> Array:
        return np.flip(weight, tuple(range(2, 2 + self.rank)))


@dataclass(frozen=True)
class Conv1d(_Conv):
    """One-dimensional convolution (cross-correlation).

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, dilation : int
    padding : int, two ints, "valid" or "same"
        Zeros around the input: at both ends, or (before, after).
    groups : int
        Both numbers of channels are divided into so many independent convolutions.
    bias : bool

    Raises
    ------
    ValueError
        If a hyper-parameter is impossible; the message shows its value.

    Notes
    -----
    With x̃ the padded input, stride s and dilation d::

        y[n, o, i] = b[o] + Σ_{c,a} w[o, c, a] · x̃[n, c, i·s + a·d]

        ∂/∂w[o, c, a] = Σ_{n,i} g[n, o, i] · x̃[n, c, i·s + a·d]
        ∂/∂b[o]       = Σ_{n,i} g[n, o, i]
        ∂/∂x̃         : every g[n, o, i]·w[o] is added at the place of its window

    Both ways to the gradient of the input are those of `Conv2d`.

    Shapes: x (N, in_channels, L), weight (out_channels, in_channels/groups, k), bias (out_channels,),
    y (N, out_channels, ol).

    References
    ----------
    As `Conv2d`, with one axis of space.

    Examples
    --------
    >>> layer = Conv1d(1, 1, 2, stride=2, bias=False)
    >>> y, _ = layer.forward({"weight": np.array([[[1.0, -1.0]]])}, np.array([[[5.0, 3.0, 8.0, 1.0, 9.0]]]))
    >>> y.tolist()
    [[[2.0, 7.0]]]
    """

    rank = 1


@dataclass(frozen=True)
class Conv2d(_Conv):
    """Two-dimensional convolution (cross-correlation).

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, dilation : int or pair of int
        (height, width).
    padding : int, pair of int, four ints, "valid" or "same"
        Zeros around the input: on all sides, per axis, or (top, bottom, left, right).
    groups : int
        Both numbers of channels are divided into so many independent convolutions.
    bias : bool

    Raises
    ------
    ValueError
        If a hyper-parameter is impossible; the message shows its value.

    Notes
    -----
    With x̃ the padded input, stride s and dilation d::

        y[n, o, i, j] = b[o] + Σ_{c,a,b} w[o, c, a, b] · x̃[n, c, i·s + a·d, j·s + b·d]

        ∂/∂w[o, c, a, b] = Σ_{n,i,j} g[n, o, i, j] · x̃[n, c, i·s + a·d, j·s + b·d]
        ∂/∂b[o]          = Σ_{n,i,j} g[n, o, i, j]
        ∂/∂x̃            : every g[n, o, i, j]·w[o] is added at the place of its window

    The gradient of the input stands here in both ways of the articles: `grad_input_scatter` adds windows into a
    buffer of the padded shape and cuts the border off; `grad_input_full` slides the kernel, rotated by 180°, over
    the gradient map, spread out by the stride and padded by ``d·(k - 1)``. The first is the one used: it multiplies
    no zeros.

    Shapes: x (N, in_channels, H, W), weight (out_channels, in_channels/groups, kh, kw), bias (out_channels,),
    y (N, out_channels, oh, ow).

    References
    ----------
    Scatter-add into the padded buffer, and the sum over positions for the bias; full convolution with the rotated
    kernel: see the articles named in ``docs/design.md``.

    Examples
    --------
    >>> layer = Conv2d(1, 1, 3, bias=False)
    >>> image = np.array([[1, 1, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 1, 1], [0, 0, 1, 1, 0], [0, 1, 1, 0, 0]])
    >>> kernel = np.array([[1.0, 0, 1], [0, 1, 0], [1, 0, 1]])
    >>> y, _ = layer.forward({"weight": kernel[None, None]}, image[None, None].astype(float))
    >>> y[0, 0].astype(int).tolist()
    [[4, 3, 4], [2, 4, 3], [2, 3, 4]]
    """

    rank = 2


@dataclass(frozen=True)
class Conv3d(_Conv):
    """Three-dimensional convolution (cross-correlation).

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, dilation : int or triple of int
        (depth, height, width).
    padding : int, triple of int, six ints, "valid" or "same"
        Zeros around the input: on all sides, per axis, or (front, back, top, bottom, left, right).
    groups : int
        Both numbers of channels are divided into so many independent convolutions.
    bias : bool

    Raises
    ------
    ValueError
        If a hyper-parameter is impossible; the message shows its value.

    Notes
    -----
    With x̃ the padded input, p = (h, i, j) a position, t = (a, b, e) a tap, and stride s and dilation d multiplied
    axis by axis::

        y[n, o, p] = b[o] + Σ_{c,t} w[o, c, t] · x̃[n, c, p·s + t·d]

        ∂/∂w[o, c, t] = Σ_{n,p} g[n, o, p] · x̃[n, c, p·s + t·d]
        ∂/∂b[o]       = Σ_{n,p} g[n, o, p]
        ∂/∂x̃         : every g[n, o, p]·w[o] is added at the place of its window

    Both ways to the gradient of the input are those of `Conv2d`.

    Shapes: x (N, in_channels, D, H, W), weight (out_channels, in_channels/groups, kd, kh, kw),
    bias (out_channels,), y (N, out_channels, od, oh, ow).

    References
    ----------
    As `Conv2d`, with three axes of space.

    Examples
    --------
    >>> layer = Conv3d(1, 1, 2, bias=False)
    >>> y, _ = layer.forward({"weight": np.ones((1, 1, 2, 2, 2))}, np.arange(12.0).reshape(1, 1, 2, 2, 3))
    >>> y.tolist()
    [[[[[40.0, 48.0]]]]]
    """

    rank = 3


@dataclass(frozen=True)
class TrueConv2d(_Conv):
    """Two-dimensional convolution in the sense of mathematics: the kernel is rotated by 180°.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, dilation : int or pair of int
        (height, width).
    padding : int, pair of int, four ints, "valid" or "same"
        Zeros around the input: on all sides, per axis, or (top, bottom, left, right).
    groups : int
        Both numbers of channels are divided into so many independent convolutions.
    bias : bool

    Raises
    ------
    ValueError
        If a hyper-parameter is impossible; the message shows its value.

    Notes
    -----
    With x̃ the padded input, stride s, dilation d, and a' = kh − 1 − a, b' = kw − 1 − b::

        y[n, o, i, j] = b[o] + Σ_{c,a,b} w[o, c, a, b] · x̃[n, c, i·s + a'·d, j·s + b'·d]

        ∂/∂w[o, c, a, b] = Σ_{n,i,j} g[n, o, i, j] · x̃[n, c, i·s + a'·d, j·s + b'·d]
        ∂/∂b[o]          = Σ_{n,i,j} g[n, o, i, j]
        ∂/∂x̃            : every g[n, o, i, j]·rot180(w[o]) is added at the place of its window

    It is `Conv2d` with the rotated kernel, and the gradient of the weight is rotated back. Both ways to the gradient
    of the input are those of `Conv2d`; in the full convolution the kernel, rotated twice, is the weight itself.

    Shapes: x (N, in_channels, H, W), weight (out_channels, in_channels/groups, kh, kw), bias (out_channels,),
    y (N, out_channels, oh, ow).

    References
    ----------
    The convolution of the article on the gradients of convolutional layers, see ``docs/design.md``.

    Examples
    --------
    >>> layer = TrueConv2d(1, 1, (1, 2), bias=False)
    >>> y, _ = layer.forward({"weight": np.array([[[[1.0, 10.0]]]])}, np.array([[[[1.0, 2.0, 3.0]]]]))
    >>> y.tolist()
    [[[[12.0, 23.0]]]]
    """

    rank = 2

    def _correlated(self, weight: Array) -> Array:
        return np.ascontiguousarray(self._rotated(weight))
