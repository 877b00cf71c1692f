"""Other points in the domain of a subject, at which what its own point happens to hide can be seen."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradcheck.numeric.space import Space, Vector
from gradcheck.subject import Array

#: An entry that is moved in value goes between these shares of the way to the other value.
_LEAST, _MOST = 1 / 8, 1 / 4
#: Multiples of this, modulo 1, are spread evenly, and no two are equal.
_GOLDEN = (5**0.5 - 1) / 2


def other_points(space: Space, point: Vector) -> Iterator[Vector]:
    """Yield other points; each is likely to lie in the domain, the last one most.

    The entries of each array are moved along by one place, which keeps them within any bounds that they have
    together. A special array (ones, zeros, the identity, equal rows), at which factors and terms cannot be seen, would
    stay special, and is first moved in value.
    """
    off, along = np.empty_like(point), np.empty_like(point)
    for part in space:
        array = point[part.slice].reshape(part.shape)
        along[part.start], along[part.start + 1 : part.stop] = point[part.stop - 1], point[part.start : part.stop - 1]
        off[part.slice] = along[part.slice] if not _is_special(array) else _off(array).reshape(-1)
    yield space.round(off)
    if not np.array_equal(along, off):
        yield space.round(along)


def _is_special(array: Array) -> bool:
    """Whether an array holds two values at most, or is the same all along an axis."""
    low, high = array.min(), array.max()
    two_values = array.size != 2 and bool(((array == low) | (array == high)).all())
    return low == high or two_values or _repeats(array)


def _repeats(array: Array) -> bool:
    return any(length > 1 and bool((array == array.take([0], axis)).all()) for axis, length in enumerate(array.shape))


def _off(array: Array) -> Array:
    """Move each entry part of the way: to the other one of two values, to 0 from others, and from 0 to 1."""
    low, high = array.min(), array.max()
    between = np.arange(1, array.size + 1).reshape(array.shape) * _GOLDEN % 1
    share = _LEAST + (_MOST - _LEAST) * between
    if low == high or _repeats(array):
        other = np.where(array == 0, 1.0, 0.0) if low == high else 0.0
    else:
        other = low + high - array
    return array + share * (other - array)
