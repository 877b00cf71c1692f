"""Where a layer object keeps its parameters and their gradients: found by name and shape, never guessed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from gradcheck.adapters.objects.parameter_names import Meaning, looked_for, meaning
from gradcheck.adapters.objects.paths import MISSING, Path, attribute_names, places, suggestion
from gradcheck.adapters.returned_gradients import Shape
from gradcheck.subject import Array

_NUMBERS = (np.ndarray, float, np.generic)


class NotFoundError(ValueError):
    """A layer has no place for a parameter, or for its gradient, where it was looked for."""


def without_ones(shape: Shape) -> Shape:
    """Return a shape without its axes of size 1."""
    return tuple(size for size in shape if size != 1)


def same_but_for_ones(shape: Shape, other: Shape) -> bool:
    """Whether two shapes differ by axes of size 1 alone."""
    return without_ones(shape) == without_ones(other)


def as_shaped(array: Any, shape: Shape) -> Any:
    """Return an array in a shape that differs by axes of size 1 alone; anything else as it is."""
    if isinstance(array, np.ndarray) and array.shape != shape and same_but_for_ones(array.shape, shape):
        return array.reshape(shape)
    return array


def find_parameters(layer: Any, wanted: Mapping[str, Shape], given: Mapping[str, str]) -> dict[str, Path]:
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
            found[name] = Path.parse(given[name])
            if found[name].get(layer) is MISSING or found[name].get(layer) is None:
                raise _nothing_at(layer, f"{type(layer).__name__} has no", "params", name, given[name])
        else:
            found[name] = _parameter(layer, name, shape)
        held = found[name].get(layer)
        if isinstance(held, np.ndarray) and not same_but_for_ones(held.shape, shape):
            raise ValueError(_misfit(layer, name, shape, found[name], held))
    return found


def _parameter(layer: Any, name: str, shape: Shape) -> Path:
    found = list(_meaningful(layer, gradients=False))
    named = [(path, value) for path, value, said in found if said.names(name)]
    listed = [(path, value) for path, value, said in found if not said.word and said.position is not None]
    fitting = _of_shape(named, shape) or named[:1] or _of_shape(listed, shape)
    if not fitting:
        raise NotFoundError(
            f"no parameter {name!r} of shape {shape} in {type(layer).__name__}: looked for "
            f"{looked_for(name, gradient=False)}; it has {attribute_names(layer)}; say where it is: "
            f"params={{{name!r}: '…'}}"
        )
    return _only(layer, fitting, f"the parameter {name!r}", "params", name)


def find_gradient(layer: Any, name: str, shape: Shape, *, param: Path | None, given: Mapping[str, str]) -> Path | None:
    """Return where a layer keeps the gradient of a primal after backward; None if nowhere.

    The gradient of ``W`` is looked for as that of ``W``, then as that of any other name of the primal, then in a list
    of gradients, where it is beside its parameter in a list of parameters.

    Raises
    ------
    NotFoundError
        If the place that was declared holds nothing.
    ValueError
        If several places may be meant.
    """
    if name in given:
        path = Path.parse(given[name])
        if not isinstance(path.get(layer), _NUMBERS):
            what = f"after backward {type(layer).__name__} has no array at"
            raise _nothing_at(layer, what, "grads", name, given[name])
        return path
    own = meaning(param) if param else None
    found = list(_meaningful(layer, gradients=True))
    same_word = [(path, value) for path, value, said in found if own and own.word and said.word == own.word]
    same_name = [(path, value) for path, value, said in found if said.names(name)]
    listed = [(path, value) for path, value, said in found if own and not said.word and said.position is not None]
    in_list = _of_shape(listed, shape)
    beside = [one for one in in_list if own and own.position is not None and one[0].steps[-1].key == own.position]
    # One of a wrong shape is left for the check to blame.
    by_name = _of_shape(same_word, shape) or same_word[:1] or _of_shape(same_name, shape) or same_name[:1]
    fitting = by_name or beside or in_list
    return _only(layer, fitting, f"the gradient of {name!r}", "grads", name) if fitting else None


def no_gradient(layer: Any, name: str, shape: Shape) -> NotFoundError:
    """Return the error of a gradient that is nowhere."""
    arrays = [(path, value) for path, value in places(layer) if isinstance(value, np.ndarray) and value.ndim]
    alike = [str(path) for path, _ in _of_shape(arrays, shape)]
    near = f" (of that shape: {', '.join(alike[:4])})" if alike else ""
    return NotFoundError(
        f"no gradient of {name!r} after backward of {type(layer).__name__}: looked for "
        f"{looked_for(name, gradient=True)} and what backward returns; it has {attribute_names(layer)}{near}; "
        f"say where it is: grads={{{name!r}: '…'}}"
    )


def _nothing_at(layer: Any, what: str, option: str, name: str, text: str) -> NotFoundError:
    return NotFoundError(
        f"{what} {text!r}, which {option}={{{name!r}: {text!r}}} names; it has {attribute_names(layer)}"
        f"{suggestion(layer, text)}"
    )


def _meaningful(layer: Any, *, gradients: bool) -> Iterator[tuple[Path, Any, Meaning]]:
    """Yield the arrays and numbers of a layer that are named as parameters, or as gradients."""
    for path, value in places(layer):
        said = meaning(path)
        if said is not None and said.is_gradient == gradients and isinstance(value, _NUMBERS):
            yield path, value, said


def _of_shape(found: Sequence[tuple[Path, Any]], shape: Shape) -> list[tuple[Path, Any]]:
    return [(path, value) for path, value in found if same_but_for_ones(np.shape(value), shape)]


def _only(layer: Any, found: Sequence[tuple[Path, Any]], what: str, option: str, name: str) -> Path:
    """Return the first of several places, if all hold the same array."""
    first = found[0][0]
    if len({id(value) for _, value in found}) > 1:
        where = " or ".join(str(path) for path, _ in found[:4])
        raise ValueError(
            f"{what} of {type(layer).__name__} may be {where}; say which: {option}={{{name!r}: {str(first)!r}}}"
        )
    return first


def _misfit(layer: Any, name: str, shape: Shape, path: Path, held: Array) -> str:
    how = "is its shape right?"
    if sorted(size for size in held.shape if size > 1) == sorted(size for size in shape if size > 1):
        word = "IO" if len(shape) == 2 else "HWIO"
        how = f"if its axes are in another order, say in which: layouts={{{name!r}: {word!r}}}"
    elif held.size == np.prod(shape):
        how = f"if some of its axes are one, say which: layouts={{{name!r}: 'O(IHW)'}}"
    return f"{path} of {type(layer).__name__} has shape {held.shape}, the primal {name!r} has shape {shape}; {how}"
