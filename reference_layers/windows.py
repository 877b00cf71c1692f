"""Windows over lines, images and volumes: output sizes, padding, the strided view, and its adjoint, the scatter-add."""

from __future__ import annotations

from functools import lru_cache
from itertools import product, repeat
from operator import add, mul, sub
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import as_strided

from reference_layers.layer import AXES, COUNTS, Array, ShapeError, is_int

Sizes: TypeAlias = tuple[int, ...]
#: Padding in numbers: the two ends of the first axis of space, then those of the next.
Sides: TypeAlias = tuple[int, ...]
Padding: TypeAlias = int | tuple[int, ...] | str

WORDS = ("valid", "same")
_ENDS = {
    1: "two ints (before, after)",
    2: "four ints (top, bottom, left, right)",
    3: "six ints (front, back, top, bottom, left, right)",
}


class Spatial:
    """A layer over `rank` axes of space; `padding_words` may stand for its padding."""

    rank: ClassVar[int]
    padding_words: ClassVar[tuple[str, ...]] = WORDS


def normal_padding(padding: Any, rank: int = 2, words: tuple[str, ...] = WORDS) -> Sides | str:
    """Return padding as two ints per axis of space, or one of the words "valid" and "same".

    Parameters
    ----------
    padding : int, one int per axis, two ints per axis, "valid" or "same"
        For images an int for all sides, a pair (height, width), or (top, bottom, left, right).
    rank : int
        Number of axes of space.
    words : tuple of str
        The words that may be used.

    Raises
    ------
    ValueError
        If it is none of these, or negative.

    Examples
    --------
    >>> normal_padding(1), normal_padding((1, 2)), normal_padding((0, 1, 2, 3))
    ((1, 1, 1, 1), (1, 1, 2, 2), (0, 1, 2, 3))
    >>> normal_padding(1, rank=1), normal_padding((0, 1), rank=1)
    ((1, 1), (0, 1))
    """
    if isinstance(padding, str) and padding in words:
        return padding
    numbers = (padding,) * rank if is_int(padding) else padding
    if not (isinstance(numbers, tuple | list) and len(numbers) in (rank, 2 * rank) and all(map(is_int, numbers))):
        raise ValueError(f"expected padding to be {_forms(rank, words)}, got padding={padding!r}")
    if min(numbers) < 0:
        raise ValueError(f"expected padding to be at least 0, got padding={padding!r}")
    if len(numbers) == rank:
        numbers = tuple(number for number in numbers for _ in range(2))
    return tuple(map(int, numbers))


def _forms(rank: int, words: tuple[str, ...]) -> str:
    per_axis = [f"{COUNTS[rank]} ({', '.join(AXES[rank])})"] if rank > 1 else []
    forms = ["an int", *per_axis, _ENDS[rank], *map(repr, words)]
    return f"{', '.join(forms[:-1])} or {forms[-1]}"


