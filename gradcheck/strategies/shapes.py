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
    from hypothesis import strategies as st

    def narrowed(out: tuple[int, ...]) -> SearchStrategy[tuple[int, ...]]:
        """Drop leading axes, and make any of the others 1."""
        ones = st.tuples(*[st.booleans()] * len(out))
        narrow = ones.map(lambda flags: tuple(1 if one else size for one, size in zip(flags, out, strict=True)))
        return st.tuples(narrow, st.integers(0, len(out))).map(lambda drawn: drawn[0][drawn[1] :])

    sizes = st.lists(st.integers(1, 5), max_size=4).map(tuple)
    return sizes.flatmap(lambda out: st.tuples(narrowed(out), narrowed(out)))
