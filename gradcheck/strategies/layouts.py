"""Memory layouts as a strategy: the same numbers, stored in another way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradcheck.numeric.array_layouts import LAYOUTS, Layout, read_only

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy


def layouts() -> SearchStrategy[Layout]:
    """Return a strategy of functions that return an array's numbers in another memory layout.

    C order, Fortran order, every stride negative, every other entry of a larger array, the middle of a buffer, axes
    rolled as in images with channels last; and C order that cannot be written to. A stride of 0, which changes the
    numbers, is `gradcheck.numeric.array_layouts.repeated`.

    Examples
    --------
    >>> import numpy as np
    >>> from hypothesis import given
    >>> @given(layouts())
    ... def numbers_stay(layout):
    ...     array = np.arange(6.0).reshape(2, 3)
    ...     assert np.array_equal(layout(array), array)
    >>> numbers_stay()

    Notes
    -----
    Shrinks to C order.
    """
    import numpy as np
    from hypothesis import strategies as st

    return st.sampled_from([np.array, read_only, *LAYOUTS.values()])
