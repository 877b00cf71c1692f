"""The plain ε-difference: the oracle that everybody can check by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def numeric_gradient(
    function: Callable[[NDArray[Any]], ArrayLike], x: NDArray[Any], epsilon: float = 1e-6
) -> NDArray[Any]:
    """Differentiate a scalar function entry by entry, with two evaluations per entry.

    Parameters
    ----------
    function : callable
        Takes an array like `x`, returns one number. Called ``2·x.size`` times, each time with a fresh copy.
    x : ndarray of floating dtype
        Where to differentiate. Not changed.
    epsilon : float
        Step, in units of `x`; positive.

    Returns
    -------
    ndarray
        ∂function/∂x, of the shape of `x`, in float64.

    Raises
    ------
    TypeError
        If `x` is not an array of floating dtype.
    ValueError
        If `epsilon` is not positive and finite, if it vanishes beside an entry of `x`, or if `function` does not
        return one number.

    Notes
    -----
    The central difference ``(f(x + ε e_i) - f(x - ε e_i)) / d_i``, where d_i is the distance between the two points
    after rounding. Its error is ``ε²·f'''/6`` from truncation and about ``u·|f|/ε`` from rounding, with u = 1.1e-16;
    at a kink it is the mean of the two one-sided slopes. It is exact for every ε where the function is linear or
    quadratic.

    References
    ----------
    "The derivative of a parameter by two evaluations of the objective, ε small": the articles that this project
    starts from, see ``docs/design.md``.

    Examples
    --------
    >>> numeric_gradient(lambda x: (x**2).sum(), np.array([1.0, -2.0]), epsilon=0.5).tolist()
    [2.0, -4.0]
    """
    _require_floating_array(x)
    if not (math.isfinite(epsilon) and epsilon > 0):
        raise ValueError(f"expected epsilon to be a positive finite number, got epsilon={epsilon!r}")
    gradient = np.empty(x.shape)
    for index in np.ndindex(x.shape):
        above, below = x.copy(), x.copy()
        above[index] += epsilon
        below[index] -= epsilon
        distance = float(above[index]) - float(below[index])
        if distance == 0:
            raise ValueError(
                f"expected a step that shows beside x[{index}] = {x[index]} in {x.dtype}, got epsilon={epsilon!r}; "
                f"{np.spacing(abs(x[index])) * 4:.1g} does"
            )
        gradient[index] = (_scalar(function(above)) - _scalar(function(below))) / distance
    return gradient


def _require_floating_array(x: object) -> None:
    if not isinstance(x, np.ndarray):
        raise TypeError(f"expected x to be an array of floating dtype, got x={x!r} ({type(x).__name__})")
    if not np.issubdtype(x.dtype, np.floating):
        raise TypeError(f"expected x to be an array of floating dtype, got dtype={x.dtype}; convert it first")


def _scalar(value: ArrayLike) -> float:
    array = np.asarray(value)
    if array.size != 1:
        raise ValueError(
            f"expected the function to return one number, got an array of shape {array.shape}; "
            f"weight its entries with a cotangent and sum them"
        )
    return float(array.reshape(()))
