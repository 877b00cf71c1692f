"""Where a layer object keeps its parameters: found by name and shape, never guessed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gradcheck.adapters.objects.parameter_names import looked_for, meaning
from gradcheck.adapters.objects.paths import MISSING, Path, attribute_names, places, suggestion
from gradcheck.subject import Array


class NotFoundError(ValueError):
    """A layer has no place for a parameter, or for its gradient, where it was looked for."""


def without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape without its axes of size 1."""
    return tuple(size for size in shape if size != 1)


def same_but_for_ones(shape: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether two shapes differ by axes of size 1 alone."""
    return without_ones(shape) == without_ones(other)


def as_shaped(array: Any, shape: tuple[int, ...]) -> Any:
    """Return an array in a shape that differs by axes of size 1 alone; anything else as it is."""
    if isinstance(array, np.ndarray) and array.shape != shape and same_but_for_ones(array.shape, shape):
        return array.reshape(shape)
    return array


def find_parameters(layer: Any, wanted: Mapping[str, tuple[int, ...]], given: Mapping[str, str]) -> dict[str, Path]:
    """Return where a layer keeps the parameters of these names and shapes.

    Raises
    ------
    NotFoundError
        If one is not there (yet).
    ValueError
        If several places may be meant, or one has another shape.
    """
    found = {}
    for name, shape in wanted.items():
        if name in given:
            found[name] = _stated(layer, name, given[name])
        else:
            found[name] = _parameter(layer, name, shape)
        held = found[name].get(layer)
        if isinstance(held, np.ndarray) and not same_but_for_ones(held.shape, shape):
            raise ValueError(_misfit(layer, name, shape, found[name], held))
    return found


def _stated(layer: Any, name: str, text: str) -> Path:
    path = Path.parse(text)
    if path.get(layer) is MISSING or path.get(layer) is None:
        raise NotFoundError(
            f"{type(layer).__name__} has no {text!r}, which params={{{name!r}: {text!r}}} names; it has "
            f"{attribute_names(layer)}{suggestion(layer, text)}"
        )
    return path


def _parameter(layer: Any, name: str, shape: tuple[int, ...]) -> Path:
    named, listed = [], []
    for path, value in places(layer):
        said = meaning(path)
        if said is None or said.is_gradient or not isinstance(value, np.ndarray | float | np.generic):
            continue
        if said.names(name):
            named.append((path, value))
        elif not said.word and said.position is not None:
            listed.append((path, value))
    fitting = [(path, value) for path, value in named if same_but_for_ones(np.shape(value), shape)]
    fitting = fitting or [(path, value) for path, value in named[:1]]
    fitting = fitting or [(path, value) for path, value in listed if same_but_for_ones(np.shape(value), shape)]
    if not fitting:
        raise NotFoundError(
            f"no parameter {name!r} of shape {shape} in {type(layer).__name__}: looked for "
            f"{looked_for(name, gradient=False)}; it has {attribute_names(layer)}; say where it is: "
            f"params={{{name!r}: '…'}}"
        )
    refuse_several(layer, fitting, f"the parameter {name!r}", f"params={{{name!r}: {str(fitting[0][0])!r}}}")
    return fitting[0][0]


def _misfit(layer: Any, name: str, shape: tuple[int, ...], path: Path, held: Array) -> str:
    how = "is its shape right?"
    if sorted(size for size in held.shape if size > 1) == sorted(size for size in shape if size > 1):
        word = "IO" if len(shape) == 2 else "HWIO"
        how = f"if its axes are in another order, say in which: layouts={{{name!r}: {word!r}}}"
    elif held.size == np.prod(shape):
        how = f"if some of its axes are one, say which: layouts={{{name!r}: 'O(IHW)'}}"
    return f"{path} of {type(layer).__name__} has shape {held.shape}, the primal {name!r} has shape {shape}; {how}"


def refuse_several(layer: Any, found: Sequence[tuple[Path, Any]], what: str, how: str) -> None:
    """Refuse places that hold different arrays.

    Raises
    ------
    ValueError
    """
    if len({id(value) for _, value in found}) > 1:
        where = " or ".join(str(path) for path, _ in found[:4])
        raise ValueError(f"{what} of {type(layer).__name__} may be {where}; say which: {how}")
