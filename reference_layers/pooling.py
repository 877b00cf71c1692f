"""Pooling of lines and images: the maximum or the mean of each window, of everything, or of so many equal parts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import reduce
from typing import NamedTuple

import numpy as np

from reference_layers.layer import (
    SPACE,
    Array,
    Params,
    ShapeError,
    pair,
    per_axis,
    require_flag,
    require_shape,
)
from reference_layers.windows import (
    Padding,
    Sides,
    Sizes,
    Spatial,
    crop,
    normal_padding,
    overhang,
    pad,
    require_fit,
    scatter,
    sides,
    tap_counts,
    windows,
)


class PoolCache(NamedTuple):
    """What the backward passes of pooling layers need.

    Sizes (`around` is the padding and what the last window overhangs), and for maxima which tap of a window won, for
    means the divisor of each window.
    """

    padded_size: Sizes
    around: Sides
    output_shape: tuple[int, ...]
    winner: Array | None = None
    divisor: Array | None = None


@dataclass(frozen=True)
class _Pool(Spatial):
    """Windows of a pooling layer over any number of axes of space.

    Parameters
    ----------
    kernel_size : int or tuple of int
    stride : int or tuple of int, optional
        Default: the kernel size, which makes windows lie side by side.
    padding : int or tuple of int
        Smaller than the reach of a window, so that none lies wholly in the border.
    ceil_mode : bool

    Raises
    ------
    ValueError
        If a hyper-parameter is impossible; the message shows its value.
    """

    kernel_size: int | tuple[int, ...]
    stride: int | tuple[int, ...] | None = None
    padding: Padding = 0
    ceil_mode: bool = False

    def __post_init__(self) -> None:
        kernel = per_axis("kernel_size", self.kernel_size, self.rank)
        object.__setattr__(self, "kernel_size", kernel)
        stride = kernel if self.stride is None else per_axis("stride", self.stride, self.rank)
        object.__setattr__(self, "stride", stride)
        object.__setattr__(self, "padding", normal_padding(self.padding, self.rank))
        require_flag(ceil_mode=self.ceil_mode)
        self._require_narrow_padding()

    def _require_narrow_padding(self) -> None:
        if isinstance(self.padding, str):
            return
        most = tuple(d * (k - 1) for k, d in zip(self._kernel, self._dilation, strict=True))
        if any(end > limit for end, limit in zip(self.padding, np.repeat(most, 2), strict=True)):  # type: ignore[arg-type]
            dilated = f" with dilation={self._dilation}" if max(self._dilation) > 1 else ""
            raise ValueError(
                f"expected padding smaller than the kernel, got padding={self.padding} and "
                f"kernel_size={self._kernel}{dilated}; up to {most} works"
            )

    def init(self, rng: np.random.Generator) -> Params:  # noqa: ARG002 - every layer has this signature
        """Return no parameters."""
        return {}

    def _view(self, x: Array, border: float) -> tuple[Array, Sides, Sizes]:
        """Return the windows over the padded input, its padding with the overhang, and its size."""
        require_shape("x", x, ("N", "C", *SPACE[self.rank]))
        around = self._around(x.shape[2:])
        require_fit(x.shape[2:], self._kernel, self._stride, around, self._dilation)
        padded = pad(x, around, border)
        return windows(padded, self._kernel, self._stride, self._dilation), around, padded.shape[2:]

    def _around(self, size: Sizes) -> Sides:
        around = sides(self.padding, size, self._kernel, self._stride, self._dilation)  # type: ignore[arg-type]
        if not self.ceil_mode:
            return around
        ends = list(around)
        axes = zip(size, self._kernel, self._stride, around[::2], around[1::2], self._dilation, strict=True)
        for axis, (n, k, s, before, after, d) in enumerate(axes):
            ends[2 * axis + 1] += overhang(n, k, s, (before, after), d)
        return tuple(ends)

    def _scatter(self, taps: Array, cache: PoolCache) -> Array:
        image = scatter(taps, cache.padded_size, self._stride, self._dilation)
        return np.ascontiguousarray(crop(image, cache.around))

    @property
    def _kernel(self) -> Sizes:
        kernel: Sizes = self.kernel_size  # type: ignore[assignment]
        return kernel

    @property
    def _stride(self) -> Sizes:
        stride: Sizes = self.stride  # type: ignore[assignment]
        return stride

    @property
    def _dilation(self) -> Sizes:
        return (1,) * self.rank


@dataclass(frozen=True)
class _MaxPool(_Pool):
    """Maxima over any number of axes of space: all that the public classes below share."""

    dilation: int | tuple[int, ...] = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "dilation", per_axis("dilation", self.dilation, self.rank))
        super().__post_init__()

    def forward(self, params: Params, x: Array) -> tuple[Array, PoolCache]:  # noqa: ARG002
        """Return the maxima and which tap of each window won.

        Raises
        ------
        ShapeError
            If `x` does not have the shape above, no window fits, or one holds no entry of `x`.
        """
        view, around, size = self._view(x, -np.inf)
        places = view.shape[2 + self.rank :]
        self._require_entries(x.shape[2:], places, around)
        flat = view.reshape(*x.shape[:2], math.prod(self._kernel), *places)
        winner = flat.argmax(axis=2)
        y = np.take_along_axis(flat, winner[:, :, None], axis=2)[:, :, 0]
        return y, PoolCache(size, around, y.shape, winner)

    def backward(self, params: Params, cache: PoolCache, grad_output: Array) -> tuple[Array, Params]:  # noqa: ARG002
        """Return the gradient of the input; there are no parameters."""
        require_shape("grad_output", grad_output, cache.output_shape)
        n, c, *places = cache.output_shape
        taps = np.arange(math.prod(self._kernel)).reshape(-1, *(1,) * self.rank)
        winner: Array = cache.winner  # type: ignore[assignment]
        routed = np.where(winner[:, :, None] == taps, grad_output[:, :, None], grad_output.dtype.type(0))
        return self._scatter(routed.reshape(n, c, *self._kernel, *places), cache), {}

    def _require_entries(self, size: Sizes, places: Sizes, around: Sides) -> None:
        """Refuse windows that hold nothing but padding: taps further apart than the input is long can step over it."""
        axes = zip(size, self._kernel, self._stride, places, around[::2], self._dilation, strict=True)
        for n, k, s, number, before, d in axes:
            if n < d and not tap_counts(n, k, s, number, before, d).all():
                raise ShapeError(
                    f"expected every window to hold an entry of x, got one that holds padding alone for size={n} with "
                    f"padding={around}, kernel_size={k} and dilation={d}; a size of {d} works"
                )

    @property
    def _dilation(self) -> Sizes:
        dilation: Sizes = self.dilation  # type: ignore[assignment]
        return dilation


@dataclass(frozen=True)
class MaxPool1d(_MaxPool):
    """Maximum of each window of a line.

    Parameters
    ----------
    kernel_size, dilation : int
    stride : int, optional
        Default: the kernel size. A smaller one makes windows overlap.
    padding : int or two ints
        A border that never wins: at both ends, or (before, after).
    ceil_mode : bool
        As in `MaxPool2d`.

    Raises
    ------
    ValueError
        If a hyper-parameter is impossible; the message shows its value.

    Notes
    -----
    With x̃ the padded input, stride s and dilation d::

        y[n, c, i] = max_a x̃[n, c, i·s + a·d]
        ∂/∂x̃     : every g[n, c, i] is added at the place of its maximum, the first where several are tied

    x (N, C, L) → y (N, C, ol).

    References
    ----------
    As `MaxPool2d`, with one axis of space.

    Examples
    --------
    >>> layer = MaxPool1d(2, ceil_mode=True)
    >>> y, cache = layer.forward({}, np.array([[[1.0, 4.0, 2.0, 2.0, 7.0]]]))
    >>> y.tolist(), layer.backward({}, cache, np.array([[[1.0, 2.0, 3.0]]]))[0].tolist()
    ([[[4.0, 2.0, 7.0]]], [[[0.0, 1.0, 2.0, 0.0, 3.0]]])
    """

    rank = 1


@dataclass(frozen=True)
class MaxPool2d(_MaxPool):
    """Maximum of each window.

    Parameters
    ----------
    kernel_size : int or pair of int
    stride : int or pair of int, optional
        Default: the kernel size. A smaller one makes windows overlap.
    padding : int, pair of int or four ints
        A border that never wins.
    ceil_mode : bool
        With one more window where the stride leaves a remainder, which reaches over the border; unless it would
        start behind the input, in the padding of the end.
    dilation : int or pair of int
        Distance between the entries of a window.

    Raises
    ------
    ValueError
        If a hyper-parameter is impossible; the message shows its value.

    Notes
    -----
    With x̃ the padded input, stride s and dilation d::

        y[n, c, i, j] = max_{a,b} x̃[n, c, i·s + a·d, j·s + b·d]
        ∂/∂x̃        : every g[n, c, i, j] is added at the place of its maximum

    The gradient of a window goes to its maximum, to the first one in row-major order where several are tied; where
    windows overlap their gradients add up. The border is −inf: in a window that holds nothing greater it is tied like
    any other entry. A window that holds nothing but border is refused. x (N, C, H, W) → y (N, C, oh, ow).

    References
    ----------
    The gradient goes where the maximum was: the article on the five-layer network, see ``docs/design.md``; ties,
    padding, dilation and overlapping windows are derived here. The rule of `ceil_mode` is PyTorch's.

    Examples
    --------
    >>> layer = MaxPool2d(2)
    >>> y, cache = layer.forward({}, np.array([[[[9.0, 1.0], [3.0, 9.0]]]]))
    >>> layer.backward({}, cache, np.array([[[[5.0]]]]))[0][0, 0].tolist()
    [[5.0, 0.0], [0.0, 0.0]]
    """

    rank = 2


@dataclass(frozen=True)
class _AvgPool(_Pool):
    """Means over any number of axes of space: all that the public classes below share."""

    count_include_pad: bool = True

    def __post_init__(self) -> None:
        require_flag(count_include_pad=self.count_include_pad)
        super().__post_init__()

    def forward(self, params: Params, x: Array) -> tuple[Array, PoolCache]:  # noqa: ARG002
        """Return the means and what `backward` needs.

        Raises
        ------
        ShapeError
            If `x` does not have the shape above, no window fits, or one that counts no padding holds no entry of `x`.
        """
        view, around, size = self._view(x, 0.0)
        space, places = x.shape[2:], view.shape[2 + self.rank :]
        divisor = self._divisor(space, places).astype(_wide(x))
        total = view.sum(axis=tuple(range(2, 2 + self.rank)), dtype=divisor.dtype)
        y = (total / divisor).astype(x.dtype, copy=False)
        return y, PoolCache(size, around, y.shape, divisor=divisor)

    def backward(self, params: Params, cache: PoolCache, grad_output: Array) -> tuple[Array, Params]:  # noqa: ARG002
        """Return the gradient of the input; there are no parameters."""
        require_shape("grad_output", grad_output, cache.output_shape)
        n, c, *places = cache.output_shape
        share = (grad_output / cache.divisor).astype(grad_output.dtype, copy=False)
        share = share.reshape(n, c, *(1,) * self.rank, *places)
        return self._scatter(np.broadcast_to(share, (n, c, *self._kernel, *places)), cache), {}

    def _divisor(self, size: Sizes, places: Sizes) -> Array:
        """Return how many entries of each window count, as an array that broadcasts over the output."""
        if self.count_include_pad and not self.ceil_mode:
            return np.array(math.prod(self._kernel))
        around = sides(self.padding, size, self._kernel, self._stride)  # type: ignore[arg-type]
        before, after = around[::2], around[1::2]
        if self.count_include_pad:  # up to the end of the padding, not over what the last window overhangs
            size, before = tuple(map(sum, zip(size, before, after, strict=True))), (0,) * self.rank
        axes = zip(size, self._kernel, self._stride, places, before, strict=True)
        counts: Array = reduce(np.multiply.outer, [tap_counts(*axis) for axis in axes])
        if not counts.all():
            raise ShapeError(f"expected at least one entry along every axis of space, got size={size}; 1 works")
        return counts


@dataclass(frozen=True)
class AvgPool1d(_AvgPool):
    """Mean of each window of a line.

    Parameters
    ----------
    kernel_size : int
    stride : int, optional
        Default: the kernel size. A smaller one makes windows overlap.
    padding : int or two ints
        A border of zeros: at both ends, or (before, after).
    ceil_mode, count_include_pad : bool
        As in `AvgPool2d`.

    Raises
    ------
    ValueError
        If a hyper-parameter is impossible; the message shows its value.

    Notes
    -----
    With x̃ the padded input, stride s and m[i] the entries of window i that count::

        y[n, c, i] = 1/m[i] · Σ_a x̃[n, c, i·s + a]
        ∂/∂x̃     : every g[n, c, i]/m[i] is added to each entry of its window

    x (N, C, L) → y (N, C, ol).

    References
    ----------
    As `AvgPool2d`, with one axis of space.

    Examples
    --------
    >>> layer = AvgPool1d(2, ceil_mode=True)
    >>> y, cache = layer.forward({}, np.array([[[1.0, 4.0, 7.0]]]))
    >>> y.tolist(), layer.backward({}, cache, np.array([[[1.0, 2.0]]]))[0].tolist()
    ([[[2.5, 7.0]]], [[[0.5, 0.5, 2.0]]])
    """

    rank = 1


@dataclass(frozen=True)
class AvgPool2d(_AvgPool):
    """Mean of each window.

    Parameters
    ----------
    kernel_size : int or pair of int
    stride : int or pair of int, optional
        Default: the kernel size. A smaller one makes windows overlap.
    padding : int, pair of int or four ints
        A border of zeros.
    ceil_mode : bool
        With one more window where the stride leaves a remainder, which reaches over the border; unless it would
        start behind the input, in the padding of the end. What lies behind the border never counts.
    count_include_pad : bool
        Whether the border counts in the divisor.

    Raises
    ------
    ValueError
        If a hyper-parameter is impossible; the message shows its value.

    Notes
    -----
    With x̃ the padded input, stride s and m[i, j] the entries of window (i, j) that count::

        y[n, c, i, j] = 1/m[i, j] · Σ_{a,b} x̃[n, c, i·s + a, j·s + b]
        ∂/∂x̃        : every g[n, c, i, j]/m[i, j] is added to each entry of its window

    The divisor m is ``kh·kw`` unless the last window overhangs or the border does not count; where windows overlap
    their gradients add up. The mean of float16 is added up in float32, so that it does not overflow. x (N, C, H, W) →
    y (N, C, oh, ow).

    References
    ----------
    A quarter to each entry of a 2×2 window: the article on the five-layer network, see ``docs/design.md``; padding
    and overlapping windows are derived here. The rules of `ceil_mode` and of the divisor are PyTorch's.

    Examples
    --------
    >>> layer = AvgPool2d(2)
    >>> y, cache = layer.forward({}, np.array([[[[1.0, 2.0], [3.0, 6.0]]]]))
    >>> y.item(), layer.backward({}, cache, np.array([[[[5.0]]]]))[0][0, 0].tolist()
    (3.0, [[1.25, 1.25], [1.25, 1.25]])
    """

    rank = 2


@dataclass(frozen=True)
class GlobalAvgPool2d:
    """Mean of each map.

    Parameters
    ----------
    keepdims : bool
        Whether the output keeps two axes of size 1.

    Raises
    ------
    ValueError
        If `keepdims` is neither True nor False.

    Notes
    -----
    ::

        y[n, c] = 1/(H·W) · Σ_{i,j} x[n, c, i, j]
        ∂/∂x[n, c, i, j] = g[n, c] / (H·W)

    The mean of float16 is added up in float32. x (N, C, H, W) → y (N, C), or (N, C, 1, 1) with `keepdims`.

    References
    ----------
    Derived here.

    Examples
    --------
    >>> layer = GlobalAvgPool2d()
    >>> y, cache = layer.forward({}, np.array([[[[1.0, 2.0, 6.0]]]]))
    >>> y.tolist(), layer.backward({}, cache, np.array([[6.0]]))[0].tolist()
    ([[3.0]], [[[[2.0, 2.0, 2.0]]]])
    """

    keepdims: bool = False

    def __post_init__(self) -> None:
        require_flag(keepdims=self.keepdims)

    def init(self, rng: np.random.Generator) -> Params:  # noqa: ARG002
        """Return no parameters."""
        return {}

    def forward(self, params: Params, x: Array) -> tuple[Array, tuple[int, ...]]:  # noqa: ARG002
        """Return the means and the shape of `x`.

        Raises
        ------
        ShapeError
            If `x` does not have the shape above, or maps of no entry.
        """
        _require_maps(x)
        return x.mean(axis=(2, 3), keepdims=self.keepdims), x.shape

    def backward(
        self,
        params: Params,  # noqa: ARG002
        cache: tuple[int, ...],
        grad_output: Array,
    ) -> tuple[Array, Params]:
        """Return the gradient of the input; there are no parameters."""
        n, c, height, width = cache
        require_shape("grad_output", grad_output, (n, c, 1, 1) if self.keepdims else (n, c))
        share = (grad_output / np.asarray(height * width, _wide(grad_output))).astype(grad_output.dtype, copy=False)
        return np.broadcast_to(share.reshape(n, c, 1, 1), cache).copy(), {}


@dataclass(frozen=True)
class AdaptiveAvgPool2d:
    """Mean of each of so many parts of a map, whatever its size.

    Parameters
    ----------
    output_size : int or pair of int
        (height, width) of the output; it may be larger than the input and need not divide it.

    Raises
    ------
    ValueError
        If `output_size` is impossible; the message shows its value.

    Notes
    -----
    Output i of o along an axis of n entries is the mean of those from ``⌊i·n/o⌋`` to before ``⌈(i + 1)·n/o⌉``; where
    o does not divide n the parts are of different sizes and overlap. With m[i, j] the entries of part P(i, j)::

        y[n, c, i, j] = 1/m[i, j] · Σ_{(k,l) in P(i,j)} x[n, c, k, l]
        ∂/∂x[n, c, k, l] = Σ_{(i,j): (k,l) in P(i,j)} g[n, c, i, j] / m[i, j]

    Both sums go axis by axis; those of float16 are added up in float32. x (N, C, H, W) → y (N, C, oh, ow).

    References
    ----------
    The rule for the parts is PyTorch's; its gradient is derived here.

    Examples
    --------
    >>> layer = AdaptiveAvgPool2d((1, 2))
    >>> y, cache = layer.forward({}, np.array([[[[1.0, 3.0, 8.0]]]]))
    >>> y.tolist(), layer.backward({}, cache, np.array([[[[2.0, 4.0]]]]))[0].tolist()
    ([[[[2.0, 5.5]]]], [[[[1.0, 3.0, 2.0]]]])
    """

    output_size: int | tuple[int, int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "output_size", pair("output_size", self.output_size))

    def init(self, rng: np.random.Generator) -> Params:  # noqa: ARG002
        """Return no parameters."""
        return {}

    def forward(self, params: Params, x: Array) -> tuple[Array, tuple[int, ...]]:  # noqa: ARG002
        """Return the means and the shape of `x`.

        Raises
        ------
        ShapeError
            If `x` does not have the shape above, or maps of no entry.
        """
        _require_maps(x)
        y = x.astype(_wide(x), copy=False)
        for axis in (2, 3):
            means = [y[_along(axis, part)].mean(axis=axis) for part in self._parts(axis, x.shape)]
            y = np.stack(means, axis=axis)
        return y.astype(x.dtype, copy=False), x.shape

    def backward(
        self,
        params: Params,  # noqa: ARG002
        cache: tuple[int, ...],
        grad_output: Array,
    ) -> tuple[Array, Params]:
        """Return the gradient of the input; there are no parameters."""
        require_shape("grad_output", grad_output, (*cache[:2], *self._size))
        gradient = grad_output.astype(_wide(grad_output), copy=False)
        for axis in (3, 2):
            above = gradient
            gradient = np.zeros((*above.shape[:axis], cache[axis], *above.shape[axis + 1 :]), above.dtype)
            for i, part in enumerate(self._parts(axis, cache)):
                share = above[_along(axis, slice(i, i + 1))] / above.dtype.type(part.stop - part.start)
                gradient[_along(axis, part)] += share
        return gradient.astype(grad_output.dtype, copy=False), {}

    def _parts(self, axis: int, shape: tuple[int, ...]) -> list[slice]:
        n, o = shape[axis], self._size[axis - 2]
        return [slice(i * n // o, -(-(i + 1) * n // o)) for i in range(o)]

    @property
    def _size(self) -> tuple[int, int]:
        size: tuple[int, int] = self.output_size  # type: ignore[assignment]
        return size


def _along(axis: int, part: slice) -> tuple[slice, ...]:
    return (*(slice(None),) * axis, part)


def _wide(x: Array) -> np.dtype:
    """Return the dtype to add up in: that of `x`, or float32 where it is narrower."""
    return np.result_type(x.dtype, np.float32)


def _require_maps(x: Array) -> None:
    require_shape("x", x, ("N", "C", "H", "W"))
    if 0 in x.shape[2:]:
        raise ShapeError(f"expected maps of at least one entry, got shape={x.shape}")
