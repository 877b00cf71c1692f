"""Directions along which a function is differenced, and the weights with which its outputs are summed."""

from __future__ import annotations

import numpy as np

from gradcheck.numeric.space import Space, Vector, rms

#: Root mean square of the magnitudes of `signed_random`: √(7/3).
TYPICAL_MAGNITUDE = 1.5275


#: Entries that are drawn at a time; a multiple of 4.
_BLOCK = 2**16


def signed_random(size: int, rng: np.random.Generator) -> Vector:
    """Return entries ±(1 + U), U uniform on a grid of 2^15 points between 0 and 1.

    Both signs, and magnitudes bounded away from zero: no entry can hide, and two errors cannot cancel by symmetry.

    Examples
    --------
    >>> entries = signed_random(1000, np.random.default_rng(0))
    >>> bool(abs(entries).min() >= 1), bool(abs(entries).max() <= 2), bool((entries < 0).any())
    (True, True, True)
    """
    # Sixteen random bits an entry are enough, and cost a quarter of a random float64. The grid's spacing is no
    # power of two, so that the entries use all bits of a float64 and no product with them is exact by chance.
    entries = np.empty(size)
    for start in range(0, size, _BLOCK):
        block = entries[start : start + _BLOCK]
        bits = np.asarray(rng.bit_generator.random_raw(-(-block.size // 4)), dtype=np.uint64)
        block[...] = bits.view(np.int16)[: block.size]
        block += 0.5
        block *= 1 / 32768.1
        block += np.copysign(1.0, block)
    return entries


def scales(space: Space, point: Vector) -> Vector:
    """Return for each array of the space its root mean square, or 1 where that is zero or not finite."""
    result = np.empty(len(space.parts))
    for k, part in enumerate(space.parts):
        size = rms(point[part.slice])
        result[k] = size if 0.0 < size < np.inf else 1.0
    return result


def scaled(space: Space, entries: Vector, factors: Vector) -> Vector:
    """Multiply the entries of each array by its factor, in place, and return them."""
    for part, factor in zip(space.parts, factors, strict=True):
        entries[part.slice] *= factor
    return entries


def shortened(space: Space, entries: Vector, point: Vector, sizes: Vector, reach: float) -> Vector:
    """Multiply the entries by the share of the size of its array that `reach` times itself is, in place; return them.

    Entries of the point that are zero, or larger than ``size / reach``, have the whole share.
    """
    for part, size in zip(space.parts, sizes, strict=True):
        for start in range(part.start, part.stop, _BLOCK):
            block = slice(start, min(start + _BLOCK, part.stop))
            shares = np.abs(point[block])
            shares /= size
            shares *= reach
            shares[point[block] == 0.0] = 1.0
            entries[block] *= np.minimum(shares, 1.0, out=shares)
    return entries


def random_tangent(space: Space, factors: Vector, rng: np.random.Generator) -> Vector:
    """Return a tangent that moves every entry, by 1 to 2 times the scale of its array (`factors`, see `scales`)."""
    return scaled(space, signed_random(space.size, rng), factors)


def rounded_anew(space: Space, vector: Vector, unit: float, rng: np.random.Generator) -> Vector:
    """Return a vector whose entries are off by up to two units of roundoff, rounded to the dtypes of the space."""
    return space.round(vector * (1 + 2 * unit * rng.uniform(-1, 1, vector.size)))
