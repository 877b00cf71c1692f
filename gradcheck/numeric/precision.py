"""Every number that depends on a dtype, in one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Precision:
    """What differences in one floating dtype can do.

    Attributes
    ----------
    dtype : numpy.dtype
    unit : float
        Unit roundoff u: the relative error of one rounding, 2^-53, 2^-24, 2^-11.
    analytic_tolerance : float
        Relative error that an analytic projection may have before it is looked at more closely.
    first_step : float
        Where a ladder of steps begins, relative to the size of a primal: as large as the truncation error allows.
    kink_share : float
        A slope whose non-smooth part exceeds this share of the typical slope is not used.
    allowed : float
        An error bar above this share of the projection's scale tells nothing.
    """

    dtype: np.dtype[Any]
    unit: float
    analytic_tolerance: float
    first_step: float
    kink_share: float
    allowed: float


DOUBLE = Precision(np.dtype(np.float64), 2.0**-53, 1e-7, 1e-3, 1e-5, 1e-3)
SINGLE = Precision(np.dtype(np.float32), 2.0**-24, 2e-5, 2e-2, 1e-2, 5e-2)
HALF = Precision(np.dtype(np.float16), 2.0**-11, 5e-2, 1e-1, 5e-2, 3e-1)

#: From the finest to the coarsest.
PRECISIONS = (DOUBLE, SINGLE, HALF)


def precision_of(dtype: np.dtype[Any]) -> Precision:
    """Return the row of the table for `dtype`."""
    return next(precision for precision in PRECISIONS if precision.dtype == dtype)
