"""Named arrays as one vector and back, so that everything below works on vectors."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Vector: TypeAlias = NDArray[np.float64]

#: A sum of squares below this may lack some that are too small for a float64.
_LEAST_SQUARE = 1e-280
#: The least that a float64 can be wrong by, however small it is.
SMALLEST = float(np.finfo(float).smallest_subnormal)


class Part(NamedTuple):
    """Where one named array lies in the vector: its entries are those from `start` to before `stop`."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    start: int
    stop: int
    size: int
    slice: slice


@dataclass(frozen=True, kw_only=True)
class Space:
    """The vectors that stand for a mapping of named arrays of fixed shapes and dtypes.

    Examples
    --------
    >>> space = Space.of({"x": np.zeros((2, 2)), "b": np.ones(1)})
    >>> space.size, space.join({"x": np.eye(2), "b": np.ones(1)}).tolist()
    (5, [1.0, 0.0, 0.0, 1.0, 1.0])
    >>> space.locate(2)
    ('x', (1, 0))
    """

    parts: tuple[Part, ...]

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]], dtype: np.dtype[Any] | None = None) -> Space:
        """Return the space of `arrays`, in their own dtypes or all in `dtype`."""
        parts, start = [], 0
        for name, array in arrays.items():
            stop = start + array.size
            parts.append(Part(name, array.shape, dtype or array.dtype, start, stop, array.size, slice(start, stop)))
            start = stop
        return cls(parts=tuple(parts))

    @property
    def size(self) -> int:
        """Number of entries of all arrays."""
        return self.parts[-1].stop

    def join(self, arrays: Mapping[str, NDArray[Any]]) -> Vector:
        """Return the arrays as one new float64 vector."""
        vector = np.empty(self.size)
        for part in self.parts:
            vector[part.slice] = arrays[part.name].reshape(-1)
        return vector

    def split(self, vector: Vector) -> dict[str, NDArray[Any]]:
        """Return the vector as named arrays: views of it where the dtype is float64."""
        return {
            part.name: view if part.dtype == vector.dtype else view.astype(part.dtype)
            for part in self.parts
            for view in [vector[part.slice].reshape(part.shape)]
        }

    def round(self, vector: Vector) -> Vector:
        """Return the vector as it is after rounding to the dtypes of the arrays; the same object for float64."""
        if all(part.dtype == np.float64 for part in self.parts):
            return vector
        rounded = np.empty_like(vector)
        for part in self.parts:
            rounded[part.slice] = vector[part.slice].astype(part.dtype)
        return rounded

    def part(self, name: str) -> Part:
        """Return where the array of that name lies."""
        return next(part for part in self.parts if part.name == name)

    def locate(self, position: int) -> tuple[str, tuple[int, ...]]:
        """Return the name and the index of one entry of the vector."""
        part = next(part for part in self.parts if position < part.stop)
        return part.name, tuple(int(i) for i in np.unravel_index(position - part.start, part.shape))

    def __iter__(self) -> Iterator[Part]:
        return iter(self.parts)


def norm(vector: Vector) -> float:
    """Return the Euclidean norm, also where the squares of the entries leave the range of a float64."""
    with np.errstate(over="ignore", under="ignore"):
        square = float(np.dot(vector, vector))
    if _LEAST_SQUARE < square < math.inf:
        return math.sqrt(square)
    largest = float(np.abs(vector).max(initial=0.0))
    if not 0.0 < largest < math.inf:
        return largest
    shares = vector / largest
    return largest * math.sqrt(np.dot(shares, shares))


def spread(draws: Sequence[Vector]) -> Vector:
    """Return the standard deviation of each entry over some draws, whatever its size."""
    rows = np.array(draws)
    largest = np.abs(rows).max(axis=0)
    sizes = np.where(largest > 0.0, largest, 1.0)
    return np.asarray(sizes * np.std(rows / sizes, axis=0, ddof=1))


def rms(vector: Vector) -> float:
    """Return the root mean square of the entries, 0 where there are none."""
    return norm(vector) / math.sqrt(vector.size) if vector.size else 0.0


def is_finite(vector: Vector) -> bool:
    """Whether every entry is finite."""
    # A sum of squares is cheaper than a look at each entry, and not finite if one of them is not.
    with np.errstate(over="ignore", under="ignore"):
        square = float(np.dot(vector, vector))
    return math.isfinite(square) or bool(np.isfinite(vector).all())
