"""What repeated calls of a backward do to a gradient that is kept between them: added to, or assigned anew."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from gradcheck.subject import Array


def is_added_to(before: Any, once: Any, twice: Any) -> bool:
    """Whether each of two equal calls added the same to a gradient, that is not zero.

    Examples
    --------
    >>> is_added_to(np.zeros(2), np.array([1.0, 3.0]), np.array([2.0, 6.0]))
    True
    """
    step = np.asarray(twice) - once
    return bool(np.any(step)) and _are_close(step, np.asarray(once) - before)


def is_assigned(once: Any, twice: Any) -> bool:
    """Whether a gradient that is not zero is the same after a second equal call."""
    return bool(np.any(once)) and _are_close(np.asarray(twice), np.asarray(once))


def clear(gradients: Iterable[Any]) -> None:
    """Set to zero what is added to; what a layer has not made yet is passed over."""
    for gradient in gradients:
        if isinstance(gradient, np.ndarray):
            gradient[...] = 0


def _are_close(one: Array, other: Array) -> bool:
    """Whether two gradients differ by rounding alone, in float16 as well."""
    return one.shape == other.shape and bool(np.linalg.norm(one - other) <= 1e-3 * np.linalg.norm(other))
