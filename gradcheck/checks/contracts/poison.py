"""Fresh memory that holds numbers which nobody meant: what is never written shows them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

#: Numbers that fresh memory is filled with: within the range of float16, and found in no layer.
POISON, OTHER_POISON = 1.2345e4, -3.7654


@contextmanager
def poisoned_memory(poison: float) -> Iterator[None]:
    """Fill the floating arrays that ``np.empty`` and ``np.empty_like`` make with a number that is not meant."""
    empty, empty_like = np.empty, np.empty_like

    def filled(make: Any) -> Any:
        def poisoned(*args: Any, **kwargs: Any) -> Any:
            array = make(*args, **kwargs)
            if isinstance(array, np.ndarray) and array.dtype.kind in "fc":
                array.fill(poison)
            return array

        return poisoned

    np.empty, np.empty_like = filled(empty), filled(empty_like)  # type: ignore[misc]
    try:
        yield
    finally:
        np.empty, np.empty_like = empty, empty_like  # type: ignore[misc]
