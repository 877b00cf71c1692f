"""Shapes of arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy


def shapes(*, max_rank: int = 4) -> SearchStrategy[tuple[int, ...]]:
    """Return a strategy of shapes of rank 1 to `max_rank` with axes of 1 to 5 entries; shrinks to ``(1,)``."""
    from hypothesis import strategies as st

    return st.lists(st.integers(1, 5), min_size=1, max_size=max_rank).map(tuple)
