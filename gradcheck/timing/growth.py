"""How a cost grows: the exponent of a power law, and how far it can be trusted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

#: 97.5 % quantiles of Student's t for 1, 2, … degrees of freedom; the last serves for more, which errs on the safe
#: side. From the table of critical values in the NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2.
_T = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
)


class Exponent(NamedTuple):
    """The exponent of a power law, and its 95 % confidence interval, where there is one."""

    value: float
    low: float | None
    high: float | None


def student_t(freedom: int) -> float:
    """Return the 97.5 % quantile of Student's t: 95 % of the distribution lie between it and its negative.

    Examples
    --------
    >>> student_t(3)
    3.182
    """
    return _T[min(freedom, len(_T)) - 1]


def power_law(sizes: Sequence[float], costs: Sequence[float]) -> Exponent:
    """Fit ``cost ∝ size^p`` by a straight line through the logarithms.

    Parameters
    ----------
    sizes, costs : sequence of float
        Positive, at least two different sizes.

    Returns
    -------
    Exponent
        p, and its confidence interval by Student's t with two degrees of freedom less than there are points; none for
        two points.

    Examples
    --------
    >>> power_law([1, 2, 4], [3, 12, 48])
    Exponent(value=2.0, low=2.0, high=2.0)
    >>> power_law([1, 4], [1, 2])
    Exponent(value=0.5, low=None, high=None)
    """
    x, y = np.log(sizes), np.log(costs)
    x, y = x - x.mean(), y - y.mean()
    slope = round(float(x @ y / (x @ x)), 12) + 0.0  # the logarithms are no more exact than that
    freedom = len(x) - 2
    if freedom < 1:
        return Exponent(slope, None, None)
    rest = y - slope * x
    half = student_t(freedom) * math.sqrt(float(rest @ rest) / freedom / float(x @ x))
    return Exponent(slope, round(slope - half, 12) + 0.0, round(slope + half, 12) + 0.0)
