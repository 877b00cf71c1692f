"""The same numbers in other memory layouts: what a layer gets when an array is a view of another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Layout: TypeAlias = Callable[[Array], Array]

#: What lies between the entries of a view: a number that shows where it is read in the place of another.
_BETWEEN = -1.25e3


def fortran(array: Array) -> Array:
    """Return the array with its first axis contiguous in memory."""
    return np.array(array, order="F")


def reversed_axes(array: Array) -> Array:
    """Return a view whose every stride is negative."""
    back = (slice(None, None, -1),) * array.ndim
    return np.ascontiguousarray(array[back]).reshape(array.shape)[back]


def step_sliced(array: Array) -> Array:
    """Return every other entry, along each axis, of a larger array of other numbers."""
    larger = np.full(tuple(2 * size for size in array.shape), _BETWEEN, array.dtype)
    every_other: tuple[Any, ...] = (slice(None, None, 2),) * array.ndim
    view = larger[(*every_other, ...)]
    view[...] = array
    return view


def offset_view(array: Array) -> Array:
    """Return a contiguous view that begins one entry after the start of its buffer."""
    larger = np.full(array.size + 2, _BETWEEN, array.dtype)
    view = larger[1:-1].reshape(array.shape)
    view[...] = array
    return view


def rolled_axes(array: Array) -> Array:
    """Return a view of an array that holds the second axis last, as images with channels last do."""
    if array.ndim < 3:
        return np.array(array.T, order="C").T
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 1, -1)), -1, 1)


def step_sliced_backwards(array: Array) -> Array:
    """Return every other entry, along each axis from its end, of a larger array of other numbers."""
    back = (slice(None, None, -1),) * array.ndim
    return step_sliced(array[back])[back]


def read_only(array: Array) -> Array:
    """Return a copy that cannot be written to."""
    copy = np.array(array)
    copy.flags.writeable = False
    return copy


def repeated(array: Array) -> Array:
    """Return a view with stride 0 along the first axis: its first entry there, as often as the axis is long.

    This layout alone changes the numbers (unless they were all the same along that axis); it cannot be written to.
    """
    return np.broadcast_to(array[:1].copy(), array.shape) if array.ndim else np.broadcast_to(array.copy(), ())


#: Layouts that keep the numbers of an array, by name.
LAYOUTS: Mapping[str, Layout] = MappingProxyType(
    {
        "Fortran": fortran,
        "reversed": reversed_axes,
        "step-sliced": step_sliced,
        "offset view": offset_view,
        "transposed view": rolled_axes,
    }
)
