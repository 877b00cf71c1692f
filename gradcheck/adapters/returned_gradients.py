"""Which gradient is which among what a backward returned, as far as a declaration or shapes tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from gradcheck.adapters.returned_values import KeyPath, leaves

Shape: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Results:
    """What a backward returned.

    Attributes
    ----------
    what : str
        What messages call the backward.
    values : dict of KeyPath to object
        The results in a row, each with the way to it.
    """

    what: str
    values: dict[KeyPath, Any]

    def shape(self, path: KeyPath) -> Shape | None:
        """Return the shape of a result; None of None."""
        value = self.values[path]
        return None if value is None else np.shape(value)

    def shapes(self, paths: Iterable[KeyPath]) -> str:
        """Return the shapes of some results, as a sentence lists them."""
        return ", ".join(str(self.shape(path)) for path in paths) or "none"

    def as_declared(self, returns: Any) -> dict[str, KeyPath]:
        """Return where the gradients are if the results come in a declared order, with None for what is no gradient.

        Raises
        ------
        ValueError
            If another number of results came.
        """
        names = [name for _, name in leaves(returns)]
        if len(names) != len(self.values):
            raise ValueError(
                f"expected {self.what} to return {len(names)} results, but it returned {len(self.values)} values, of "
                f"shapes {self.shapes(self.values)}, where returns={returns!r} names {len(names)}"
            )
        return {name: path for path, name in zip(self.values, names, strict=True) if name is not None}


def fit_shapes(due: Mapping[str, Shape], found: Mapping[KeyPath, Shape | None]) -> dict[str, KeyPath] | None:
    """Return for each primal the first result of its shape that is left; None if one finds none.

    Where no two of the shapes that are due are equal, that is the only way.

    Examples
    --------
    >>> fit_shapes({"x": (2, 3), "bias": (3,)}, {(0,): (3,), (1,): (2, 3)})
    {'x': (1,), 'bias': (0,)}
    """
    free = dict(found)
    fits: dict[str, KeyPath] = {}
    for name, shape in due.items():
        path = next((path for path, other in free.items() if other == shape), None)
        if path is None:
            return None
        fits[name] = path
        del free[path]
    return fits
