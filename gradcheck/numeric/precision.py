"""Every number that depends on a dtype, in one table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Precision:
    """What differences in one floating dtype can do.

    Attributes
    ----------
    dtype : numpy.dtype
    trait : str
        Name of the trait by which a subject declares that it computes in this lower dtype; empty for float64.
    unit : float
        Unit roundoff u: the relative error of one rounding, 2^-53, 2^-24, 2^-11.
    analytic_tolerance : float
        Relative error that an analytic projection may have before it is looked at more closely.
    first_step : float
        Where a ladder of steps begins, relative to the size of a primal: as large as the truncation error allows.
    most_rungs : int
        Steps of the longest ladder. In a low precision the smallest of many steps hold rounding alone.
    kink_share : float
        A slope whose non-smooth part exceeds this share of the typical slope is not used.
    change_per_error : float
        The change of a slope from one step to the next, as a multiple of the truncation error that it stands for.
    allowed : float
        An error bar above this share of the projection's scale tells nothing.
    entry_step : float
        Relative step for single entries, near the optimum of truncation and rounding.
    one_sided_step : float
        The same for one-sided slopes: small, since kinks beside the point must stay outside.
    same : float
        Relative difference, as a multiple of u, up to which values are the same without a second look.
    small, large : float
        Factors of small and large cotangents: powers of two, with which an honest pullback is exact.
    """

    dtype: np.dtype[Any]
    trait: str
    unit: float
    analytic_tolerance: float
    first_step: float
    most_rungs: int
    kink_share: float
    change_per_error: float
    allowed: float
    entry_step: float
    one_sided_step: float
    same: float
    small: float
    large: float


DOUBLE = Precision(
    dtype=np.dtype(np.float64),
    trait="",
    unit=2.0**-53,
    analytic_tolerance=1e-7,
    first_step=1e-3,
    most_rungs=12,
    kink_share=1e-5,
    # A third of the change is five times the truncation error of a difference that converges as h², and the error of
    # one that converges as h only, where the second derivative jumps (ELU at 0).
    change_per_error=3,
    allowed=1e-3,
    entry_step=1e-5,
    one_sided_step=1e-6,
    same=2.0**10,
    small=2.0**-30,
    large=2.0**30,
)
SINGLE = Precision(
    dtype=np.dtype(np.float32),
    trait="single-precision",
    unit=2.0**-24,
    analytic_tolerance=2e-5,
    first_step=2e-2,
    most_rungs=9,
    kink_share=1e-2,
    # The large steps of a low precision cross kinks that are too many to tell apart.
    change_per_error=2,
    allowed=5e-2,
    entry_step=1e-2,
    one_sided_step=1e-3,
    same=2.0**7,
    small=2.0**-12,
    large=2.0**12,
)
HALF = Precision(
    dtype=np.dtype(np.float16),
    trait="half-precision",
    unit=2.0**-11,
    analytic_tolerance=5e-2,
    first_step=1e-1,
    most_rungs=9,
    kink_share=5e-2,
    change_per_error=2,
    allowed=3e-1,
    entry_step=1e-1,
    one_sided_step=5e-2,
    same=2.0**4,
    small=2.0**-3,
    large=2.0**3,
)

#: From the finest to the coarsest.
PRECISIONS = (DOUBLE, SINGLE, HALF)
#: Names of the dtypes that primals may have.
DTYPES = tuple(precision.dtype.name for precision in PRECISIONS)


def precision_of(dtype: np.dtype[Any]) -> Precision:
    """Return the row of the table for `dtype`."""
    return next(precision for precision in PRECISIONS if precision.dtype == dtype)


def coarsest(dtypes: Iterable[np.dtype[Any]]) -> Precision:
    """Return the precision with the largest roundoff among those of some dtypes."""
    return max(map(precision_of, dtypes), key=lambda precision: precision.unit)
