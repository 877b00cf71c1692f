"""Pooling of images: the maximum or the mean of each window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from reference_layers.layer import Array, Params, pair, require_shape
from reference_layers.windows import Padding, Sides, crop, normal_padding, pad, scatter, sides, windows


class PoolCache(NamedTuple):
    """What the backward passes of pooling layers need: sizes, and for maxima which tap of a window won."""

    padded_size: tuple[int, int]
    around: Sides
    output_shape: tuple[int, ...]
    winner: Array | None = None


@dataclass(frozen=True)
class _Pool2d:
    """Windows of a pooling layer.

    Parameters
    ----------
    kernel_size : int or pair of int
    stride : int or pair of int, optional
        Default: the kernel size, which makes windows lie side by side.
    padding : int, pair of int or four ints
        Smaller than the kernel, so that no window lies wholly in the border.

    Raises
    ------
    ValueError
        If a hyper-parameter is impossible; the message shows its value.
    """

    kernel_size: int | tuple[int, int]
    stride: int | tuple[int, int] | None = None
    padding: Padding = 0

    def __post_init__(self) -> None:
        kernel = pair("kernel_size", self.kernel_size)
        object.__setattr__(self, "kernel_size", kernel)
        object.__setattr__(self, "stride", kernel if self.stride is None else pair("stride", self.stride))
        around = normal_padding(self.padding)
        object.__setattr__(self, "padding", around)
        if not isinstance(around, str) and (max(around[:2]) >= kernel[0] or max(around[2:]) >= kernel[1]):
            raise ValueError(
                f"expected padding smaller than the kernel, got padding={around} and kernel_size={kernel}; "
                f"up to {(kernel[0] - 1, kernel[1] - 1)} works"
            )

    def init(self, rng: np.random.Generator) -> Params:  # noqa: ARG002 - every layer has this signature
        """Return no parameters."""
        return {}

    def _view(self, x: Array, border: float) -> tuple[Array, Sides, tuple[int, int]]:
        require_shape("x", x, ("N", "C", "H", "W"))
        around = sides(self.padding, (x.shape[2], x.shape[3]), self._kernel, self._stride)  # type: ignore[arg-type]
        padded = pad(x, around, border)
        return windows(padded, self._kernel, self._stride), around, (padded.shape[2], padded.shape[3])

    def _scatter(self, taps: Array, cache: PoolCache) -> Array:
        return np.ascontiguousarray(crop(scatter(taps, cache.padded_size, self._stride), cache.around))

    @property
    def _kernel(self) -> tuple[int, int]:
        kernel: tuple[int, int] = self.kernel_size  # type: ignore[assignment]
        return kernel

    @property
    def _stride(self) -> tuple[int, int]:
        stride: tuple[int, int] = self.stride  # type: ignore[assignment]
        return stride


@dataclass(frozen=True)
class MaxPool2d(_Pool2d):
    """Maximum of each window.

    Parameters
    ----------
    kernel_size : int or pair of int
    stride : int or pair of int, optional
        Default: the kernel size. A smaller one makes windows overlap.
    padding : int, pair of int or four ints
        A border that never wins.

    Notes
    -----
    The gradient of a window goes to its maximum, to the first one in row-major order where several are tied; where
    windows overlap their gradients add up. The border is −inf: in a window that holds nothing greater it is tied like
    any other entry. x (N, C, H, W) → y (N, C, oh, ow).

    References
    ----------
    The gradient goes where the maximum was: the article on the five-layer network, see ``docs/design.md``; ties,
    padding and overlapping windows are derived here.

    Examples
    --------
    >>> layer = MaxPool2d(2)
    >>> y, cache = layer.forward({}, np.array([[[[9.0, 1.0], [3.0, 9.0]]]]))
    >>> layer.backward({}, cache, np.array([[[[5.0]]]]))[0][0, 0].tolist()
    [[5.0, 0.0], [0.0, 0.0]]
    """

    def forward(self, params: Params, x: Array) -> tuple[Array, PoolCache]:  # noqa: ARG002
        """Return the maxima and which tap of each window won."""
        view, around, size = self._view(x, -np.inf)
        n, c, kernel_rows, kernel_columns, rows, columns = view.shape
        flat = view.reshape(n, c, kernel_rows * kernel_columns, rows, columns)
        winner = flat.argmax(axis=2)
        y = np.take_along_axis(flat, winner[:, :, None], axis=2)[:, :, 0]
        return y, PoolCache(size, around, y.shape, winner)

    def backward(self, params: Params, cache: PoolCache, grad_output: Array) -> tuple[Array, Params]:  # noqa: ARG002
        """Return the gradient of the input; there are no parameters."""
        require_shape("grad_output", grad_output, cache.output_shape)
        n, c, rows, columns = cache.output_shape
        taps = np.arange(self._kernel[0] * self._kernel[1])[:, None, None]
        winner: Array = cache.winner  # type: ignore[assignment]
        routed = np.where(winner[:, :, None] == taps, grad_output[:, :, None], grad_output.dtype.type(0))
        return self._scatter(routed.reshape(n, c, *self._kernel, rows, columns), cache), {}


@dataclass(frozen=True)
class AvgPool2d(_Pool2d):
    """Mean of each window.

    Parameters
    ----------
    kernel_size : int or pair of int
    stride : int or pair of int, optional
        Default: the kernel size. A smaller one makes windows overlap.
    padding : int, pair of int or four ints
        A border of zeros, which counts: the divisor is always ``kh·kw``.

    Notes
    -----
    The gradient of a window is spread evenly over it, ``g/(kh·kw)`` to each entry; where windows overlap their
    gradients add up. The mean of float16 is added up in float32, so that it does not overflow. x (N, C, H, W) →
    y (N, C, oh, ow).

    References
    ----------
    A quarter to each entry of a 2×2 window: the article on the five-layer network, see ``docs/design.md``; padding
    and overlapping windows are derived here.

    Examples
    --------
    >>> layer = AvgPool2d(2)
    >>> y, cache = layer.forward({}, np.array([[[[1.0, 2.0], [3.0, 6.0]]]]))
    >>> y.item(), layer.backward({}, cache, np.array([[[[5.0]]]]))[0][0, 0].tolist()
    (3.0, [[1.25, 1.25], [1.25, 1.25]])
    """

    def forward(self, params: Params, x: Array) -> tuple[Array, PoolCache]:  # noqa: ARG002
        """Return the means and what `backward` needs."""
        view, around, size = self._view(x, 0.0)
        y = view.mean(axis=(2, 3))
        return y, PoolCache(size, around, y.shape)

    def backward(self, params: Params, cache: PoolCache, grad_output: Array) -> tuple[Array, Params]:  # noqa: ARG002
        """Return the gradient of the input; there are no parameters."""
        require_shape("grad_output", grad_output, cache.output_shape)
        n, c, rows, columns = cache.output_shape
        share = grad_output / grad_output.dtype.type(self._kernel[0] * self._kernel[1])
        taps = np.broadcast_to(share[:, :, None, None], (n, c, *self._kernel, rows, columns))
        return self._scatter(taps, cache), {}
