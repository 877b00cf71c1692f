"""Windows over images: output sizes, padding, the strided view, and its adjoint, the scatter-add."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import as_strided

from reference_layers.layer import Array, ShapeError, is_int

Sides: TypeAlias = tuple[int, int, int, int]
Padding: TypeAlias = int | tuple[int, int] | Sides | str

_WORDS = ("valid", "same")
_FORMS = "an int, a pair (height, width), four ints (top, bottom, left, right), 'valid' or 'same'"


def normal_padding(padding: Any) -> Sides | str:
    """Return padding as (top, bottom, left, right), or one of the words "valid" and "same".

    Parameters
    ----------
    padding : int, pair, four ints, "valid" or "same"
        An int for all sides, a pair (height, width), or (top, bottom, left, right).

    Raises
    ------
    ValueError
        If it is none of these, or negative.

    Examples
    --------
    >>> normal_padding(1), normal_padding((1, 2)), normal_padding((0, 1, 2, 3))
    ((1, 1, 1, 1), (1, 1, 2, 2), (0, 1, 2, 3))
    """
    if isinstance(padding, str) and padding in _WORDS:
        return padding
    numbers = (padding, padding) if is_int(padding) else padding
    if not (isinstance(numbers, tuple | list) and len(numbers) in (2, 4) and all(map(is_int, numbers))):
        raise ValueError(f"expected padding to be {_FORMS}, got padding={padding!r}")
    if min(numbers) < 0:
        raise ValueError(f"expected padding to be at least 0, got padding={padding!r}")
    if len(numbers) == 2:
        numbers = (numbers[0], numbers[0], numbers[1], numbers[1])
    top, bottom, left, right = map(int, numbers)
    return top, bottom, left, right


def sides(
    padding: Sides | str,
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int] = (1, 1),
) -> Sides:
    """Return the padding in numbers, for an image of that size.

    "valid" is none. "same" makes the output ``ceil(size / stride)``; an odd one goes to the end.

    Examples
    --------
    >>> sides("same", (5, 6), (3, 4), (1, 2))
    (1, 1, 1, 1)
    """
    if not isinstance(padding, str):
        return padding
    if padding == "valid":
        return 0, 0, 0, 0
    totals = [
        max((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, 0)
        for n, k, s, d in zip(size, kernel, stride, dilation, strict=True)
    ]
    return totals[0] // 2, totals[0] - totals[0] // 2, totals[1] // 2, totals[1] - totals[1] // 2


def output_size(size: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    """Return how many windows fit along an axis: ``(size + padding - dilation·(kernel - 1) - 1) // stride + 1``.

    Parameters
    ----------
    size, kernel, stride, dilation : int
    padding : int
        Of both ends together.

    Raises
    ------
    ShapeError
        If not even one window fits.

    Examples
    --------
    The sizes of the five-layer network: 28 → 24 → 12 → 8 → 4.

    >>> output_size(28, 5), output_size(24, 2, stride=2), output_size(12, 5), output_size(8, 2, stride=2)
    (24, 12, 8, 4)
    """
    reach = dilation * (kernel - 1) + 1
    if reach > size + padding:
        raise ShapeError(
            f"expected a window that fits into the padded input, got kernel_size={kernel} with dilation={dilation}, "
            f"which reaches over {reach}, for size={size} with padding={padding}; it fits from a size of "
            f"{reach - padding} on"
        )
    return (size + padding - reach) // stride + 1


def pad(x: Array, around: Sides, value: float = 0.0) -> Array:
    """Return a copy of images (N, C, H, W) with a border of `value`; `x` itself where there is none."""
    top, bottom, left, right = around
    if around == (0, 0, 0, 0):
        return x
    n, c, height, width = x.shape
    shape = (n, c, height + top + bottom, width + left + right)
    padded = np.zeros(shape, x.dtype) if value == 0.0 else np.full(shape, value, x.dtype)
    padded[:, :, top : top + height, left : left + width] = x
    return padded


def crop(x: Array, around: Sides) -> Array:
    """Cut a border off: the adjoint of `pad`. A view."""
    top, bottom, left, right = around
    return x[:, :, top : x.shape[2] - bottom, left : x.shape[3] - right]


def windows(x: Array, kernel: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int] = (1, 1)) -> Array:
    """Return all windows of images (N, C, H, W) as a read-only view (N, C, kh, kw, oh, ow).

    Entry ``[n, c, a, b, i, j]`` is ``x[n, c, i·stride + a·dilation, j·stride + b·dilation]``.
    """
    n, c, height, width = x.shape
    sn, sc, sh, sw = x.strides
    rows = output_size(height, kernel[0], stride[0], 0, dilation[0])
    columns = output_size(width, kernel[1], stride[1], 0, dilation[1])
    shape = (n, c, *kernel, rows, columns)
    strides = (sn, sc, sh * dilation[0], sw * dilation[1], sh * stride[0], sw * stride[1])
    return as_strided(x, shape, strides, writeable=False)


def scatter(
    columns: Array, size: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int] = (1, 1)
) -> Array:
    """Add windows (N, C, kh, kw, oh, ow) back to where they came from: the adjoint of `windows`.

    Overlapping windows add up. The loop runs over the taps of the kernel only; all positions of one tap are
    different entries, which makes the slice assignment safe.

    Parameters
    ----------
    columns : ndarray, shape (N, C, kh, kw, oh, ow)
    size : pair of int
        Height and width of the (padded) image.
    stride, dilation : pair of int
    """
    n, c, kernel_rows, kernel_columns, rows, cols = columns.shape
    image = np.zeros((n, c, *size), columns.dtype)
    for a in range(kernel_rows):
        top = a * dilation[0]
        for b in range(kernel_columns):
            left = b * dilation[1]
            image[:, :, top : top + stride[0] * rows : stride[0], left : left + stride[1] * cols : stride[1]] += (
                columns[:, :, a, b]
            )
    return image