def sides(padding: Sides | str, size: Sizes, kernel: Sizes, stride: Sizes, dilation: Sizes | None = None) -> Sides:
    """Return the padding in numbers, for an input of that size.

    "valid" is none. "same" makes the output ``ceil(size / stride)``; an odd one goes to the end.

    Examples
    --------
    >>> sides("same", (5, 6), (3, 4), (1, 2))
    (1, 1, 1, 1)
    """
    if not isinstance(padding, str):
        return padding
    if padding == "valid":
        return (0, 0) * len(size)
    totals = [
        max((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, 0)
        for n, k, s, d in zip(size, kernel, stride, dilation or _ones(size), strict=True)
    ]
    return tuple(end for total in totals for end in (total // 2, total - total // 2))


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


def require_fit(size: Sizes, kernel: Sizes, stride: Sizes, around: Sides, dilation: Sizes) -> None:
    """Refuse an input that, with that padding, is too small for a window along some axis.

    Raises
    ------
    ShapeError
        The message shows the size without padding, which is what a caller knows.
    """
    for n, k, s, before, after, d in zip(size, kernel, stride, around[::2], around[1::2], dilation, strict=True):
        output_size(n, k, s, before + after, d)


def overhang(size: int, kernel: int, stride: int, around: tuple[int, int], dilation: int = 1) -> int:
    """Return how far the last window of "ceil mode" reaches beyond the padded input.

    Ceil mode has one more window where the stride leaves a remainder, unless that window would start behind the
    input, in the padding of the end.

    Parameters
    ----------
    size, kernel, stride, dilation : int
    around : pair of int
        Padding of both ends.

    Examples
    --------
    Windows of 3 by steps of 2 over six entries: the third starts at the fifth entry and reaches over one that is
    not there. With a step of 3 and padding of 1 at the end, the third would start in that padding.

    >>> overhang(6, 3, 2, (0, 0)), overhang(6, 3, 3, (0, 1))
    (1, 0)
    """
    slack = size + sum(around) - dilation * (kernel - 1) - 1
    last = -(-slack // stride) * stride
    return last - slack if 0 <= last < size + around[0] else 0


def tap_counts(size: int, kernel: int, stride: int, number: int, before: int = 0, dilation: int = 1) -> Array:
    """Return how many taps of each of `number` windows along an axis meet one of its `size` entries.

    Examples
    --------
    >>> tap_counts(4, kernel=3, stride=2, number=3, before=1).tolist()
    [2, 3, 1]
    """
    taps = np.arange(number)[:, None] * stride - before + np.arange(kernel) * dilation
    counts: Array = ((taps >= 0) & (taps < size)).sum(axis=1)
    return counts


def pad(x: Array, around: Sides, value: float = 0.0) -> Array:
    """Return a copy of `x` (N, C, …) with a border of `value` around its axes of space; `x` itself without one."""
    if not any(around):
        return x
    begins, ends, space = around[::2], around[1::2], x.shape[2:]
    inner = tuple(map(slice, begins, map(add, begins, space)))
    shape = (*x.shape[:2], *map(add, map(add, begins, space), ends))
    padded = np.zeros(shape, x.dtype) if value == 0.0 else np.full(shape, value, x.dtype)
    padded[:, :, *inner] = x
    return padded


def crop(x: Array, around: Sides) -> Array:
    """Cut a border off: the adjoint of `pad`. A view; `x` itself without one."""
    if not any(around):
        return x
    inner: Array = x[:, :, *map(slice, around[::2], map(sub, x.shape[2:], around[1::2]))]
    return inner


def windows(x: Array, kernel: Sizes, stride: Sizes, dilation: Sizes | None = None) -> Array:
    """Return all windows of `x` (N, C, …) as a read-only view, of images (N, C, kh, kw, oh, ow).

    Entry ``[n, c, a, b, i, j]`` is ``x[n, c, i·stride + a·dilation, j·stride + b·dilation]``; with one axis of space,
    or three, likewise.
    """
    spread = dilation or _ones(kernel)
    steps = x.strides[2:]
    shape = (*x.shape[:2], *kernel, *map(output_size, x.shape[2:], kernel, stride, repeat(0), spread))
    strides = (*x.strides[:2], *map(mul, steps, spread), *map(mul, steps, stride))
    return as_strided(x, shape, strides, writeable=False)


def scatter(columns: Array, size: Sizes, stride: Sizes, dilation: Sizes | None = None) -> Array:
    """Add windows, for images (N, C, kh, kw, oh, ow), back to where they came from: the adjoint of `windows`.

    Overlapping windows add up. The loop runs over the taps of the kernel only; all positions of one tap are
    different entries, which makes the slice assignment safe.

    Parameters
    ----------
    columns : ndarray, shape (N, C, kernel…, output…)
    size : tuple of int
        Of the (padded) input's axes of space.
    stride, dilation : tuple of int
    """
    rank = len(size)
    image = np.zeros((*columns.shape[:2], *size), columns.dtype)
    kernel, places = columns.shape[2 : 2 + rank], columns.shape[2 + rank :]
    for tap, place in _tap_places(kernel, places, stride, dilation or _ones(size)):
        image[place] += columns[tap]
    return image


@lru_cache(maxsize=256)
def _tap_places(kernel: Sizes, places: Sizes, stride: Sizes, dilation: Sizes) -> tuple[tuple[Any, Any], ...]:
    """Return the index of each tap among the windows, and that of the entries it meets in the input."""
    axes = zip(kernel, places, stride, dilation, strict=True)
    slices = [[slice(a * d, a * d + s * n, s) for a in range(k)] for k, n, s, d in axes]
    every = slice(None)
    pairs = zip(product(*map(range, kernel)), product(*slices), strict=True)
    return tuple(((every, every, *tap), (every, every, *place)) for tap, place in pairs)


def _ones(sizes: Sizes) -> Sizes:
    return (1,) * len(sizes)
