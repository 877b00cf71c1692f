"""Shapes of arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy


def shapes(*, max_rank: int = 4) -> SearchStrategy[tuple[int, ...]]:
    """Return a strategy of shapes of rank 1 to `max_rank` with axes of 1 to 5 entries; shrinks to ``(1,)``."""
    from hypothesis import strategies as st

    return st.lists(st.integers(1, 5), min_size=1, max_size=max_rank).map(tuple)


def broadcastable_pairs() -> SearchStrategy[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Return a strategy of two shapes that can be broadcast together, of rank 0 to 4; shrinks to ``((), ())``."""
    from hypothesis.extra.numpy import mutually_broadcastable_shapes

    shapes = mutually_broadcastable_shapes(num_shapes=2, max_dims=4, min_side=1, max_side=5)
    return shapes.map(lambda found: (found.input_shapes[0], found.input_shapes[1]))
