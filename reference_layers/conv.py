"""Convolution of images, by which the field means cross-correlation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from reference_layers.layer import Array, Params, pair, require_flag, require_positive, require_shape
from reference_layers.windows import Padding, Sides, crop, normal_padding, pad, scatter, sides, windows


class Conv2dCache(NamedTuple):
    """What the backward pass of `Conv2d` needs."""

    padded: Array
    around: Sides
    output_shape: tuple[int, ...]


@dataclass(frozen=True)
class Conv2d:
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

    in_channels: int
    out_channels: int
    kernel_size: int | tuple[int, int]
    stride: int | tuple[int, int] = 1
    padding: Padding = 0
    dilation: int | tuple[int, int] = 1
    groups: int = 1
    bias: bool = True

    def __post_init__(self) -> None:
        require_positive(in_channels=self.in_channels, out_channels=self.out_channels, groups=self.groups)
        require_flag(bias=self.bias)
        for name in ("kernel_size", "stride", "dilation"):
            object.__setattr__(self, name, pair(name, getattr(self, name)))
        object.__setattr__(self, "padding", normal_padding(self.padding))
        for name in ("in_channels", "out_channels"):
            channels = getattr(self, name)
            if channels % self.groups:
                common = math.gcd(self.in_channels, self.out_channels)
                raise ValueError(
                    f"expected groups to divide {name}, got groups={self.groups} and {name}={channels}; the divisors "
                    f"of {common} divide both numbers of channels"
                )

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        """Shape of the weight."""
        return self.out_channels, self.in_channels // self.groups, *self._pair("kernel_size")

    def init(self, rng: np.random.Generator) -> Params:
        """Return a weight of variance 2/fan_in and, with a bias, zeros for it."""
        fan_in = int(np.prod(self.weight_shape[1:]))
        params = {"weight": rng.standard_normal(self.weight_shape) * np.sqrt(2.0 / fan_in)}
        return params | ({"bias": np.zeros(self.out_channels)} if self.bias else {})

    def forward(self, params: Params, x: Array) -> tuple[Array, Conv2dCache]:
        """Return the output (N, out_channels, oh, ow) and what `backward` needs.

        Raises
        ------
        ShapeError
            If `x` or a parameter does not have the shape above, or no window fits.
        """
        require_shape("x", x, ("N", self.in_channels, "H", "W"))
        require_shape("weight", params["weight"], self.weight_shape)
        if self.bias:
            require_shape("bias", params["bias"], (self.out_channels,))
        around = self._sides(x)
        padded = pad(x, around)
        view = self._windows(padded)
        n, rows, columns = x.shape[0], *view.shape[4:]
        y = np.matmul(self._weight_matrix(params), self._columns(view))
        y = y.reshape(n, self.out_channels, rows * columns)
        if self.bias:
            y += params["bias"][:, None]
        y = y.reshape(n, self.out_channels, rows, columns)
        return y, Conv2dCache(padded, around, y.shape)

    def backward(self, params: Params, cache: Conv2dCache, grad_output: Array) -> tuple[Array, Params]:
        """Return the gradient of the input and ``{"weight": …, "bias": …}``.

        Raises
        ------
        ShapeError
            If `grad_output` does not have the shape of the output.
        """
        require_shape("grad_output", grad_output, cache.output_shape)
        gradients = {"weight": self.grad_weight(cache, grad_output)}
        if self.bias:
            gradients["bias"] = self._by_channel(grad_output).sum(axis=(0, 2))
        return self.grad_input_scatter(params, cache, grad_output), gradients

    def grad_weight(self, cache: Conv2dCache, grad_output: Array) -> Array:
        """Correlate the padded input with the gradient map, summed over batch and positions."""
        columns = self._columns(self._windows(cache.padded))
        maps = self._by_group(grad_output)
        gradient = np.matmul(maps, columns.swapaxes(-1, -2)).sum(axis=0)
        return np.asarray(gradient.reshape(self.weight_shape))

    def grad_input_scatter(self, params: Params, cache: Conv2dCache, grad_output: Array) -> Array:
        """Add every ``g·w`` into a buffer of the padded shape at the place of its window, then cut the border off."""
        n, _, rows, columns = grad_output.shape
        spread = np.matmul(self._weight_matrix(params).swapaxes(-1, -2), self._by_group(grad_output))
        taps = spread.reshape(n, self.in_channels, *self._pair("kernel_size"), rows, columns)
        size = (cache.padded.shape[2], cache.padded.shape[3])
        padded = scatter(taps, size, self._pair("stride"), self._pair("dilation"))
        return np.ascontiguousarray(crop(padded, cache.around))

    def grad_input_full(self, params: Params, cache: Conv2dCache, grad_output: Array) -> Array:
        """Slide the kernel, rotated by 180° and with its channels exchanged, over the padded gradient map.

        Rows and columns of the input that no window reached, because the stride leaves a remainder, see zeros.
        """
        kernel, dilation = self._pair("kernel_size"), self._pair("dilation")
        reach = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        n, _, height, width = cache.padded.shape
        spread = self._spread_by_stride(grad_output, (height - reach[0], width - reach[1]))
        around = (reach[0], reach[0], reach[1], reach[1])
        view = windows(pad(spread, around), kernel, (1, 1), dilation)
        depth = self.out_channels // self.groups * kernel[0] * kernel[1]
        columns = view.reshape(n, self.groups, depth, height * width)
        full = np.matmul(self._rotated_matrix(params), columns).reshape(n, self.in_channels, height, width)
        return np.ascontiguousarray(crop(full, cache.around))

    def _spread_by_stride(self, grad_output: Array, size: tuple[int, int]) -> Array:
        """Put zeros between the entries of the map, as many as a stride skips, and after them up to `size`."""
        rows, columns = self._pair("stride")
        spread = np.zeros((*grad_output.shape[:2], *size), grad_output.dtype)
        spread[:, :, ::rows, ::columns][:, :, : grad_output.shape[2], : grad_output.shape[3]] = grad_output
        return spread

    def _rotated_matrix(self, params: Params) -> Array:
        rotated = params["weight"][:, :, ::-1, ::-1]
        by_group = rotated.reshape(self.groups, self.out_channels // self.groups, *self.weight_shape[1:])
        return by_group.swapaxes(1, 2).reshape(self.groups, self.in_channels // self.groups, -1)

    def _weight_matrix(self, params: Params) -> Array:
        return params["weight"].reshape(self.groups, self.out_channels // self.groups, -1)

    def _by_channel(self, grad_output: Array) -> Array:
        n, channels, rows, columns = grad_output.shape
        return grad_output.reshape(n, channels, rows * columns)

    def _by_group(self, grad_output: Array) -> Array:
        n, channels, rows, columns = grad_output.shape
        return grad_output.reshape(n, self.groups, channels // self.groups, rows * columns)

    def _windows(self, padded: Array) -> Array:
        return windows(padded, self._pair("kernel_size"), self._pair("stride"), self._pair("dilation"))

    def _columns(self, view: Array) -> Array:
        """Return windows as one matrix per sample and group: this copy is what makes the rest a matrix product."""
        n, channels, kernel_rows, kernel_columns, rows, columns = view.shape
        depth = channels // self.groups * kernel_rows * kernel_columns
        return view.reshape(n, self.groups, depth, rows * columns)

    def _sides(self, x: Array) -> Sides:
        kernel, stride, dilation = self._pair("kernel_size"), self._pair("stride"), self._pair("dilation")
        return sides(self.padding, (x.shape[2], x.shape[3]), kernel, stride, dilation)  # type: ignore[arg-type]

    def _pair(self, name: str) -> tuple[int, int]:
        value: tuple[int, int] = getattr(self, name)
        return value
