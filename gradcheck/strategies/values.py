"""Value regimes: the kinds of numbers that faults need in order to show."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

Regime: TypeAlias = Literal["normal", "integers", "zeros", "near_ties", "large", "tiny", "offset"]
REGIMES: tuple[Regime, ...] = get_args(Regime)


def values(regime: Regime, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return an array of that shape whose entries follow the regime.

    Parameters
    ----------
    regime : str
        ``"normal"``: N(0, 1). ``"integers"``: -2 … 2, so that ties and zeros abound. ``"zeros"``: N(0, 1) with about
        a third of the entries exactly zero, the first row among them. ``"near_ties"``: the integers, apart by
        gaps of order 1e-4. ``"large"``: N(0, 1)·1e3. ``"tiny"``: N(0, 1)·1e-4. ``"offset"``: 1e3 + N(0, 1).
    shape : tuple of int
    rng : numpy.random.Generator

    Examples
    --------
    >>> values("integers", (6,), np.random.default_rng(1))
    array([ 0.,  0.,  1.,  2., -2., -2.])
    """
    match regime:
        case "normal":
            return rng.standard_normal(shape)
        case "integers":
            return rng.integers(-2, 3, shape).astype(np.float64)
        case "zeros":
            array = np.where(rng.random(shape) < 1 / 3, 0.0, rng.standard_normal(shape))
            if array.ndim > 1 and array.shape[0] > 1:
                array[0] = 0.0
            return array
        case "near_ties":
            return rng.integers(-2, 3, shape) + 1e-4 * rng.standard_normal(shape)
        case "large":
            return 1e3 * rng.standard_normal(shape)
        case "tiny":
            return 1e-4 * rng.standard_normal(shape)
        case "offset":
            return 1e3 + rng.standard_normal(shape)
