"""Transposed convolution of images: the adjoint of a convolution, used forwards."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from reference_layers.conv import ConvParameters
from reference_layers.layer import Array, Params, ShapeError, per_axis, require_shape
from reference_layers.windows import Sides, Sizes, crop, pad


class ConvTransposeCache(NamedTuple):
    """What the backward pass of `ConvTranspose2d` needs."""

    x: Array
    output_shape: tuple[int, ...]


@dataclass(frozen=True)
class ConvTranspose2d(ConvParameters):
    """Two-dimensional transposed convolution, also called deconvolution.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, dilation : int or pair of int
        (height, width).
    padding : int, pair of int or four ints
        Of the convolution of which this is the adjoint: so much is cut off the output, on all sides, per axis, or
        (top, bottom, left, right).
    groups : int
        Both numbers of channels are divided into so many independent layers.
    bias : bool
    output_padding : int or pair of int
        Rows and columns that the output has in addition, at its end: as many as the stride of that convolution would
        leave out. Smaller than the stride or the dilation.

    Raises
    ------
    ValueError
        If a hyper-parameter is impossible; the message shows its value.

    Notes
    -----
    With ỹ the output before padding is cut off, stride s and dilation d, every input entry puts down a kernel::

        ỹ[n, o, i·s + a·d, j·s + b·d] += Σ_c x[n, c, i, j] · w[c, o, a, b]     then y = crop(ỹ) + b[o]

    With g̃ the gradient map, padded with zeros where y was cut::

        ∂/∂x[n, c, i, j] = Σ_{o,a,b} w[c, o, a, b] · g̃[n, o, i·s + a·d, j·s + b·d]
        ∂/∂w[c, o, a, b] = Σ_{n,i,j} x[n, c, i, j] · g̃[n, o, i·s + a·d, j·s + b·d]
        ∂/∂b[o]          = Σ_{n,i,j} g[n, o, i, j]

    Shapes: x (N, in_channels, H, W), weight (in_channels, out_channels/groups, kh, kw), bias (out_channels,),
    y (N, out_channels, oh, ow) with ``oh = (H - 1)·s + d·(kh - 1) + 1 + output_padding - padding of both ends``.

    References
    ----------
    The two formulas for the gradient of the input of `Conv2d`, and its forward, with their parts exchanged.

    Examples
    --------
    >>> layer = ConvTranspose2d(1, 1, (1, 3), stride=(1, 2), bias=False)
    >>> y, _ = layer.forward({"weight": np.array([[[[1.0, 2.0, 3.0]]]])}, np.array([[[[1.0, 10.0]]]]))
    >>> y.tolist()
    [[[[1.0, 2.0, 13.0, 20.0, 30.0]]]]
    """

    output_padding: int | tuple[int, int] = 0

    rank = 2
    padding_words = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        extra = per_axis("output_padding", self.output_padding, self.rank, least=0)
        object.__setattr__(self, "output_padding", extra)
        for more, step, apart in zip(extra, self._sizes("stride"), self._sizes("dilation"), strict=True):
            if more >= max(step, apart):
                raise ValueError(
                    f"expected output_padding smaller than the stride or the dilation, got output_padding={more}, "
                    f"stride={step} and dilation={apart}; up to {max(step, apart) - 1} works"
                )

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """Shape of the weight."""
        return self.in_channels, self.out_channels // self.groups, *self._sizes("kernel_size")

    def forward(self, params: Params, x: Array) -> tuple[Array, ConvTransposeCache]:
        """Return the output (N, out_channels, oh, ow) and what `backward` needs.

        Raises
        ------
        ShapeError
            If `x` or a parameter does not have the shape above, or the padding leaves nothing of the output.
        """
        self._require_shapes(params, x)
        size = self._size_before_cutting(x.shape[2:])
        taps = np.matmul(self._weight_matrix(params).swapaxes(-1, -2), self._by_group(x))
        taps = taps.reshape(x.shape[0], self.out_channels, *self._sizes("kernel_size"), *x.shape[2:])
        y = np.ascontiguousarray(crop(self._scatter(taps, size), self._ends))
        if self.bias:
            y += params["bias"][:, None, None]
        return y, ConvTransposeCache(x, y.shape)

    def backward(self, params: Params, cache: ConvTransposeCache, grad_output: Array) -> tuple[Array, Params]:
        """Return the gradient of the input and ``{"weight": …, "bias": …}``.

        Raises
        ------
        ShapeError
            If `grad_output` does not have the shape of the output.
        """
        require_shape("grad_output", grad_output, cache.output_shape)
        height, width = cache.x.shape[2:]
        # Where output_padding reaches the stride, one more window fits behind those that the input put down.
        view = self._windows(pad(grad_output, self._ends))[..., :height, :width]
        columns = self._columns(view)
        gradient = np.matmul(self._weight_matrix(params), columns).reshape(cache.x.shape)
        weight = np.matmul(self._by_group(cache.x), columns.swapaxes(-1, -2)).sum(axis=0)
        gradients = {"weight": weight.reshape(self.weight_shape)}
        return gradient, gradients | ({"bias": self._grad_bias(grad_output)} if self.bias else {})

    def _weight_matrix(self, params: Params) -> Array:
        depth = self.out_channels // self.groups * math.prod(self._sizes("kernel_size"))
        return params["weight"].reshape(self.groups, self.in_channels // self.groups, depth)

    def _size_before_cutting(self, size: Sizes) -> Sizes:
        names = ("kernel_size", "stride", "dilation", "output_padding")
        axes = zip(size, *map(self._sizes, names), self._ends[::2], self._ends[1::2], strict=True)
        sizes = []
        for n, k, s, d, more, before, after in axes:
            spread = (n - 1) * s + d * (k - 1) + 1 + more
            if n < 1 or spread <= before + after:
                least = max(1, -(-(before + after - d * (k - 1) - more) // s) + 1)
                raise ShapeError(
                    f"expected an output of at least one entry along each axis, got size={n} with kernel_size={k}, "
                    f"stride={s}, dilation={d}, padding={(before, after)} and output_padding={more}; a size of "
                    f"{least} works"
                )
            sizes.append(spread)
        return tuple(sizes)

    @property
    def _ends(self) -> Sides:
        ends: Sides = self.padding  # type: ignore[assignment]
        return ends
